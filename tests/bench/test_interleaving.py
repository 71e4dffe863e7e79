"""Contestants take turns, and the journal keeps what an interrupted or damaged run had finished."""

import json

import pytest

from bokeh_tf.bench.contestant import Failed, Finished, Started
from bokeh_tf.bench.host.interleaving import run_interleaved
from bokeh_tf.bench.host.worker_process import WorkerError
from bokeh_tf.bench.results.journal import Journal, key_of
from bokeh_tf.bench.results.measurement import RunVerdict
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.errors import CheckError, OutputError

MS = 1_000_000
UTC = "2025-01-02T03:04:05Z"


class FakeContestant:
    """A contestant whose runs all take `run_ns`, and which may fail, or
    be interrupted, at a turn.
    """

    def __init__(self, name, log, *, run_ns=50 * MS, fails_at=None, interrupted_at=None):
        self.name, self.log, self.run_ns = name, log, run_ns
        self.fails_at, self.interrupted_at = fails_at, interrupted_at
        self.turns = 0

    def start(self):
        self.log.append(f"start {self.name}")
        return Started(first_ns=99 * MS)

    def take(self, runs, *, settle=False):
        if settle:
            self.turns += 1
            if self.turns == self.fails_at:
                raise WorkerError("it died", kind="died")
            if self.turns == self.interrupted_at:
                raise KeyboardInterrupt
            self.log.append(self.name)
        return (self.run_ns,) * runs

    def finish(self):
        return Finished(peak_bytes=7)

    def explain(self, error):
        return Failed(str(error), RunVerdict(DelegateOutcome.FAILED_INIT, str(error)))

    def close(self):
        self.log.append(f"close {self.name}")


def run_fakes(folder, *, rounds=3, **options_of):
    log = []
    contestants = [FakeContestant(name, log, **options_of.get(name, {})) for name in "AB"]
    with Journal(folder, "key", created_utc=UTC) as journal:
        try:
            run_interleaved(contestants, journal, rounds=rounds)
        except KeyboardInterrupt:
            log.append("interrupted")
    return log, journal


def test_turns_are_interleaved_and_everything_is_closed():
    log, journal = run_fakes(None)
    assert log == ["start A", "start B", *"ABABAB", "close B", "close A"]
    samples = journal.samples("A")
    assert (samples.first_ns, samples.rounds_ns) == (99 * MS, ((50 * MS,) * 3,) * 3)
    assert list(samples.rounds_start_ns) == sorted(samples.rounds_start_ns)
    assert journal.facts("B")["peak_bytes"] == 7
    # At the start and after every round.
    assert len(journal.conditions) == 4


def test_one_that_fails_is_out_and_the_others_go_on():
    log, journal = run_fakes(None, A={"fails_at": 2})
    assert log == ["start A", "start B", *"ABBB", "close B", "close A"]
    assert (journal.turns_done("A"), journal.turns_done("B")) == (1, 3)
    assert journal.facts("A")["failure"] == "it died"


def test_an_interrupted_run_continues_in_the_middle_of_a_round(tmp_path):
    log, _ = run_fakes(tmp_path, B={"interrupted_at": 2})
    assert log[2:] == [*"ABA", "close B", "close A", "interrupted"]
    # The second session is faster: what was finished before is kept all the same.
    log, journal = run_fakes(tmp_path, A={"run_ns": 10 * MS}, B={"run_ns": 10 * MS})
    assert log == ["start A", "start B", *"BAB", "close B", "close A"]
    assert [times[0] // MS for times in journal.samples("A").rounds_ns] == [50, 50, 10]
    # As many runs a turn as before, so that the rounds stay comparable.
    assert {len(times) for times in journal.samples("B").rounds_ns} == {3}
    starts_ns = journal.samples("A").rounds_start_ns
    assert list(starts_ns) == sorted(starts_ns)
    assert len(journal.sessions_utc) == 2


def test_a_run_interrupted_before_its_first_turn_leaves_nothing(tmp_path):
    run_fakes(tmp_path, A={"interrupted_at": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_journal_cut_off_in_its_last_line_loses_that_line_only(tmp_path):
    run_fakes(tmp_path, B={"interrupted_at": 2})
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: content.rfind(b'{"turn"') + 20])
    log, journal = run_fakes(tmp_path)
    assert log[2:] == [*"ABAB", "close B", "close A"]
    assert journal.turns_done("A") == 3
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


DAMAGED_LINES = {
    "empty": b"",
    "NUL": b"\0" * 512,
    "cut off": b'{"turn": [50000000, 5000',
    "deep": b'{"facts": ' + b"[" * 100_000,
    "many digits": b'{"turn": [' + b"9" * 5000 + b'], "of": "A", "start_ns": 1}',
    "too large": b'{"turn": [' + b"9" * 400 + b'], "of": "A", "start_ns": 1}',
    "text for times": b'{"turn": "50", "of": "A", "start_ns": 1}',
    "no times": b'{"turn": [], "of": "A", "start_ns": 1}',
    "other times": b'{"turn": [50000000], "of": "A", "start_ns": 1}',
    "negative": b'{"turn": [-1, 5, 5], "of": "A", "start_ns": 1}',
    "nobody's": b'{"turn": [1, 5, 5], "of": ["A"], "start_ns": 1}',
    "facts of a number": b'{"facts": 5, "of": "A"}',
    "a wrong fact": b'{"facts": {"cold_init_ns": "x", "outputs": 3}, "of": "A"}',
    "conditions": b'{"conditions": {"at_ns": "x"}}',
    "a list": b"[1, 2]",
    "a word": b'"turn"',
    "not UTF-8": b'{"session_utc": "\xff", "at_ns": 1}',
}


@pytest.mark.parametrize("case", DAMAGED_LINES)
def test_a_damaged_line_costs_that_line_only(tmp_path, case):
    run_fakes(tmp_path, B={"interrupted_at": 2})
    (path,) = tmp_path.iterdir()
    lines = path.read_bytes().splitlines()
    for place in range(1, len(lines) + 1):
        path.write_bytes(b"\n".join([*lines[:place], DAMAGED_LINES[case], *lines[place:], b""]))
        with Journal(tmp_path, "key", created_utc=UTC) as journal:
            assert (journal.turns_done("A"), journal.turns_done("B")) == (2, 1)
            assert {times[0] for times in journal.samples("A").rounds_ns} == {50 * MS}
            assert len(journal.sessions_utc) == 1


def test_every_line_may_be_lost_and_the_run_is_finished(tmp_path):
    run_fakes(tmp_path, B={"interrupted_at": 2})
    (path,) = tmp_path.iterdir()
    lines = path.read_bytes().splitlines()
    for place in range(1, len(lines)):
        path.write_bytes(b"\n".join([*lines[:place], b"\0\0", *lines[place + 1 :], b""]))
        _, journal = run_fakes(tmp_path, A={"run_ns": 10 * MS}, B={"run_ns": 10 * MS})
        for name in "AB":
            assert [len(times) for times in journal.samples(name).rounds_ns] == [3, 3, 3]


def test_a_second_run_that_began_at_the_same_time_says_so(tmp_path):
    with (
        Journal(tmp_path, "key", created_utc=UTC) as first,
        Journal(tmp_path, "key", created_utc=UTC) as second,
    ):
        turn = {"turn": [1], "of": "A", "start_ns": 0}
        first.add(turn)
        with pytest.raises(CheckError, match="another run of the same thing is at work"):
            second.add(turn)


@pytest.mark.parametrize(
    "content", ["nonsense\n", '{"journal": 99, "key": "key"}\n', "[]\n", '{"journal": 1}\n']
)
def test_a_damaged_journal_is_one_clear_line(tmp_path, content):
    (tmp_path / "unfinished_key.jsonl").write_text(content)
    with pytest.raises(CheckError, match="Delete it and measure again"):
        run_fakes(tmp_path)


def test_two_runs_of_the_same_thing_do_not_share_a_journal(tmp_path):
    run_fakes(tmp_path, B={"interrupted_at": 2})
    with Journal(tmp_path, "key", created_utc=UTC), pytest.raises(CheckError, match="another run"):
        run_fakes(tmp_path)


def test_a_journal_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        run_fakes(tmp_path / "file")


def test_keys_tell_plans_apart():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})

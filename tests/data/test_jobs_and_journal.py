"""What work on many files stands on: jobs in children that may crash, and the journal of what is
done.
"""

import os
import signal
import time

import pytest

from bokeh_tf.data.journal import Journal, version_of
from bokeh_tf.data.workers import Failure, run_jobs
from bokeh_tf.errors import DataError

TIMEOUT_S = 600
# Of a job; a busy machine must start the child within it.
TIME_LIMIT_S = 8


@pytest.mark.parametrize(
    "content",
    [b"", b'{"jour', b'{"journal": 1, "setti', bytes(100), b'\0\n{"key": "a", "record": 1}\n'],
)
def test_what_is_left_of_a_journal_is_one(tmp_path, content):
    (tmp_path / "a.jsonl").write_bytes(content)
    with Journal(tmp_path / "a.jsonl", {}) as journal:
        assert journal.is_new == (not content)
        journal.add("b", None, 2)
    with Journal(tmp_path / "a.jsonl", {}) as journal:
        assert journal.get("b", None) == 2 and journal.records() == [2]


# What a child process does in the tests below; found by its name in this module.
def job(behaviour):
    if behaviour == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "hang":
        time.sleep(TIMEOUT_S)
    if behaviour == "refuse":
        raise DataError("no use")
    if behaviour == "bug":
        raise KeyError(behaviour)
    return behaviour


def test_jobs_that_crash_hang_or_fail_are_named_and_the_others_go_on():
    jobs = {name: (name,) for name in ("good", "crash", "refuse", "better", "hang", "best")}
    outcomes = dict(run_jobs(job, jobs, time_limit_s=TIME_LIMIT_S))
    assert [outcomes[name] for name in ("good", "better", "best")] == ["good", "better", "best"]
    assert outcomes["crash"] == Failure("the decoder crashed (SIGSEGV)", is_lasting=False)
    assert outcomes["refuse"] == Failure("no use", is_lasting=True)
    assert outcomes["hang"] == Failure(f"took longer than {TIME_LIMIT_S} s", is_lasting=False)


def test_a_bug_in_a_job_is_not_a_result(capfd):
    with pytest.raises(RuntimeError, match="'x' failed; its traceback is above"):
        dict(run_jobs(job, {"x": ("bug",)}))
    assert "KeyError: 'bug'" in capfd.readouterr().err


def test_a_journal_forgets_damage_other_settings_and_other_files(tmp_path):
    file, path = tmp_path / "a.jpg", tmp_path / "journal.jsonl"
    file.write_bytes(b"1")
    version = version_of(file, tmp_path / "missing")
    with Journal(path, {"height_px": 3}) as journal:
        journal.add("größe\n写真", version, {"ok": 1})
    with path.open("ab") as stream:
        stream.write(b'not json\n[1]\n{"key": "cut off')
    with Journal(path, {"height_px": 3}) as journal:
        assert journal.get("größe\n写真", version) == {"ok": 1}
        journal.add("b", version, {"ok": 2})
        file.write_bytes(b"22")
        assert journal.get("b", version_of(file, tmp_path / "missing")) is None
        with pytest.raises(DataError, match="another run is at work"), Journal(path, {}):
            pass
    with Journal(path, {"height_px": 3}) as journal:
        assert journal.get("b", version) == {"ok": 2}
    # What a crash of the machine leaves: empty and NUL lines, the first one included.
    damage = (
        b"\n\0\0\n"
        + b"[" * 100_000
        + b"\n"
        + b'{"key": ["b"], "version": 1, "record": 2}\n'
        + b"9" * 5000
        + b"\n"
    )
    path.write_bytes(b"\0\n" + path.read_bytes().replace(b"\n", b"\n" + damage))
    with Journal(path, {"height_px": 3}) as journal:
        assert journal.get("b", version) == {"ok": 2}
    with Journal(path, {"height_px": 4}) as journal:
        assert journal.get("b", version) is None

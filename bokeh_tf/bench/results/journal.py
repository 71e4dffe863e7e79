"""What a timing run has finished so far, kept in a file so that an interrupted run
continues and loses nothing.

The file is JSON lines, each written and flushed when the thing it records has happened:

    {"journal": 1, "key", "created_utc"}            the first line; the key says what is being measured
    {"session_utc", "at_ns"}                        the run was started or continued
    {"facts": {…}, "of": name}                      what is known of a contestant; later ones replace earlier ones
    {"warmup": {…}, "of": name}                     its first run, its warm-up, its runs per turn; the first one counts
    {"turn": [times in ns], "of": name, "start_ns"} a finished turn
    {"conditions": {…}}                             the machine after a round

A line that is damaged, by whatever, is as if it had not been written, and the others count;
a last one that was cut off is removed. Without its first line the file is nobody's. It
appears with the first finished turn: an interruption before that loses nothing. It is
removed once the result is written.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from bokeh_tf import files, paths
from bokeh_tf.bench.results.environment import Conditions
from bokeh_tf.bench.results.measurement import OutputComparison, RunVerdict, StartCache
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.bench.results.validation import LARGEST
from bokeh_tf.documents import DocumentError, parse, typed
from bokeh_tf.errors import CheckError, OutputError

_VERSION = 1
_KEY_DIGITS = 16


def key_of(plan: object) -> str:
    """A short digest of a plan (anything that JSON holds); equal plans have equal keys."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:_KEY_DIGITS]


class Journal:
    """The record of one run. `folder` None keeps it in memory only."""

    def __init__(self, folder: str | Path | None, key: str, *, created_utc: str):
        self.path = None if folder is None else Path(folder) / f"unfinished_{key}.jsonl"
        self.created_utc = created_utc
        self.sessions_utc: list[str] = []
        self.conditions: list[Conditions] = []
        self.elapsed_ns = 0
        self._facts: dict[str, dict[str, Any]] = {}
        self._warmups: dict[str, dict] = {}
        self._turns: dict[str, list[dict]] = {}
        self._lines = [{"journal": _VERSION, "key": key, "created_utc": created_utc}]
        self._file: BinaryIO | None = None

    def __enter__(self):
        if self.path is not None and paths.is_file(self.path):
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(self.__exit__)
                self._load(self._open(self.path, "r+b"))
                on_failure.pop_all()
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()

    def turns_done(self, name: str) -> int:
        """How many turns of a contestant are finished."""
        return len(self._turns.get(name, ()))

    def turn_length(self, name: str) -> int | None:
        """How many times each finished turn of a contestant has; None where no turn is finished."""
        turns = self._turns.get(name)
        return len(turns[0]["turn"]) if turns else None

    def facts(self, name: str) -> dict[str, Any]:
        """What is known of a contestant."""
        return self._facts.get(name, {})

    def warmup(self, name: str) -> dict[str, Any] | None:
        """The recorded warm-up of a contestant."""
        return self._warmups.get(name)

    def samples(self, name: str) -> Samples | None:
        """The samples of a contestant; None where no turn is finished."""
        turns, warmup = self._turns.get(name), self._warmups.get(name)
        if not turns or warmup is None:
            return None
        return Samples(
            first_ns=warmup["first_ns"],
            warmup_ns=tuple(warmup["times_ns"]),
            warmup_was_flat=warmup["was_flat"],
            rounds_ns=tuple(tuple(turn["turn"]) for turn in turns),
            rounds_start_ns=tuple(turn["start_ns"] for turn in turns),
        )

    def add(self, record: dict[str, Any]) -> None:
        """Records one of the things that the module's docstring lists."""
        self._take(record)
        if self.path is None:
            return
        self._lines.append(record)
        if self._file is None and "turn" not in record:
            return
        file = self._file
        if file is None:
            files.make_folder(self.path.parent)
            file = self._open(self.path, "x+b")
        self._write(file, "".join(json.dumps(line, allow_nan=False) + "\n" for line in self._lines))
        self._lines = []

    def remove(self) -> None:
        """Removes the file, whose content is now in a result."""
        if self._file is not None and self.path is not None:
            self.path.unlink(missing_ok=True)

    def _open(self, path: Path, mode: Literal["r+b", "x+b"]) -> BinaryIO:
        try:
            self._file = file = path.open(mode)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        # Whose file appeared since this run looked for one is at work too.
        except (BlockingIOError, FileExistsError) as error:
            raise CheckError(
                f"{self.path}: another run of the same thing is at work. Wait for it."
            ) from error
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot write here ({error.strerror}). Choose another folder."
            ) from error

    def _write(self, file: BinaryIO, text: str) -> None:
        try:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot write ({error.strerror}). What it holds is kept."
            ) from error

    def _load(self, file: BinaryIO) -> None:
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        head, *lines = whole.split(b"\n")
        try:
            known = typed(parse(head), _Head)
            if known.journal != _VERSION or known.key != self._lines[0]["key"]:
                raise DocumentError("another version or another run")
        except DocumentError as error:
            raise CheckError(
                f"{self.path}: damaged ({error}). Delete it and measure again."
            ) from error
        self.created_utc = known.created_utc
        records = list(filter(None, map(_sound_record, lines)))
        usual = _usual_lengths(records)
        for record in records:
            if "turn" not in record or len(record["turn"]) == usual[record["of"]]:
                self._take(record)
        with contextlib.suppress(OSError):
            file.truncate(len(whole))
        file.seek(len(whole))
        self._lines = []

    def _take(self, record):
        if "session_utc" in record:
            self.sessions_utc.append(record["session_utc"])
        elif "facts" in record:
            self._facts[record["of"]] = {**self.facts(record["of"]), **record["facts"]}
        elif "warmup" in record:
            self._warmups.setdefault(record["of"], record["warmup"])
        elif "turn" in record:
            self._turns.setdefault(record["of"], []).append(record)
            self.elapsed_ns = max(self.elapsed_ns, record["start_ns"] + sum(record["turn"]))
        elif "conditions" in record:
            self.conditions.append(Conditions(**record["conditions"]))


@dataclass
class _Head:
    journal: int
    key: str
    created_utc: str


@dataclass
class _Session:
    session_utc: str
    at_ns: int


@dataclass
class _KnownFacts:
    """The facts that become a part of a result, where a line has them."""

    first_ns: int | None = None
    failure: str | None = None
    runtime: str | None = None
    accelerator: str | None = None
    stamp: str | None = None
    device: str | None = None
    reasons: tuple[str, ...] = ()
    outputs: tuple[OutputComparison, ...] = ()
    verdict: RunVerdict | None = None
    cold_init_ns: int | None = None
    warm_init_ns: int | None = None
    warm_init_how: str | None = None
    warm_init_kind: str | None = None
    cache: StartCache | None = None
    peak_bytes: int | None = None
    before_load_bytes: int | None = None
    origin: dict[str, Any] | None = None


@dataclass
class _FactsLine:
    facts: _KnownFacts
    of: str


@dataclass
class _Warmup:
    first_ns: int
    times_ns: tuple[int, ...]
    was_flat: bool
    runs: int


@dataclass
class _WarmupLine:
    warmup: _Warmup
    of: str


@dataclass
class _Turn:
    turn: tuple[int, ...]
    of: str
    start_ns: int

    def __post_init__(self):
        if not self.turn or not all(0 < time_ns < LARGEST for time_ns in self.turn):
            raise ValueError("a turn has times")
        if not 0 <= self.start_ns < LARGEST:
            raise ValueError("a turn has a start")


@dataclass
class _ConditionsLine:
    conditions: Conditions


_LINES = {
    "session_utc": _Session,
    "facts": _FactsLine,
    "warmup": _WarmupLine,
    "turn": _Turn,
    "conditions": _ConditionsLine,
}


def _usual_lengths(records):
    """How many times most turns of each contestant have: the summary needs equally many."""
    lengths: dict[str, Counter] = {}
    for record in records:
        if "turn" in record:
            lengths.setdefault(record["of"], Counter())[len(record["turn"])] += 1
    return {name: counted.most_common(1)[0][0] for name, counted in lengths.items()}


def _sound_record(line):
    """The record in a line as its writer left it; None where the line is damaged or
    of no kind that is known.
    """
    try:
        record = typed(parse(line), dict)
        kind = next((kind for name, kind in _LINES.items() if name in record), None)
        if kind is None:
            return None
        typed(record, kind)
    except DocumentError:
        return None
    return record

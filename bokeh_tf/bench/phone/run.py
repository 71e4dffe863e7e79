"""Timing models on phones over adb, with the user's own `benchmark_model`;
all phones at the same time.

The program says what it measured in statistics, not in raw times, so a sample is the median of a
round (its mean where the build prints none), and a measurement's `sample_kind` says so; the
program's own figures are in `details`. A phone that fails does not stop the others, and what it had
finished is in the result.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

import bokeh_tf
from bokeh_tf.bench.host.sampling import ignore
from bokeh_tf.bench.phone.adb import Adb, find_adb
from bokeh_tf.bench.phone.device import Device
from bokeh_tf.bench.phone.device_state import DeviceState
from bokeh_tf.bench.phone.measurements import phone_doubts, phone_facts, phone_measurements
from bokeh_tf.bench.phone.program import Amount, PhoneSetting
from bokeh_tf.bench.phone.run_folder import RETURN_TIMEOUT_S
from bokeh_tf.bench.phone.session import Gate, Hooks, PhoneSession, Plan, phone_identity
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.journal import Journal, key_of
from bokeh_tf.bench.results.result import Result, utc_now, write_result
from bokeh_tf.bench.subject import Subject, distinct_names
from bokeh_tf.bench.vocabulary import CORES, SETTINGS
from bokeh_tf.errors import CheckError, DependencyError, DeviceError
from bokeh_tf.files import write_bytes
from bokeh_tf.paths import is_file, open_file, printable, resolved, why_no_file
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.reading import read_file

ALL = "all"
PROGRAM_VARIABLE = "BOKEH_BENCHMARK_MODEL"
GATE = Gate()
TURN = Amount(runs=50, warmup_runs=5, max_seconds=10)


_POLL_S = 0.5


@dataclass(frozen=True)
class AndroidRun:
    """What is timed on phones: every model with every setting, on each phone.

    Attributes:
        program: the `benchmark_model` for Android, see `find_program`.
        serials: of the phones; `("all",)` for all that are ready, empty for the only one.
        libraries: files that the program needs beside it, such as LiteRT's GPU accelerator.
        timeout_s: for one call of the program.
        return_timeout_s: how long the end waits for a phone that went away, to clean up there.
    """

    models: Sequence[Path]
    program: Path
    settings: Sequence[PhoneSetting]
    serials: Sequence[str] = ()
    libraries: Sequence[Path] = ()
    rounds: int = 10
    turn: Amount = TURN
    gate: Gate = GATE
    timeout_s: float = 600.0
    return_timeout_s: float = RETURN_TIMEOUT_S


@dataclass(frozen=True)
class AndroidResult:
    """`path` is the result's file, None without a folder; `failures` has a sentence per
    phone that did not finish.
    """

    result: Result
    path: Path | None
    failures: tuple[str, ...]


def parse_settings(
    names: Sequence[str], *, threads: Sequence[int] = (1,), cores=None
) -> tuple[PhoneSetting, ...]:
    """The settings called `names`, of `SETTINGS`; "cpu" once for each of `threads`."""
    unknown = [name for name in names if name not in SETTINGS]
    if unknown or not names or cores not in (None, *CORES):
        known = f"{', '.join(SETTINGS)}; cores {', '.join(CORES)}"
        raise ValueError(
            f"Settings of phones. Received: {', '.join(names) or 'none'}; {cores}. Known: {known}"
        )
    settings = []
    for name in dict.fromkeys(names):
        backend, _, precision = name.partition("-")
        if backend == "cpu":
            settings += [
                PhoneSetting("cpu", "fp32", count, cores) for count in dict.fromkeys(threads)
            ]
        else:
            settings.append(PhoneSetting(backend, precision or "fp16", 1, cores))
    return tuple(settings)


def find_program(*, explicit=None) -> Path:
    """The user's `benchmark_model` for Android: `explicit`, else that of `BOKEH_BENCHMARK_MODEL`.

    Raises:
        DependencyError: none is named, or it is no file.
    """
    named = explicit or os.environ.get(PROGRAM_VARIABLE)
    source = "--benchmark-model" if explicit else PROGRAM_VARIABLE
    if not named:
        raise DependencyError(
            "android: needs the program benchmark_model, built for Android. "
            f"Name its path with --benchmark-model or {PROGRAM_VARIABLE}; the README says where"
            " Google publishes it."
        )
    path = Path(named).expanduser()
    reason = why_no_file(path)
    if reason:
        raise DependencyError(
            f"{printable(named)}: {source} names no file ({reason}). Give the path of benchmark_model for Android."
        )
    return path


def bench(
    run: AndroidRun,
    *,
    adb=None,
    folder=None,
    prefix="bench_android",
    on_round=ignore,
    on_continue=ignore,
    say=print,
) -> AndroidResult:
    """Carries out a run.

    Args:
        adb: the `Adb` to use, else the one that `find_adb` finds.
        folder: where the result is written and, until then, what is
            finished is kept and looked for.
        prefix: of the result's file name.
        on_round: called when all phones that are still in the run have finished a round.
        on_continue: called for every phone whose earlier session is continued.
        say: called with a sentence now and then: a phone is left out, or waits until it is cool.

    Raises:
        ModelFileError: a model is missing or damaged.
        DeviceError: no phone can be used, or none finished a single round.
        CheckError: the program and its libraries, which lie in one folder there, have one name.
    """
    if not run.models or not run.settings or run.rounds < 1:
        received = f"{len(run.models)}, {len(run.settings)} and {run.rounds}"
        raise ValueError(f"Needs models, settings and rounds. Received: {received}")
    _require_names_of_their_own([run.program, *run.libraries])
    chosen = _choose(adb or Adb(find_adb()), run.serials, say)
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_android_") as copies:
        plan = _plan(run, Path(copies))
        rounds = _Rounds(len(chosen), on_round)
        stop = threading.Event()
        phones = [_Phone(each, stop) for each in chosen]
        with ThreadPoolExecutor(max_workers=len(phones)) as pool:
            futures = [
                pool.submit(phone.time, plan, folder, rounds, on_continue, say) for phone in phones
            ]
            try:
                # In short turns: a signal does not end a wait on every system.
                while wait(futures, timeout=_POLL_S).not_done:
                    pass
            except KeyboardInterrupt:
                # Each phone's thread now ends its program and removes its folder; leaving
                # the pool waits for that.
                stop.set()
                raise
        for future in futures:
            future.result()
        return _finish(phones, plan, folder, prefix)


def _require_names_of_their_own(paths):
    seen: dict[str, Path] = {}
    for path in map(Path, paths):
        other = seen.setdefault(path.name, path)
        if resolved(other) != resolved(path):
            raise CheckError(
                f"{printable(path)}: has the name of {printable(other)}, and both go into one folder"
                " of the phone. Rename or leave out one of them."
            )


def _choose(adb, serials, say):
    if not serials:
        return [adb.choose()]
    if ALL not in serials:
        return [adb.choose(serial) for serial in dict.fromkeys(serials)]
    listed = adb.devices()
    for phone in listed:
        if phone.state is not DeviceState.READY:
            say(f"left out: {phone.sentence}")
    ready = [adb.on(phone.serial) for phone in listed if phone.state is DeviceState.READY]
    if not ready:
        reason = (
            listed[0].sentence
            if listed
            else "no phone is connected. Plug one in with USB debugging switched on."
        )
        raise DeviceError(reason)
    return ready


def _plan(run, copies):
    """The plan with private copies of the models, whose bytes stay those of their digests."""
    subjects = []
    for number, (name, path) in enumerate(zip(distinct_names(run.models), run.models, strict=True)):
        content = read_file(path)
        copy = copies / f"{number}.tflite"
        write_bytes(copy, content)
        digest = hashlib.sha256(content).hexdigest()
        subjects.append(Subject(name, Path(path).name, copy, digest, inspect(path), {}, {}))
    return Plan(
        subjects=subjects,
        settings=run.settings,
        program=run.program,
        libraries=run.libraries,
        rounds=run.rounds,
        turn=run.turn,
        gate=run.gate,
        timeout_s=run.timeout_s,
        return_timeout_s=run.return_timeout_s,
    )


class _Rounds:
    """Calls `on_round` once for a round that every phone still in the run has finished."""

    def __init__(self, phones, on_round):
        self._on_round, self._phones, self._told = on_round, phones, 0
        self._done: dict[int, int] = {}
        self._lock = threading.Lock()

    def finish(self, number):
        with self._lock:
            self._done[number] = self._done.get(number, 0) + 1
            self._tell()

    def leave(self):
        with self._lock:
            self._phones -= 1
            self._tell()

    def _tell(self):
        while self._phones > 0 and self._done.get(self._told, 0) >= self._phones:
            self._told += 1
            self._on_round()


class _StoppableAdb(Adb):
    """An adb whose calls end with `KeyboardInterrupt` once `stop` is set; only once, so
    that cleaning up can follow.
    """

    def __init__(self, adb, stop):
        super().__init__(
            adb.path, serial=adb.serial, timeout_s=adb.timeout_s, environment=adb.environment
        )
        self._stop, self._has_stopped = stop, False

    def run(self, *arguments, timeout_s=None, name=None):
        self._heed()
        return super().run(*arguments, timeout_s=timeout_s, name=name)

    def _refuse_excess(self, name, files, deadline, limit_s):
        self._heed()
        super()._refuse_excess(name, files, deadline, limit_s)

    def _heed(self):
        if self._stop.is_set() and not self._has_stopped:
            self._has_stopped = True
            raise KeyboardInterrupt


class _Phone:
    """One phone's part of a run, and afterwards its journal, or why there is none."""

    def __init__(self, adb, stop):
        self._device, self._stop = Device(_StoppableAdb(adb, stop)), stop
        self.name = adb.serial
        self.journal: Journal | None = None
        self.failure: str | None = None

    def time(self, plan, folder, rounds, on_continue, say):
        """Times everything; a `DeviceError` or `CheckError` is kept as `failure`."""
        try:
            self.name, digest = phone_identity(self._device)
            self.journal = Journal(folder, _key(plan, digest), created_utc=utc_now())
            with self.journal:
                if self.journal.sessions_utc:
                    on_continue()
                hooks = Hooks(self._stop, rounds.finish, say)
                PhoneSession(self._device, self.name, plan, self.journal, hooks).run()
        except (DeviceError, CheckError) as error:
            self.failure = str(error)
            rounds.leave()

    @property
    def is_kept(self):
        """Whether a file holds what this phone had finished."""
        return (
            self.journal is not None
            and self.journal.path is not None
            and is_file(self.journal.path)
        )


def _key(plan, phone_digest):
    """Whether two sessions are the same run on the same phone."""
    models = [[subject.name, subject.sha256] for subject in plan.subjects]
    settings = [asdict(setting) for setting in plan.settings]
    files = [_digest(path) for path in (plan.program, *plan.libraries)]
    return key_of(
        [
            models,
            settings,
            files,
            plan.rounds,
            asdict(plan.turn),
            phone_digest,
            bokeh_tf.__version__,
        ]
    )


def _digest(path):
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckError(
            f"{path}: cannot be read ({error.strerror}). Name an existing file."
        ) from error


def _finish(phones, plan, folder, prefix):
    """The result of what was finished, written; the journals of phones that
    finished are no longer needed.
    """
    failures = [_explain(phone) for phone in phones if phone.failure]
    measurements, doubts, devices, sessions = [], list(failures), {}, set()
    for phone in phones:
        if phone.journal is None:
            continue
        measurements += phone_measurements(phone.journal, plan, phone.name, failure=phone.failure)
        doubts += phone_doubts(phone.journal, plan, phone.name)
        devices[phone.name] = phone_facts(phone.journal, plan)
        sessions.update(phone.journal.sessions_utc)
    if failures and all(measurement.samples is None for measurement in measurements):
        raise DeviceError(" ".join(failures))
    result = Result(
        created_utc=min(phone.journal.created_utc for phone in phones if phone.journal is not None),
        environment=read_environment(),
        doubts=tuple(doubts),
        measurements=tuple(measurements),
        sessions_utc=tuple(sorted(sessions)),
        devices=devices,
    )
    path = None if folder is None else write_result(result, folder, prefix=prefix)
    for phone in phones:
        if phone.journal is not None and not phone.failure:
            phone.journal.remove()
    return AndroidResult(result, path, tuple(failures))


def _explain(phone):
    advice = (
        " What it had finished is kept; the same command continues from there."
        if phone.is_kept
        else ""
    )
    return f"{phone.failure}{advice}"

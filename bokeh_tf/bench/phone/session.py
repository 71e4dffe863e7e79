"""Timing models on one phone, from its first fact to its last; every finished run
is in the journal at once.

What the journal holds, by name: under `PHONE` the phone, the program and the phone's state round by
round; under each contestant's name the check before the rounds (verdict, outputs, memory, cold
start), and its rounds. A contestant that fails is out and the others go on; a phone that goes away
ends the session, and the next one continues from there.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bokeh_tf.bench.benchmark_model.flags import NO_FILES, RunFiles
from bokeh_tf.bench.benchmark_model.log import Memory, Statistics
from bokeh_tf.bench.benchmark_model.times import steady_us, to_ns, was_flat
from bokeh_tf.bench.benchmark_model.verdict import judge
from bokeh_tf.bench.contestant import Failed, WarmStart
from bokeh_tf.bench.digits import whole
from bokeh_tf.bench.phone.adb import last_line
from bokeh_tf.bench.phone.device import Device
from bokeh_tf.bench.phone.models import (
    PhoneModel,
    as_check,
    compare_with_cpu,
    pull_outputs,
    push_model,
)
from bokeh_tf.bench.phone.program import (
    Amount,
    PhoneProgram,
    PhoneSetting,
    ProgramError,
    ProgramRun,
)
from bokeh_tf.bench.phone.run_folder import RETURN_TIMEOUT_S, RunFolder
from bokeh_tf.bench.phone.thermal_gate import BATTERY_FLOOR_PERCENT, LIMIT_C, wait_until_fit
from bokeh_tf.bench.results.journal import Journal
from bokeh_tf.bench.results.measurement import (
    SERIALISED,
    OutputComparison,
    RunVerdict,
    StartCache,
)
from bokeh_tf.bench.results.result import utc_now
from bokeh_tf.bench.subject import Subject

PHONE = "phone"
# Before the rounds: enough to judge and to compare, few enough to stay cool.
_CHECK = Amount(runs=3, warmup_runs=1, max_seconds=30)
_WARM_START = Amount(runs=1, warmup_runs=1, max_seconds=30)
_CACHED = {"cpu": "XNNPACK's packed weights", "gpu": "the delegate's compiled kernels"}
_COUNT_SCRIPT = 'cat "$1"/* 2>/dev/null | wc -c'
_LONGEST_LOG = 20_000
_NAME_DIGITS = 6


@dataclass(frozen=True)
class Gate:
    """When a round may begin; `pause_s` is the least time between two rounds, for cooling down."""

    limit_c: float = LIMIT_C
    battery_floor_percent: int = BATTERY_FLOOR_PERCENT
    timeout_s: float = 600.0
    pause_s: float = 5.0


@dataclass(frozen=True)
class Plan:
    """What every phone of a run does."""

    subjects: Sequence[Subject]
    settings: Sequence[PhoneSetting]
    program: Path
    libraries: Sequence[Path]
    rounds: int
    turn: Amount
    gate: Gate
    timeout_s: float
    return_timeout_s: float = RETURN_TIMEOUT_S


@dataclass(frozen=True)
class Hooks:
    """How a session is watched and stopped. `say` is told in a sentence what it waits for."""

    stop: threading.Event
    on_round: Callable[[int], object]
    say: Callable[[str], object]


@dataclass(frozen=True)
class CheckFacts:
    """What the run before the rounds showed.

    Attributes:
        outputs_note: why what it computed was not compared; None where it was, or need not be.
        memory_mb: as the program watched it.
        reasons: the delegate's own.
        version: of the library, as the program says it.
        flags_as_understood: by the program's labels.
        unknown_lines: how many lines of the log are of no known form.
        log: its beginning.
    """

    verdict: RunVerdict
    outputs: tuple[OutputComparison, ...]
    outputs_note: str | None
    cold_init_ns: int | None
    memory_mb: Memory
    reasons: tuple[str, ...]
    version: str | None
    arguments: tuple[str, ...]
    flags_as_understood: dict[str, str]
    unknown_lines: int
    log: str

    def facts(self) -> dict[str, Any]:
        """As JSON; what an earlier session recorded of a failure no longer holds."""
        return {"failure": None, **asdict(self)}


@dataclass(frozen=True)
class RoundFacts:
    """The program's own figures of a round, and who computed it."""

    warmup: Statistics | None
    inference: Statistics | None
    init_us: float | None
    first_us: float | None
    verdict: RunVerdict


@dataclass(frozen=True)
class PhoneContestant:
    """One model with one setting on one phone."""

    name: str
    number: int
    subject: Subject
    setting: PhoneSetting


def phone_identity(device: Device) -> tuple[str, str]:
    """(name for people, digest that tells phones of one kind apart);
    neither holds the serial number.
    """
    properties = device.properties()
    digest = hashlib.sha256((properties.get("ro.serialno") or device.serial).encode()).hexdigest()
    maker, model = (properties.get(f"ro.product.{part}", "") for part in ("manufacturer", "model"))
    return f"{maker} {model} #{digest[:_NAME_DIGITS]}".strip(), digest


def contestants_of(plan: Plan, phone_name: str) -> list[PhoneContestant]:
    """All models with all settings."""
    return [
        PhoneContestant(f"{subject.name}, {phone_name}, {setting.label}", number, subject, setting)
        for number, subject in enumerate(plan.subjects)
        for setting in plan.settings
    ]


class PhoneSession:
    """`run` may raise `DeviceError` at any time; then the journal holds all that was finished."""

    def __init__(self, device: Device, phone_name: str, plan: Plan, journal: Journal, hooks: Hooks):
        self._device, self._plan, self._journal, self._hooks = device, plan, journal, hooks
        self._live = contestants_of(plan, phone_name)
        self._offset_ns = journal.elapsed_ns - time.perf_counter_ns()
        self._models: list[PhoneModel] = []
        self._references: dict[int, dict | None] = {}
        self._folder: RunFolder
        self._program: PhoneProgram

    def run(self):
        """Checks every contestant, then lets them take turns, then
        starts them again from a cache.
        """
        self._journal.add({"session_utc": utc_now(), "at_ns": self._journal.elapsed_ns})
        self._note(PHONE, {"fingerprint": asdict(self._device.fingerprint())})
        with RunFolder(self._device, return_timeout_s=self._plan.return_timeout_s) as self._folder:
            self._set_up()
            self._each(self._check)
            for number in range(self._plan.rounds):
                self._round(number)
                self._hooks.on_round(number)
            self._each(self._start_warm)
            self._note(
                PHONE, {"after": {**self._state(), "battery": asdict(self._device.battery())}}
            )

    def _set_up(self):
        plan = self._plan
        self._program = PhoneProgram(
            self._folder, plan.program, libraries=plan.libraries, timeout_s=plan.timeout_s
        )
        program = self._program.program
        facts = {
            "kind": str(program.kind),
            "sha256": self._program.sha256,
            "flags_sha256": program.flags_sha256,
        }
        self._note(
            PHONE, {"benchmark_model": facts, "backend_prefix": self._program.backend_prefix}
        )
        for number, subject in enumerate(plan.subjects):
            self._models.append(push_model(self._folder, subject, number, program))

    def _round(self, number):
        if all(self._journal.turns_done(contestant.name) > number for contestant in self._live):
            return
        gate = self._plan.gate
        if number:
            self._hooks.stop.wait(gate.pause_s)
        reading = wait_until_fit(
            self._device,
            limit_c=gate.limit_c,
            battery_floor_percent=gate.battery_floor_percent,
            timeout_s=gate.timeout_s,
            on_wait=self._say_hot,
        )
        at_gate = {
            "waited_s": reading.waited_s,
            "battery": asdict(reading.battery),
            "doubts": list(reading.doubts),
        }
        self._note(PHONE, {f"round {number}": {**self._state(reading.thermal), **at_gate}})
        self._each(lambda contestant: self._take_turn(contestant, number))

    def _say_hot(self, thermal):
        hottest = thermal.hottest
        heat = (
            f"{hottest.name} {hottest.celsius:.1f} °C"
            if hottest
            else f"status {thermal.status_name}"
        )
        self._hooks.say(f"{self._device.serial}: waiting until it is cool: {heat}")

    def _state(self, thermal=None):
        clocks = [core.current_khz for core in self._device.clocks()]
        at_ns = time.perf_counter_ns() + self._offset_ns
        return {
            "at_ns": at_ns,
            "thermal": asdict(thermal or self._device.thermal()),
            "clocks_khz": clocks,
        }

    def _note(self, name, facts):
        self._journal.add({"facts": facts, "of": name})

    def _each(self, step):
        """Does one step with every contestant in turn; those that fail are out."""
        for contestant in tuple(self._live):
            try:
                step(contestant)
            except ProgramError as error:
                self._live.remove(contestant)
                self._note(contestant.name, Failed(str(error), error.verdict).facts())

    def _check(self, contestant):
        """The run before the rounds: who computes, and whether it is right; cold,
        because nothing is cached yet.
        """
        facts = self._journal.facts(contestant.name)
        if self._journal.turns_done(contestant.name) and not facts.get("failure"):
            return
        expected = None if contestant.setting.backend == "cpu" else self._reference(contestant)
        ran, actual = self._run_and_pull(
            contestant, contestant.setting, is_saving=expected is not None
        )
        outputs: tuple[OutputComparison, ...] = ()
        note = None
        if expected is None:
            note = (
                "this program cannot be fed and save values, so what it computed was not compared"
            )
        elif actual is None:
            note = "the program saved no outputs, or not as many values as the model has"
        else:
            is_coarse = contestant.setting.precision == "fp16"
            outputs = compare_with_cpu(actual, expected, contestant.subject, is_coarse=is_coarse)
        verdict = _judge(ran, contestant.setting, as_check(outputs))
        if contestant.setting.backend == "cpu":
            note = None
        check = CheckFacts(verdict, outputs, note, **_said_by(ran))
        self._note(contestant.name, check.facts())
        if ran.exit_code or not ran.log.inference_us:
            raise ProgramError(verdict.why, verdict=verdict)

    def _reference(self, contestant):
        """What the phone's CPU computes from the same inputs; None where that cannot be had."""
        number = contestant.number
        if number not in self._references:
            self._references[number] = None
            if self._models[number].can_compare:
                try:
                    _, arrays = self._run_and_pull(
                        contestant, PhoneSetting("cpu", "fp32"), is_saving=True
                    )
                    self._references[number] = arrays
                except ProgramError as error:
                    self._hooks.say(
                        f"{contestant.subject.name}: no reference from this phone's CPU: {error}"
                    )
        return self._references[number]

    def _run_and_pull(self, contestant, setting, *, is_saving):
        model, name = self._models[contestant.number], f"outputs{contestant.number}"
        files = (
            RunFiles(inputs=model.inputs, output=f"{self._folder.path}/{name}")
            if is_saving
            else NO_FILES
        )
        ran = self._program.run(model.path, setting, _CHECK, watch_memory=True, files=files)
        if (
            not is_saving
            or ran.exit_code
            or self._device.shell("test", "-f", files.output).return_code
        ):
            return ran, None
        return ran, pull_outputs(self._folder, name, contestant.subject)

    def _take_turn(self, contestant, number):
        if self._journal.turns_done(contestant.name) > number:
            return
        start_ns = time.perf_counter_ns() + self._offset_ns
        path = self._models[contestant.number].path
        ran = self._program.run(path, contestant.setting, self._plan.turn)
        verdict = _judge(ran, contestant.setting)
        kind, time_us = steady_us(ran.log)
        if ran.exit_code or not time_us:
            raise ProgramError(verdict.why, verdict=verdict)
        warmup_us = [ran.log.warmup_us] if ran.log.warmup_us else []
        first_us = ran.log.first_us or (warmup_us or [time_us])[0]
        times_ns = list(map(to_ns, warmup_us))
        warmup = {"first_ns": to_ns(first_us), "times_ns": times_ns, "was_flat": was_flat(ran.log)}
        self._journal.add(
            {"warmup": {**warmup, "runs": self._plan.turn.runs}, "of": contestant.name}
        )
        took = RoundFacts(
            ran.log.warmup, ran.log.inference, ran.log.init_us, ran.log.first_us, verdict
        )
        self._note(contestant.name, {"sample_kind": kind, f"round {number}": asdict(took)})
        self._journal.add({"turn": [to_ns(time_us)], "of": contestant.name, "start_ns": start_ns})

    def _start_warm(self, contestant):
        """Two starts with one cache on the phone, where this build can keep one;
        the first finds it empty.
        """
        if "warm_init_ns" in self._journal.facts(contestant.name):
            return
        if not self._program.program.can_cache(contestant.setting.backend):
            return
        try:
            warm = self._time_warm_start(contestant)
        except ProgramError as error:
            warm = WarmStart(warm_init_how=f"it failed: {error}")
        self._note(contestant.name, asdict(warm))

    def _time_warm_start(self, contestant) -> WarmStart:
        setting, path = contestant.setting, self._models[contestant.number].path
        token = f"model{contestant.number}{setting.backend}{setting.precision}{setting.threads}{setting.cores or ''}"
        folder = f"{self._folder.path}/cache-{token}"
        self._device.shell("mkdir", folder)
        files = RunFiles(cache_folder=folder, cache_token=token)
        cold = self._program.run(path, setting, _WARM_START, files=files).log
        size_bytes = self._size_bytes(folder)
        if size_bytes == 0:
            return WarmStart(warm_init_how="the program wrote no cache for this model")
        warm = self._program.run(path, setting, _WARM_START, files=files).log
        was_read = True if warm.started_warm else None
        said = "as its log says" if was_read else "its log does not say whether it used it"
        cached = _CACHED.get(setting.backend, "a cache")
        return WarmStart(
            warm_init_ns=None if warm.init_us is None else to_ns(warm.init_us),
            warm_init_kind=SERIALISED,
            warm_init_how=f"a new process, from {cached} on the phone ({said})",
            cache=StartCache(
                size_bytes, None if cold.init_us is None else to_ns(cold.init_us), was_read
            ),
        )

    def _size_bytes(self, folder):
        """Of the files in a folder on the phone; None where the phone cannot count."""
        told = self._device.script(_COUNT_SCRIPT, folder)
        return None if told.return_code else whole(last_line(told.stdout))


def _judge(ran: ProgramRun, setting: PhoneSetting, check=None) -> RunVerdict:
    verdict = judge(
        ran.log, wanted_backend=setting.backend, exit_code=ran.exit_code, output_check=check
    )
    return RunVerdict(verdict.outcome, verdict.why, tuple(map(str, verdict.evidence)))


def _said_by(ran: ProgramRun) -> dict[str, Any]:
    """The fields of `CheckFacts` that are the program's own words."""
    log = ran.log
    return {
        "cold_init_ns": None if log.init_us is None else to_ns(log.init_us),
        "memory_mb": log.memory,
        "reasons": log.reasons,
        "version": log.version,
        "arguments": ran.arguments,
        "flags_as_understood": dict(log.parameters),
        "unknown_lines": len(log.unknown),
        "log": ran.text[:_LONGEST_LOG],
    }

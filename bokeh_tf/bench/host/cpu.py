"""CPU time of `.tflite` files in the interpreter of LiteRT or of its predecessor, with or
without XNNPACK's kernels.

Timed is one `invoke`, as the runtime's own benchmark tool does: the inputs are already
in the model's memory and the outputs stay there. Inputs are random in [0, 1) where
they are float, else zeros.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bokeh_tf.bench.contestant import Failed, Finished, Known, Started, WarmStart
from bokeh_tf.bench.host.serialised_start import (
    NoCacheError,
    Start,
    cpu_start,
    measure_start,
    not_serialised,
)
from bokeh_tf.bench.host.subjects import cpu_request, load_outputs
from bokeh_tf.bench.host.timing_worker import random_input
from bokeh_tf.bench.host.worker_process import Worker, WorkerError
from bokeh_tf.bench.results.measurement import OutputComparison, RunVerdict
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.output_check import compare_outputs
from bokeh_tf.bench.subject import SEED, Subject
from bokeh_tf.bench.vocabulary import LITERT, TFLITE_RUNTIME
from bokeh_tf.errors import BokehError, DependencyError
from bokeh_tf.paths import printable, why_no_file
from bokeh_tf.tflite.running.runtime import load

BACKEND = "litert-xnnpack"
PYTHON_VARIABLE = "BOKEH_TFLITE_RUNTIME_PYTHON"
_ADVICE = (
    "It needs a Python of its own, 3.11 or older: python3.11 -m venv VENV, "
    'VENV/bin/pip install tflite-runtime==2.14.0 "numpy<2", '
    f"then --runtime-python VENV/bin/python or {PYTHON_VARIABLE}."
)
_FAMILIES = {LITERT: "litert", TFLITE_RUNTIME: "tflite-runtime"}


@dataclass(frozen=True)
class CpuSetting:
    """One way to run a model on the CPU; `python` is the interpreter that has the runtime."""

    runtime: str = LITERT
    threads: int = 1
    xnnpack: bool = True
    python: str = sys.executable

    @property
    def backend(self) -> str:
        """What results call it."""
        return _FAMILIES[self.runtime] + ("-xnnpack" if self.xnnpack else "")

    @property
    def label(self) -> str:
        """What is added to a model's name to tell contestants apart."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        plain = "" if self.xnnpack else ", without XNNPACK"
        return threads + plain + ("" if self.runtime == LITERT else f", {self.runtime}")

    def contestant(self, subject: Subject, *, timeout_s: float) -> "CpuContestant":
        """The model with this setting, not yet started; `timeout_s` is for one request."""
        return CpuContestant(subject, self, timeout_s=timeout_s)


def find_tflite_runtime_python(*, explicit: str | Path | None = None) -> str:
    """The interpreter with tflite-runtime: the one given, else that of the environment variable."""
    python = explicit or os.environ.get(PYTHON_VARIABLE)
    if not python:
        raise DependencyError(f"{TFLITE_RUNTIME}: no interpreter for it is known. {_ADVICE}")
    reason = why_no_file(python)
    if reason:
        raise DependencyError(f"{printable(python)}: no such interpreter ({reason}). {_ADVICE}")
    return str(python)


class CpuContestant:
    """A model in a CPU runtime; a `contestant.Contestant`."""

    precision: str | None = None

    def __init__(self, subject: Subject, setting: CpuSetting, *, timeout_s: float):
        self.subject, self.setting, self._timeout_s = subject, setting, timeout_s
        self.name = f"{subject.name}, {setting.label}"
        self.backend, self.threads = setting.backend, setting.threads
        self._stack = contextlib.ExitStack()
        self._worker: Worker

    def recall(self, facts: Mapping[str, Any]) -> None:
        """The run's key holds the machine."""

    def start(self) -> Started:
        """Loads the model, runs it once, compares what it computed."""
        setting = self.setting
        worker = Worker.on_cpu(timeout_s=self._timeout_s, python=setting.python)
        self._worker = self._stack.enter_context(worker)
        request = cpu_request(
            self.subject.path,
            runtime=setting.runtime,
            threads=setting.threads,
            xnnpack=setting.xnnpack,
        )
        try:
            opened = start_worker(self._worker, request)
        except WorkerError as error:
            if error.kind == "runtime":
                raise DependencyError(
                    f"{setting.runtime} cannot be used ({error}). {_ADVICE}"
                ) from error
            raise
        outputs = check_outputs(self._worker, self.subject, is_coarse=self.subject.is_quantised)
        problems = [output.problem for output in outputs if output.problem]
        verdict = RunVerdict(DelegateOutcome.CPU, "computed on the CPU, as asked")
        if problems:
            verdict = RunVerdict(DelegateOutcome.BAD_OUTPUT, problems[0])
        return replace(opened, outputs=outputs, verdict=verdict)

    def take(self, runs: int, *, settle: bool = False) -> Sequence[int]:
        """Times runs."""
        return take_runs(self._worker, runs, settle=settle)

    def finish(self) -> Finished:
        """Peak memory and the warm load: from XNNPACK's cache on disk, else a
        second one in the same process.
        """
        finished = finish_worker(self._worker)
        setting = self.setting
        if setting.runtime != LITERT:
            return with_reason(finished, f"{setting.runtime} has none")
        if not setting.xnnpack:
            return with_reason(finished, "it is XNNPACK's")
        start = cpu_start(threads=setting.threads)
        return started_from_disk(finished, self.subject.path, start, timeout_s=self._timeout_s)

    def explain(self, error: BokehError) -> Failed:
        """The runtime's own words."""
        return Failed(str(error), RunVerdict(DelegateOutcome.FAILED_INIT, str(error)))

    def close(self) -> None:
        """Ends the child process."""
        self._stack.close()

    def prediction(self) -> None:
        """There is no delegate to predict."""

    def details(self, known: Known) -> dict[str, object]:
        """Nothing that the measurement does not say already."""
        return {}


def start_worker(worker: Worker, request: Mapping[str, object]) -> Started:
    """Opens a model and runs it for the first time."""
    opened = worker.ask(request)
    (first_ns,) = take_runs(worker, 1)
    return Started(
        first_ns=first_ns,
        cold_init_ns=opened["cold_init_ns"],
        before_load_bytes=opened["before_load_bytes"],
        runtime=opened["runtime"],
    )


def take_runs(worker: Worker, runs: int, *, settle: bool = False) -> tuple[int, ...]:
    """Times of runs in nanoseconds."""
    return tuple(worker.ask({"do": "run", "runs": runs, "settle": settle})["times_ns"])


def finish_worker(worker: Worker) -> Finished:
    """Peak memory, and the warm start of the same process."""
    told = worker.ask({"do": "finish"})
    peak_bytes = told.pop("peak_bytes")
    return Finished(peak_bytes, WarmStart(**told))


def with_reason(finished: Finished, reason: str) -> Finished:
    """What finished with a warm start of the same process, saying why no cache on disk was used."""
    return replace(finished, warm=replace(finished.warm, warm_init_how=not_serialised(reason)))


def started_from_disk(
    finished: Finished, model: Path, start: Start, *, timeout_s: float
) -> Finished:
    """What finished, with the warm start from a cache on disk where that can be had."""
    try:
        warm = measure_start(model, start, timeout_s=timeout_s)
    except NoCacheError as error:
        return with_reason(finished, str(error))
    return replace(finished, warm=warm)


def check_outputs(
    worker: Worker, subject: Subject, *, is_coarse: bool
) -> tuple[OutputComparison, ...]:
    """The outputs of the last run against the CPU's."""
    path = subject.path.with_name("made.npz")
    worker.ask({"do": "outputs", "path": str(path)})
    actual = load_outputs(path)
    path.unlink()
    return compare_outputs(
        actual,
        subject.expected,
        subject.output_names,
        is_coarse=is_coarse,
        quantised=subject.quantised_outputs,
    )


def open_model(
    content: bytes,
    *,
    threads: int,
    inputs: Sequence[np.ndarray] | None = None,
    seed: int = SEED,
) -> tuple[Callable[[], object], int]:
    """Loads a trusted model in this process and gives it its inputs, ready to be timed.

    Args:
        content: bytes of the `.tflite`.
        inputs: arrays in the file's order, default random ones from `seed`.

    Returns:
        A function that runs the model once, and how long loading took in nanoseconds.
    """
    start_ns = time.perf_counter_ns()
    runner = load(content, threads=threads)
    load_ns = time.perf_counter_ns() - start_ns
    if inputs is None:
        inputs = [random_input(spec.shape, spec.dtype, seed, spec.index) for spec in runner.inputs]
    runner.set_inputs(*inputs)
    return runner.invoke, load_ns

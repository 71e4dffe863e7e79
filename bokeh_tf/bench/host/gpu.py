"""GPU time of `.tflite` files on this machine: LiteRT's compiled model, for the GPU
alone, in a child process.

A software adapter (llvmpipe, SwiftShader) computes on the CPU: it is refused unless allowed, and
then every output says that this is not a GPU timing.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bokeh_tf.bench.contestant import Failed, Finished, Known, Started
from bokeh_tf.bench.host.cpu import (
    check_outputs,
    finish_worker,
    start_worker,
    started_from_disk,
    take_runs,
)
from bokeh_tf.bench.host.serialised_start import gpu_start
from bokeh_tf.bench.host.worker_process import Worker, WorkerError
from bokeh_tf.bench.prediction import (
    _MOST_REASONS,
    compare_reasons,
    predict,
    predicted_reasons,
)
from bokeh_tf.bench.results.measurement import Prediction, RunVerdict
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.subject import SEED, Subject
from bokeh_tf.bench.vocabulary import GPU_PRECISIONS
from bokeh_tf.delegate.findings import ML_DRIFT
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.errors import BokehError, CheckError
from bokeh_tf.tflite.running import gpu_log

BACKEND = "litert-gpu"
NOT_A_GPU_TIMING = "not a GPU timing"
_SOFTWARE_LINE = re.compile(r"Selected adapter: .*adapterType=CPU")
SOFTWARE_NAME = re.compile(r"llvmpipe|lavapipe|swiftshader|software|basic render", re.IGNORECASE)


@dataclass(frozen=True)
class GpuSetting:
    """How a model is compiled for the GPU; `precision` is one of `GPU_PRECISIONS`."""

    precision: str = GPU_PRECISIONS[0]
    allow_software: bool = False

    @property
    def label(self) -> str:
        """What is added to a model's name to tell contestants apart."""
        return "GPU" if self.precision == GPU_PRECISIONS[0] else f"GPU {self.precision}"

    def contestant(self, subject: Subject, *, timeout_s: float) -> "GpuContestant":
        """The model with this setting, not yet started; `timeout_s` is for one request."""
        return GpuContestant(subject, self, timeout_s=timeout_s)


class GpuContestant:
    """A model on the host's GPU; a `contestant.Contestant`."""

    backend = BACKEND
    threads: int | None = None

    def __init__(self, subject: Subject, setting: GpuSetting, *, timeout_s: float):
        self.subject, self.setting, self._timeout_s = subject, setting, timeout_s
        self.name, self.precision = f"{subject.name}, {setting.label}", setting.precision
        self._stack = contextlib.ExitStack()
        self._worker: Worker

    def recall(self, facts: Mapping[str, Any]) -> None:
        """The run's key holds the machine."""

    def start(self) -> Started:
        """Compiles the model, looks at the adapter, runs once, compares what was computed."""
        self._worker = self._stack.enter_context(Worker.on_gpu(timeout_s=self._timeout_s))
        request = {
            **{
                "do": "open",
                "path": str(self.subject.path),
                "precision": self.setting.precision,
                "seed": SEED,
            },
            "inputs": _tensors(self.subject.model_file.inputs),
            "outputs": _tensors(self.subject.model_file.outputs),
        }
        try:
            opened = start_worker(self._worker, request)
        except WorkerError as error:
            if gpu_log.parse(self._worker.log()).has_no_adapter:
                raise CheckError(
                    "gpu: this machine has no Vulkan adapter that LiteRT can use. Install the"
                    " GPU's driver, or leave "
                    "gpu out of --on."
                ) from error
            raise
        log = self._worker.log()
        said = gpu_log.parse(log)
        stamp = self._judge_adapter(log)
        is_coarse = self.setting.precision == "default" or self.subject.is_quantised
        outputs = check_outputs(self._worker, self.subject, is_coarse=is_coarse)
        return replace(
            opened,
            accelerator=said.adapter,
            reasons=said.reasons,
            stamp=stamp,
            outputs=outputs,
            verdict=_verdict(log, outputs, stamp),
        )

    def take(self, runs: int, *, settle: bool = False) -> Sequence[int]:
        """Times runs."""
        return take_runs(self._worker, runs, settle=settle)

    def finish(self) -> Finished:
        """Peak memory and the warm compilation: from the delegate's cache on disk, else a
        second one in the process.
        """
        finished = finish_worker(self._worker)
        start = gpu_start(precision=self.setting.precision)
        return started_from_disk(finished, self.subject.path, start, timeout_s=self._timeout_s)

    def explain(self, error: BokehError) -> Failed:
        """The delegate's own reasons, which are on its stderr only."""
        # Where the worker itself could not be started there is no log.
        reasons = gpu_log.parse(self._worker.log()).reasons if hasattr(self, "_worker") else ()
        why = reasons[0] if reasons else str(error)
        verdict = RunVerdict(DelegateOutcome.FAILED_INIT, why, reasons[:_MOST_REASONS])
        return Failed(why, verdict, reasons)

    def close(self) -> None:
        """Ends the child process."""
        self._stack.close()

    def prediction(self) -> Prediction:
        """The static check for this delegate."""
        return predict(self.subject.model_file)

    def details(self, known: Known) -> dict[str, object]:
        """The delegate's own reasons beside those of the static check."""
        predicted = predicted_reasons(lint(self.subject.model_file, ML_DRIFT))
        compared = compare_reasons(predicted, known.reasons)
        return {"reasons": list(known.reasons), "predicted_and_logged": compared.as_details()}

    def _judge_adapter(self, log):
        """The stamp that the adapter deserves; refuses a software one that is not allowed."""
        adapter = gpu_log.parse(log).adapter
        if adapter is None:
            return "which adapter computed it is not known"
        if not (SOFTWARE_NAME.search(adapter) or _SOFTWARE_LINE.search(log)):
            return None
        if not self.setting.allow_software:
            raise CheckError(
                f"gpu: {adapter} is a software adapter, so its times say nothing about a GPU. Give"
                " --allow-software to "
                "get them all the same, or leave gpu out of --on."
            )
        return f"{NOT_A_GPU_TIMING}: {adapter} computes on the CPU"


def _tensors(infos):
    return [{"index": info.index, "shape": list(info.shape), "dtype": info.dtype} for info in infos]


def _verdict(log, outputs, stamp):
    evidence = tuple(
        line.strip()
        for line in log.splitlines()
        if "Selected adapter" in line or "-based API" in line
    )
    evidence = (*dict.fromkeys(evidence), "compiled for the GPU alone; the CPU was not allowed")
    problems = [f"{output.name}: {output.problem}" for output in outputs if output.problem]
    errors = gpu_log.parse(log).errors
    if problems:
        return RunVerdict(DelegateOutcome.BAD_OUTPUT, problems[0], evidence)
    if stamp is not None:
        is_software = stamp.startswith(NOT_A_GPU_TIMING)
        outcome = DelegateOutcome.WRONG_BACKEND if is_software else DelegateOutcome.UNPROVEN
        return RunVerdict(outcome, stamp, evidence)
    if errors:
        why = f"the delegate complained: {errors[0]}"
        return RunVerdict(DelegateOutcome.UNPROVEN, why, evidence + errors[:_MOST_REASONS])
    why = "the GPU computed the whole model, and its values are the CPU's"
    return RunVerdict(DelegateOutcome.FULL_GPU, why, evidence)

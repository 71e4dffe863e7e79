"""What the times of a page are worth: its browser's name, its adapter, and whether its values agree.

Outputs are looked at after runs 1, 2 and the last, for a driver is known that is right only once.
"""

import platform
import re
from collections.abc import Mapping

import numpy as np

from bokeh_tf.bench.browser.messages import Adapter
from bokeh_tf.bench.host.gpu import NOT_A_GPU_TIMING, SOFTWARE_NAME
from bokeh_tf.bench.results.measurement import OutputComparison, RunVerdict
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.output_check import compare_outputs
from bokeh_tf.bench.subject import Subject

# The more particular ones first: most of them also call themselves Chrome and Safari.
_BROWSERS = (
    ("Edge", re.compile(r"\bEdgA?/(\d+)")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/(\d+)")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/(\d+)")),
    ("Chrome", re.compile(r"\b(?:HeadlessChrome|Chrome|CriOS)/(\d+)")),
    ("Safari", re.compile(r"\bVersion/(\d+).*\bSafari/")),
)
# Android calls itself Linux too.
_SYSTEMS = ("Android", "iPhone", "iPad", "CrOS", "Windows", "Macintosh", "Linux")


def browser_name(user_agent: str) -> str:
    """Name, version and system, as "Chrome 156 on Android"."""
    system = next((system for system in _SYSTEMS if system in user_agent), None)
    where = f" on {system}" if system else ""
    for name, pattern in _BROWSERS:
        if found := pattern.search(user_agent):
            return f"{name} {found[1]}{where}"
    return f"a browser{where}"


def is_elsewhere(user_agent: str, *, is_here: bool) -> bool:
    """Whether a browser is on another machine than this: by its address, or, as a phone on a cable
    has an address here, by the system that it says it runs on.
    """
    if not is_here:
        return True
    here = {"Darwin": "Macintosh"}.get(platform.system(), platform.system())
    return not browser_name(user_agent).endswith(f" on {here}")


def is_software(adapter: Adapter) -> bool:
    """Whether the CPU computes what this adapter is given."""
    return adapter.is_fallback or SOFTWARE_NAME.search(adapter.name) is not None


def stamp_of(adapter: Adapter) -> str | None:
    """What must be said beside times of this adapter."""
    if is_software(adapter):
        return f"{NOT_A_GPU_TIMING}: {adapter.name or 'a fallback adapter'} computes on the CPU"
    return None if adapter.name else "which adapter computed it is not known"


class Agreement:
    """The outputs of the runs that were read, against the CPU's."""

    def __init__(self, subject: Subject, *, is_coarse: bool):
        self._subject, self._is_coarse = subject, is_coarse
        self._runs: dict[str, tuple[OutputComparison, ...]] = {}

    def add(self, run: str, arrays: Mapping[int, np.ndarray]) -> None:
        """Compares what a run, called as people are told, computed, by tensor index."""
        subject = self._subject
        self._runs[run] = compare_outputs(
            arrays,
            subject.expected,
            subject.output_names,
            is_coarse=self._is_coarse,
            quantised=subject.quantised_outputs,
        )

    def worst(self) -> tuple[OutputComparison, ...]:
        """Each output as in the run that agreed least."""
        return tuple(max(found, key=_badness) for found in zip(*self._runs.values(), strict=True))

    def problem(self) -> str | None:
        """What is wrong first, and in which run."""
        for run, outputs in self._runs.items():
            for output in outputs:
                if output.problem:
                    return f"{output.name} of {run}: {output.problem}"
        return None

    def details(self) -> dict[str, dict[str, float | None]]:
        """The largest error of each output by run, as JSON."""
        return {
            run: {output.name: output.max_abs for output in outputs}
            for run, outputs in self._runs.items()
        }


def _badness(output):
    return output.problem is not None, float("inf") if output.max_abs is None else output.max_abs


def verdict_of_wasm(agreement: Agreement) -> RunVerdict:
    """What a run on the CPU was worth."""
    problem = agreement.problem()
    if problem:
        return RunVerdict(DelegateOutcome.BAD_OUTPUT, problem)
    return RunVerdict(DelegateOutcome.CPU, "computed on the browser's CPU, as asked")


def verdict_of_gpu(
    agreement: Agreement, adapter: Adapter, *, is_fully_accelerated: bool
) -> RunVerdict:
    """What a run on WebGPU was worth."""
    evidence = (
        f"adapter: {adapter.name or 'not named'}",
        f"LiteRT.js says fully accelerated: {'yes' if is_fully_accelerated else 'no'}",
    )
    problem, stamp = agreement.problem(), stamp_of(adapter)
    if problem:
        return RunVerdict(DelegateOutcome.BAD_OUTPUT, problem, evidence)
    if not is_fully_accelerated:
        why = "LiteRT.js says that a part of the model ran on the CPU"
        return RunVerdict(DelegateOutcome.PARTIAL, why, evidence)
    if stamp is not None:
        outcome = (
            DelegateOutcome.WRONG_BACKEND if is_software(adapter) else DelegateOutcome.UNPROVEN
        )
        return RunVerdict(outcome, stamp, evidence)
    why = "the GPU computed the whole model, and its values are the CPU's in each run that was read"
    return RunVerdict(DelegateOutcome.FULL_GPU, why, evidence)

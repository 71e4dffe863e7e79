"""The app's number beside ours, and why they differ.

The app shows a mean; its documentation does not say whether the first, slow runs are in it. Ours is
a median of warm runs. As our raw times are kept, our own mean can be had in both ways, which tells
how much of the difference is the statistic's and how much is left for other causes.
"""

from dataclasses import dataclass

from bokeh_tf.ai_benchmark.own_runs import OwnRun
from bokeh_tf.ai_benchmark.sheet import SheetRow
from bokeh_tf.bench.results.outcome import DelegateOutcome

# What no result can tell apart; said once for all rows.
ALWAYS_DIFFERENT = (
    "The app times its own TensorFlow Lite release with its own delegate options, in the"
    " foreground, where Android "
    "may give it other cores and clocks than a shell's program; copying the picture in and out may"
    " be in its time. "
    "Ours is the model's run alone."
)
# Closer than this, two measurements of one thing on one phone are usually called the same.
_SAME_WITHIN = 0.05


@dataclass(frozen=True)
class Comparison:
    """A row of the sheet and the measurement of ours that is nearest to it,
    None where there is none.
    """

    row: SheetRow
    own: OwnRun | None
    explanation: tuple[str, ...]

    @property
    def ratio(self) -> float | None:
        """The app's time divided by ours."""
        return None if self.own is None else self.row.mean_ms / self.own.median_ms


def compare(row, own_runs) -> Comparison:
    """Finds what to hold against `row` among our measurements, and says what
    lies between the two numbers.
    """
    same_model = [run for run in own_runs if run.model_sha256 == row.model_sha256]
    candidates = [run for run in same_model if run.family == row.backend]
    if not candidates:
        return Comparison(row, None, (_nothing(row, same_model),))
    own = max(candidates, key=lambda run: _nearness(row, run))
    return Comparison(
        row, own, (*_of_device(row, own), *_of_statistic(row, own), *_of_conditions(row, own))
    )


def _nothing(row, same_model):
    if not same_model:
        return (
            "no measurement of ours is of this file; time it with bokeh-tf bench into the same"
            " folder"
        )
    known = ", ".join(sorted({run.family for run in same_model}))
    return f"ours of this file ran on {known} only, not on {row.backend}"


def _nearness(row, run):
    same_threads = None in (row.threads, run.threads) or row.threads == run.threads
    same_precision = run.precision in (None, row.precision)
    return is_same_phone(row, run), same_threads, same_precision, run.created_utc


def is_same_phone(row, run) -> bool:
    """Whether the phone's name in the sheet and in our result go together: one
    holds all words of the other.
    """
    written, known = (
        {*name.casefold().replace("-", " ").split()} for name in (row.phone, run.device)
    )
    return bool(written and known) and (written <= known or known <= written)


def _of_statistic(row, own):
    """How much of the difference the kind of number makes."""
    count = row.iterations
    shown = f"the app shows the mean of {count} runs" if count else "the app shows a mean"
    if own.steady_mean_ms is None:
        yield (
            f"{shown}, ours is a median; without times of single runs in our result, nobody"
            " knows how much that is"
        )
        return
    from_start_ms = own.mean_from_start_ms(count)
    yield (
        f"{shown}, ours is a median of {_ms(own.median_ms)}; our own mean is"
        f" {_ms(own.steady_mean_ms)}, and "
        f"{_ms(from_start_ms)} with the first run and the warm-up in it"
    )
    low_ms, high_ms = sorted((own.median_ms, max(own.steady_mean_ms, from_start_ms)))
    if low_ms * (1 - _SAME_WITHIN) <= row.mean_ms <= high_ms * (1 + _SAME_WITHIN):
        yield f"so the statistic alone explains the app's {_ms(row.mean_ms)}"
    else:
        nearest_ms = high_ms if row.mean_ms > high_ms else low_ms
        yield (
            f"a factor of {row.mean_ms / nearest_ms:.2f} is left, which the statistic does not"
            " explain"
        )


def _of_device(row, own):
    """First of all whether the two ran on one phone."""
    if not own.device:
        yield f"our result does not name its device; the sheet says {row.phone}"
    elif not is_same_phone(row, own):
        yield f"ours ran on {own.device}, not on {row.phone}: the ratio compares devices"


def _of_conditions(row, own):
    """Known differences of threads and precision, and what our result says against itself."""
    if (
        row.backend == "cpu"
        and own.threads != row.threads
        and None not in (own.threads, row.threads)
    ):
        yield f"threads: {row.threads} in the app, {own.threads} in ours"
    if own.precision and own.precision != row.precision:
        yield f"the app computed in {row.precision}, ours in {own.precision}"
    if own.stamp:
        yield f"ours is stamped: {own.stamp}"
    if own.verdict and row.backend == "gpu" and own.verdict.upper() != DelegateOutcome.FULL_GPU:
        yield f"ours did not run on the GPU alone (verdict {own.verdict})"
    if own.doubts:
        yield f"ours is unstable: {'; '.join(own.doubts)}"


def _ms(value_ms):
    decimals = 1 if value_ms >= 10 else 2 if value_ms >= 1 else 3
    return f"{value_ms:.{decimals}f} ms"

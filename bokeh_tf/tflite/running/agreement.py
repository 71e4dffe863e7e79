"""How far two computations of one file may differ, by precision and kind of output.

Errors are judged relative to the scale of the output: the largest of the width of the CPU's values,
their largest magnitude, and the width of the range the file itself declares for that output. Every
engine is judged here, whoever measured what it computed; so nothing here needs NumPy.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# In float32 the delegate agrees with the CPU to 2e-6 on most operations, 2e-4 on sine and cosine,
# 3e-4 on whole public networks; every wrong kernel met so far is wrong by more than 1e-2 somewhere.
FLOAT32_MAX_ERROR = 1e-3
# "default" computes and accumulates in half precision. Right networks and wide convolutions were
# measured at 41 to 80 dB (a segmentation with its soft edges moved: 39.4 dB), wrong coordinates and
# wrong kernels at 15 to 30 dB on random input; the limit lies in the middle of that gap. Quantised
# models are judged so in float32 too: the CPU and the GPU round their inner tensors differently.
DEFAULT_MIN_PSNR_DB = 35.0
# A single pixel may be far off in half precision (on the edge of a right segmentation: 0.29);
# beyond this it has become another colour, however few such pixels there are.
DEFAULT_MAX_ERROR = 0.5
# A quantised model's own spread (plain CPU kernels against XNNPACK, inputs one step off) was
# measured at 30 to 37 dB on segmentation networks that are right. The delegate may be twice as far
# off as that, but no further than this, where wrong kernels begin.
SPREAD_MARGIN_DB = 6.0
LOWEST_MIN_PSNR_DB = 25.0
# Integer outputs: rounding before or after a rescale legitimately differs by this many
# steps, however few there are.
INTEGER_STEPS = 2
# ... which holds for a scale with many steps. Among few (classes, flags) no distance is
# small: there the share of other values counts, of which half precision moves some at the
# borders between classes.
_MANY_STEPS = 64
FLOAT32_MAX_OTHER_SHARE = 1e-3
DEFAULT_MAX_OTHER_SHARE = 0.03
# Half precision has no relative accuracy below its smallest normal number, so no
# output is judged finer.
_SMALLEST_SCALE = 2.0**-14
# A file may declare [0, 1] or [-1, 1], which spares a nearly constant output an unfair scale; a
# wider claim is not believed, because it would excuse any error.
_WIDEST_DECLARED_RANGE = 2.0


@dataclass(frozen=True)
class Difference:
    """The errors of one pair of arrays, in the units of the arrays; `psnr_db` is
    infinite for equal arrays.
    """

    max_abs: float
    mean_abs: float
    psnr_db: float
    non_finite_count: int


@dataclass(frozen=True)
class OutputCheck:
    """One output of one trial ("photo", "signed_random", …): an engine against the CPU, judged.

    `reason` is why it failed, None where it passed. `difference` is None where the CPU's own values
    are not finite for random input, which says nothing about the delegate, and for text and empty
    outputs. `signature` is None for a file without signatures.
    """

    trial: str
    name: str
    scale: float
    difference: Difference | None
    reason: str | None
    signature: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against this output."""
        return self.reason is None


def failed_outputs(checks: Iterable[OutputCheck]) -> tuple[str, ...]:
    """The names of the outputs that something speaks against, each once."""
    return tuple(dict.fromkeys(check.name for check in checks if not check.passed))


def outputs_not_finite(checks: Iterable[OutputCheck]) -> tuple[str, ...]:
    """The names of those that hold values which are not finite, each once."""
    return tuple(
        dict.fromkeys(
            check.name for check in checks if check.difference and check.difference.non_finite_count
        )
    )


def failures(checks: Sequence[OutputCheck]) -> tuple[str, ...]:
    """One line per output that failed; the signature is named where there are several."""
    several = len({check.signature for check in checks}) > 1
    return tuple(
        f"{f'{check.signature}, ' if several else ''}{check.trial}, {check.name}: {check.reason}"
        for check in checks
        if not check.passed
    )


def output_scale(expected, declared_range) -> float:
    """The scale that errors of an output are relative to, by its finite values, of which there
    may be none; `declared_range` is (low, high) or None.
    """
    import numpy as np

    values = np.asarray(expected, np.float64)
    values = values[np.isfinite(values)]
    extremes = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    return scale_between(*extremes, declared_range)


def scale_between(smallest, largest, declared_range) -> float:
    """`output_scale` by the smallest and the largest of the values."""
    candidates = [_SMALLEST_SCALE, largest - smallest, abs(smallest), abs(largest)]
    if (
        declared_range is not None
        and declared_range[1] - declared_range[0] <= _WIDEST_DECLARED_RANGE
    ):
        candidates.append(declared_range[1] - declared_range[0])
    return max(candidates)


def psnr_db(root_mean_square, scale) -> float:
    """The peak signal-to-noise ratio of an error, infinite for none."""
    return math.inf if root_mean_square == 0 else 20 * math.log10(scale / root_mean_square)


@dataclass(frozen=True)
class OutputKind:
    """What kind of values an output holds.

    `other_share` is the share of elements that differ at all, `spread` the root mean square by
    which right computations of a quantised model differ, in the output's units.
    """

    scale: float
    is_integer: bool = False
    is_quantised: bool = False
    other_share: float = 0.0
    spread: float = 0.0


def failure_reason(difference, kind, *, is_coarse) -> str | None:
    """Why this difference is too large, or None where it is not.

    Args:
        is_coarse: the computation rounds inside, in half precision or
            because the model is quantised.
    """
    if difference.non_finite_count:
        return f"{difference.non_finite_count} values are not finite"
    if kind.is_integer and not kind.is_quantised and kind.scale < _MANY_STEPS:
        limit = DEFAULT_MAX_OTHER_SHARE if is_coarse else FLOAT32_MAX_OTHER_SHARE
        return _above(limit, kind.other_share, "share of other values {:.2g}")
    if kind.is_integer and difference.max_abs <= INTEGER_STEPS:
        return None
    limit = DEFAULT_MAX_ERROR if is_coarse else FLOAT32_MAX_ERROR
    reason = _above(limit, difference.max_abs / kind.scale, "largest error {:.2g} of the range")
    limit_db = min_psnr_db(kind.scale, kind.spread)
    if reason is None and is_coarse and difference.psnr_db < limit_db:
        return f"{difference.psnr_db:.1f} dB against the CPU (at least {limit_db:.1f} dB)"
    return reason


def _above(limit, value, sentence):
    return f"{sentence.format(value)} (limit {limit:g})" if value > limit else None


def min_psnr_db(scale, spread) -> float:
    """The lowest PSNR that passes where the computation is coarse; see
    `OutputKind` for the arguments.
    """
    if spread <= 0:
        return DEFAULT_MIN_PSNR_DB
    allowed_db = psnr_db(spread, scale) - SPREAD_MARGIN_DB
    return min(DEFAULT_MIN_PSNR_DB, max(LOWEST_MIN_PSNR_DB, allowed_db))

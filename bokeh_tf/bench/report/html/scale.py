"""A plot's axis: values to percent of its width, and where its ticks are."""

import itertools
import math
from dataclasses import dataclass

# From this ratio of the largest to the smallest value on, a linear axis would hide the small ones.
_WIDE = 10
_MARGIN_PERCENT = 2
_MOST_TICKS = 6
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, linear or logarithmic."""

    low: float
    high: float
    is_log: bool = False

    @classmethod
    def over(cls, values, *, from_zero=False, may_be_log=True):
        """The axis that shows all `values`."""
        low, high = min(values), max(values)
        if may_be_log and max(high, _SMALLEST) > _WIDE * max(low, _SMALLEST):
            return cls(max(low, _SMALLEST) / 1.1, high * 1.1, is_log=True)
        padding = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
        low = 0.0 if from_zero else low - padding if low < 0 else max(0.0, low - padding)
        return cls(low, high + padding)

    def percent(self, value) -> float:
        """Where a value is, in percent of the width."""
        if self.is_log:
            share = math.log(max(value, _SMALLEST) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(_MARGIN_PERCENT + min(1.0, max(0.0, share)) * (100 - 2 * _MARGIN_PERCENT), 3)

    def ticks(self) -> tuple[float, ...]:
        """A few round values inside the axis."""
        return self._log_ticks() if self.is_log else self._linear_ticks(_MOST_TICKS)

    def _linear_ticks(self, most):
        rough = (self.high - self.low) / (most - 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return tuple(number * step for number in range(first, last + 1))

    def _log_ticks(self):
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            values = [factor * 10.0**power for power, factor in itertools.product(decades, factors)]
            inside = [value for value in values if self.low <= value <= self.high]
            if len(inside) <= _MOST_TICKS:
                break
        return tuple(inside[:: math.ceil(len(inside) / _MOST_TICKS)])


def tick_text(value) -> str:
    """A tick's label."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.4g}"

"""What tells a failure from another one of its kind where an engine names no operator.

A baseline knows each symptom for itself, so that a failure with one more is a new one, and one with
less is the old one. Symptoms are each reason of a refusal or a crash, in the engine's own words
without what differs between two runs or moves with the graph, and each output that is wrong.
"""

import re
from collections.abc import Sequence

from bokeh_tf.delegate.probing.verdicts import Verdict

# A shape tells one tensor from another; other numbers are those of nodes, lines of source,
# addresses and measurements.
_SHAPE_OR_NUMBER = re.compile(
    r"(?P<shape>\[\d+(?:, ?\d+)*\])"
    r"|0x[0-9a-fA-F]+"
    r"|(?<![\w.])\d+(?:\.\d+)*(?:e[-+]?\d+)?(?![A-Za-z_])"
)


def symptoms(
    verdict: Verdict,
    reasons: Sequence[str],
    wrong_outputs: Sequence[str],
    not_finite: Sequence[str],
    *,
    precision: str = "",
) -> tuple[str, ...]:
    """The symptoms of a failure, in a stable order.

    Args:
        reasons: of a refusal or a crash; of wrong numbers they are measurements, and count only
            where no output is named.
        not_finite: those of `wrong_outputs` with values that are not finite, which is another
            failure than values that are off.
        precision: the one in which it fails, where the engine was asked in several.
    """
    words = [_steady(reason) for reason in reasons] or [str(verdict)]
    if verdict is Verdict.WRONG and wrong_outputs:
        words = [f"{name}, not finite" if name in not_finite else name for name in wrong_outputs]
    return tuple(sorted(f"{precision} precision: {word}" if precision else word for word in words))


def _steady(reason):
    return _SHAPE_OR_NUMBER.sub(lambda match: match["shape"] or "#", reason)

"""What became of a file that was to be repaired, and how bad the real delegate's word on it is."""

from dataclasses import dataclass

from bokeh_tf.delegate.check import is_other_release
from bokeh_tf.delegate.findings import TargetReport, TargetVerdict
from bokeh_tf.delegate.probing.probe import ProbeReport
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.repairing.interface import PortChange
from bokeh_tf.repairing.passes import Applied
from bokeh_tf.repairing.proof import Proof

PASSED, STILL_REFUSED = 0, 3
# How bad each outcome on the real delegate is for who runs the file: a wrong picture is worse than
# a slow one.
RANKS = (Verdict.FULL, Verdict.REFUSED, Verdict.WRONG, Verdict.CRASHED)


@dataclass(frozen=True)
class Left:
    """One objection that stays. `why` says why no recipe mended it, in one line."""

    target: str
    rule: str
    op: str
    layer: str | None
    why: str


@dataclass(frozen=True)
class RolledBack:
    """A recipe that fitted and was left out again, and why in one line."""

    recipe: str
    why: str


@dataclass(frozen=True)
class Repair:
    """What became of a file.

    `content` is the repaired file, None where there is none that is better. `before` and `after`
    are the static checks, one for each target; `probe` the real delegate's word on the repaired
    file, None where it was not asked. `shapes` are the sizes of the inputs that free ones were
    fixed to. `runtime` is the release that was asked for, None where the newest that the rules know
    is meant. `also` is what else the repair was asked for, of `recipes.ALSO`; where the file does
    not have it, a note says why.
    """

    path: str
    content: bytes | None
    before: tuple[TargetReport, ...]
    after: tuple[TargetReport, ...]
    applied: tuple[Applied, ...]
    left: tuple[Left, ...]
    rolled_back: tuple[RolledBack, ...]
    proof: Proof | None
    probe: ProbeReport | Unchecked | None
    shapes: tuple[tuple[int, ...], ...] | None
    notes: tuple[str, ...]
    size_bytes: int
    size_before_bytes: int
    interface: tuple[PortChange, ...] = ()
    runtime: str | None = None
    also: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every target takes the whole file, as it now is, and computes it right; the probe
        has a veto.
        """
        return not rank(self.probe, self.runtime) and all(
            report.verdict is TargetVerdict.COMPATIBLE for report in self.after
        )

    @property
    def exit_code(self) -> int:
        """0 whole on every target, 3 still refused or wrong."""
        return PASSED if self.is_whole else STILL_REFUSED


def rank(probed: ProbeReport | Unchecked | None, runtime: str | None) -> int | None:
    """Where the real delegate's word stands in `RANKS`, 0 for the best; None where it gave none, or
    is of another release than the one asked for, `runtime`.
    """
    if probed is None or isinstance(probed, Unchecked) or probed.verdict not in RANKS:
        return None
    return None if is_other_release(probed, runtime) else RANKS.index(probed.verdict)

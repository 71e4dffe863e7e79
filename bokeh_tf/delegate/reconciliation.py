"""Where the static lint and the real delegate disagree about a file, and which of them to believe.

The real delegate is ML Drift's desktop build. It is believed about what it compiles and computes;
the lint is believed where there is no adapter, about what the trials could not show, and about the
classic delegate, which is not run.
"""

from dataclasses import dataclass

from bokeh_tf.delegate.findings import ML_DRIFT, Kind
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked

_NOT_TAKEN = frozenset({Kind.REFUSED, Kind.FAILS})


@dataclass(frozen=True)
class Disagreement:
    """One point on which lint and probe differ. `believe` is "lint" or "probe".

    `overruled` are the kinds of findings of the lint that do not count because of it.
    """

    target: str
    lint: str
    probe: str
    believe: str
    why: str
    overruled: tuple[Kind, ...] = ()


def reconcile(targets, probe) -> tuple[Disagreement, ...]:
    """The disagreements between target reports and a probe report (or None, or `Unchecked`)."""
    linted = next((target for target in targets if target.target == ML_DRIFT), None)
    if linted is None or probe is None or isinstance(probe, Unchecked):
        return ()
    kinds = {finding.kind for finding in linted.findings}
    if probe.verdict is Verdict.FULL:
        return _of_a_file_that_runs(kinds, probe)
    if probe.verdict is Verdict.WRONG:
        return _of_wrong_numbers(kinds)
    if probe.verdict in (Verdict.REFUSED, Verdict.CRASHED) and not kinds & _NOT_TAKEN:
        why = "the real delegate does not take the file for a reason that the rules do not know"
        return (_disagreement(_word(kinds), probe.verdict, "probe", why),)
    return ()


def _of_a_file_that_runs(kinds, probe):
    found = []
    if kinds & _NOT_TAKEN:
        why = (
            "the desktop build of the delegate took every node; the rules are those of its"
            " source, a phone may differ"
        )
        found.append(_disagreement("incompatible", probe.verdict, "probe", why, _NOT_TAKEN))
    if Kind.WRONG in kinds and probe.adapter_has_float16 is not False:
        why = "on the inputs tried, the numbers agree with the CPU's in both precisions"
        found.append(_disagreement("accepted_but_wrong", probe.verdict, "probe", why, {Kind.WRONG}))
    elif Kind.WRONG in kinds:
        why = (
            "this adapter has no half precision, so the trial could not show what a phone would"
            " compute"
        )
        found.append(_disagreement("accepted_but_wrong", probe.verdict, "lint", why))
    return tuple(found)


def _of_wrong_numbers(kinds):
    if kinds & _NOT_TAKEN:
        why = (
            "the desktop build of the delegate took every node, and computes something else than"
            " the CPU"
        )
        return (_disagreement("incompatible", Verdict.WRONG, "probe", why, _NOT_TAKEN),)
    if Kind.WRONG not in kinds:
        why = (
            "the numbers differ from the CPU's in a way that the rules do not know; --bisect"
            " names the first node"
        )
        return (_disagreement("compatible", Verdict.WRONG, "probe", why),)
    return ()


def _word(kinds):
    return "accepted_but_wrong" if Kind.WRONG in kinds else "compatible"


def _disagreement(lint, verdict, believe, why, overruled=()):
    return Disagreement(ML_DRIFT, lint, str(verdict), believe, why, tuple(sorted(overruled)))

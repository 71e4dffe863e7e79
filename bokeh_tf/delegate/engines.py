"""The engines that a check can really run, besides its rules: a line for each, and
what a report says of it.

An engine has a name for `--engines`, a name for people, and the target that it answers for. `auto`
asks every engine that is there; an engine that is asked for by its name must answer.
"""

from dataclasses import dataclass

from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked

AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Engine:
    """One engine; `field` is where a report keeps its answer."""

    name: str
    title: str
    target: str
    field: str

    def word(self, report) -> str:
        """Whether it ran on the file of a report, in words."""
        answer = getattr(report, self.field)
        if answer is None:
            return "not asked"
        if isinstance(answer, Unchecked):
            return "did not answer"
        words = {Verdict.UNAVAILABLE: "not there", Verdict.FULL: "ran"}
        return words.get(answer.verdict, str(answer.verdict))


CLASSIC_GL, ML_DRIFT = "classic-gl", "mldrift"
ENGINES = (
    Engine(CLASSIC_GL, "classic GL", "v2", "classic_gl"),
    Engine(ML_DRIFT, "ML Drift", "mldrift", "probe"),
)


def asked(text: str) -> frozenset[str]:
    """The names in the value of `--engines`; a `ValueError` says what is wrong with it."""
    names = frozenset(filter(None, (name.strip() for name in text.split(","))))
    known = (AUTO, NONE, *(engine.name for engine in ENGINES))
    unknown = sorted(names - frozenset(known))
    if unknown or not names:
        raise ValueError(
            f"--engines takes a list of names. Received: {text!r}. Known: {', '.join(known)}."
        )
    if len(names) > 1 and names & {AUTO, NONE}:
        raise ValueError(f"--engines takes {AUTO} or {NONE} alone. Received: {text!r}.")
    return names


def behind(report) -> str:
    """What a verdict on a report's file stands on: whose rules, and which engines ran."""
    targets = [target.target for target in report.targets]
    engines = [engine for engine in ENGINES if engine.target in targets]
    return "; ".join(
        [f"rules {', '.join(targets)}", *(f"{one.title} {one.word(report)}" for one in engines)]
    )

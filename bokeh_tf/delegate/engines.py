"""The engines that a check can really run, besides its rules: a line for each, and
what a report says of it.

An engine has a name for `--engines`, a name for people, and the target that it answers for. `auto`
asks every engine that is there; an engine that is asked for by its name must answer. ML Drift's
answer is the probe, which is weighed against the rules of its target; what the others have against
a file has a condition of `--fail-on` of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bokeh_tf.delegate.findings import ML_DRIFT, V2
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked

AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Engine:
    """One engine.

    Attributes:
        name: in `--engines`, and of what it finds.
        title: for people, in the line that says what a pass stands on.
        heading: of the line that says what it made of a file.
        target: what it answers for, None where that is no target of the lint: no rules speak of
            it, and whoever lets it fail a file needs its answer.
        field: where a report keeps its answer.
        criterion: the condition of `--fail-on` that its findings meet; of the probe, whose
            findings are those of its target, it has none.
        instead: what to do about each way to fail.
        is_brought: whether whoever checks brings the engine along: where nobody did, a report
            does not name it.
    """

    name: str
    title: str
    heading: str
    target: str | None
    field: str
    criterion: str
    instead: Mapping[Verdict, str]
    is_brought: bool = False

    def answer(self, report):
        """What it made of a report's file; None where it was not asked."""
        return getattr(report, self.field)

    def word(self, report) -> str:
        """Whether it ran on the file of a report, in words."""
        answer = self.answer(report)
        if answer is None:
            return "not asked"
        if isinstance(answer, Unchecked):
            return "did not answer"
        words = {Verdict.UNAVAILABLE: "not there", Verdict.FULL: "ran", Verdict.TAKEN: "compiled"}
        return words.get(answer.verdict, str(answer.verdict))


# ML Drift is called as the target is that it alone answers for.
CLASSIC_GL, OPENVINO, NPU_COMPILER = "classic-gl", "openvino", "npu-compiler"
OPENGL, NPU = "opengl", "npu"
ENGINES = (
    Engine(
        CLASSIC_GL,
        "classic GL",
        "classic engine on OpenGL",
        V2,
        "classic_gl",
        OPENGL,
        {
            Verdict.WRONG: "Compare outputs of inner layers on this engine; on phones with OpenCL"
            " the file may be right.",
            Verdict.REFUSED: "Look at the v2 findings; its own words name the operation or the"
            " tensor.",
            Verdict.CRASHED: "Halve the model until it compiles: one operation does it.",
        },
    ),
    Engine(ML_DRIFT, "ML Drift", "real delegate", ML_DRIFT, "probe", "", {}),
    Engine(
        OPENVINO,
        "OpenVINO",
        "NPU path on OpenVINO",
        None,
        "openvino",
        NPU,
        {
            Verdict.WRONG: "Compare outputs of inner layers on this engine; on an NPU the file may"
            " be right.",
            Verdict.REFUSED: "Replace the operators that it names, or let the CPU compute them"
            " between the parts.",
            Verdict.CRASHED: "Halve the model until it compiles: one operation does it.",
        },
    ),
    Engine(
        NPU_COMPILER,
        "NPU compiler",
        "the vendor's NPU compiler",
        None,
        "npu_compiler",
        NPU_COMPILER,
        {
            Verdict.REFUSED: "Replace the operators that it names, or let the CPU compute them"
            " between the parts.",
            Verdict.CRASHED: "Halve the model until it compiles: one operation does it.",
        },
        is_brought=True,
    ),
)
# Those whose answer is an `Answer`, and no part of a target's verdict.
BESIDE_PROBE = tuple(engine for engine in ENGINES if engine.name != ML_DRIFT)


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
    """What a verdict on a report's file stands on: whose rules, and which engines ran; empty for
    a file that could not be read.
    """
    if report.error:
        return ""
    targets = [target.target for target in report.targets]
    engines = [
        engine
        for engine in ENGINES
        if engine.target in (None, *targets)
        and not (engine.is_brought and engine.answer(report) is None)
    ]
    rules = ", ".join(named(target, report) for target in targets)
    return "; ".join([f"rules {rules}", *(f"{one.title} {one.word(report)}" for one in engines)])


def named(target: str, report) -> str:
    """A target as a report calls it: with the release of its rules where one was asked for."""
    # Only ML Drift's rules tell releases apart.
    is_asked = report.runtime is not None and target == ML_DRIFT
    return f"{target} of {report.runtime}" if is_asked else target


def of_release(source: str, report) -> str:
    """What leads the words of a finding of `source`, where a release was asked for that it
    depends on: "mldrift of 2.1.5: "; else empty.
    """
    words = named(source, report)
    return "" if words == source else f"{words}: "

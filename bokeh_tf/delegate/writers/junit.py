"""JUnit XML: one suite per file, one case per thing that was checked."""

from xml.etree import ElementTree

from bokeh_tf.delegate.engines import BESIDE_PROBE, named
from bokeh_tf.delegate.judging.policy import NOT_CHECKED
from bokeh_tf.delegate.judging.problems import AUDIT, PROBE, Standing
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.escaping import printable, printable_lines

_LIMITS, _NOT_CHECKED, _READ = "limits", "not checked", "read"
# How `Judged.unchecked` calls a case, where that is not its name.
_STEPS = {AUDIT: "audit"}


def write(judged, policy) -> str:
    """The document of a whole run."""
    root = ElementTree.Element("testsuites", name="bokeh-tf check")
    for one in judged:
        root.append(_suite(one))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + ElementTree.tostring(root, encoding="unicode")
        + "\n"
    )


def _suite(one):
    path = printable(one.report.path)
    suite = ElementTree.Element("testsuite", name=path)
    for name in _case_names(one):
        shown = named(name, one.report)
        case = ElementTree.SubElement(suite, "testcase", name=shown, classname=path)
        _fill(case, name, one)
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    return suite


def _case_names(one):
    report = one.report
    if report.error:
        return [_READ]
    limits = [_LIMITS] if one.broken_limits else []
    rest = [_NOT_CHECKED] if _without_case(one) else []
    return (
        [target.target for target in report.targets]
        + [name for name, done in _results(report).items() if done is not None]
        + limits
        + rest
    )


def _results(report):
    """What each step beside the rules brought; None where it was not asked for."""
    engines = {engine.name: engine.answer(report) for engine in BESIDE_PROBE}
    return {**engines, PROBE: report.probe, AUDIT: report.audit}


def _unchecked(name, one):
    """What the check of a case should have answered and did not, in words."""
    return [text for text in one.unchecked if text.startswith(f"{_STEPS.get(name, name)}: ")]


def _without_case(one):
    """What was not checked of which no other case tells: the step has none, or a failure is in
    its place.
    """
    told = [
        text
        for name, done in _results(one.report).items()
        if done is not None and not _failing(name, one)
        for text in _unchecked(name, one)
    ]
    return [text for text in one.unchecked if text not in told]


def _failing(name, one):
    return [problem for problem in one.failing if problem.source == name]


def _fill(case, name, one):
    """Adds what went wrong to a case; one that went well stays empty."""
    report = one.report
    if name == _READ:
        _add(case, "error", report.error, report.error)
        return
    failing = _failing(name, one)
    unchecked = _without_case(one) if name == _NOT_CHECKED else _unchecked(name, one)
    unanswered = _unanswered(_results(report).get(name))
    if failing:
        lines = [f"{p.rule}: {p.place}: {p.reason} Instead: {p.instead}" for p in failing]
        _add(case, "failure", f"{len(failing)} failing: {failing[0].reason}", "\n".join(lines))
    elif name == _LIMITS:
        _add(case, "failure", one.broken_limits[0], "\n".join(one.broken_limits))
    elif unchecked:
        _add(case, "error", unchecked[0], "\n".join(unchecked))
    elif unanswered:
        _add(case, "skipped", unanswered, "")
    tolerated = [p for p in one.problems if p.source == name and p.standing is not Standing.FAILS]
    if tolerated:
        lines = [f"{p.standing}: {p.rule}: {p.place}: {p.reason}" for p in tolerated]
        ElementTree.SubElement(case, "system-out").text = printable_lines(
            "\n".join(map(printable, lines))
        )


def _unanswered(result):
    """Why there is no answer, which nobody needed; empty where there is one."""
    if isinstance(result, Unchecked):
        return result.reason
    # A probe has a verdict for each precision.
    parts = getattr(result, "precisions", [result])
    for part in parts:
        verdict = getattr(part, "verdict", None)
        if verdict is not None and verdict.exit_code == NOT_CHECKED:
            return ": ".join((verdict, *part.reasons[:1]))
    return ""


def _add(case, tag, message, text):
    element = ElementTree.SubElement(case, tag, message=printable(message))
    element.text = printable_lines(text)

"""JUnit XML: one suite per file, one case per thing that was checked."""

from xml.etree import ElementTree

from bokeh_tf.delegate.engines import BESIDE_PROBE
from bokeh_tf.delegate.judging.problems import AUDIT, PROBE, Standing
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.escaping import printable, printable_lines


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
        case = ElementTree.SubElement(suite, "testcase", name=name, classname=path)
        _fill(case, name, one)
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    return suite


def _case_names(one):
    report = one.report
    if report.error:
        return ["read"]
    engines = [(engine.name, engine.answer(report)) for engine in BESIDE_PROBE]
    steps = (*engines, (PROBE, report.probe), (AUDIT, report.audit))
    limits = ["limits"] if one.broken_limits else []
    return (
        [target.target for target in report.targets]
        + [name for name, done in steps if done is not None]
        + limits
    )


def _fill(case, name, one):
    """Adds what went wrong to a case; one that went well stays empty."""
    report = one.report
    if name == "read":
        _add(case, "error", report.error, report.error)
        return
    result = {PROBE: report.probe, AUDIT: report.audit}.get(name)
    failing = [problem for problem in one.failing if problem.source == name]
    if failing:
        lines = [f"{p.rule}: {p.place}: {p.reason} Instead: {p.instead}" for p in failing]
        _add(case, "failure", f"{len(failing)} failing: {failing[0].reason}", "\n".join(lines))
    elif name == "limits":
        _add(case, "failure", one.broken_limits[0], "\n".join(one.broken_limits))
    elif isinstance(result, Unchecked):
        _add(case, "error", result.reason, result.reason)
    elif name == PROBE and result is not None and result.unanswered:
        tag = "error" if one.unchecked else "skipped"
        first = result.unanswered[0]
        _add(case, tag, ": ".join((first.verdict, *first.reasons[:1])), "")
    tolerated = [p for p in one.problems if p.source == name and p.standing is not Standing.FAILS]
    if tolerated:
        lines = [f"{p.standing}: {p.rule}: {p.place}: {p.reason}" for p in tolerated]
        ElementTree.SubElement(case, "system-out").text = printable_lines(
            "\n".join(map(printable, lines))
        )


def _add(case, tag, message, text):
    element = ElementTree.SubElement(case, tag, message=printable(message))
    element.text = printable_lines(text)

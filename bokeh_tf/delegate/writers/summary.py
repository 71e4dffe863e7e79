"""The words and cells that several writers share: one line per target, one row per file."""

from bokeh_tf.delegate.engines import BESIDE_PROBE, ENGINES, named
from bokeh_tf.delegate.findings import ML_DRIFT, TARGETS, Kind, TargetVerdict
from bokeh_tf.delegate.judging.policy import (
    FAILED,
    NOT_CHECKED,
    PASSED,
    macs_percent,
    nodes_percent,
)
from bokeh_tf.delegate.judging.problems import AUDIT, Standing
from bokeh_tf.delegate.linting.memory import memory_text
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked

WORDS = {PASSED: "PASSED", NOT_CHECKED: "NOT CHECKED", FAILED: "FAILED"}
HEADINGS = (
    "file",
    "result",
    *TARGETS,
    *(engine.title for engine in BESIDE_PROBE),
    "probe",
    "fp16",
    "nodes %",
    "MACs %",
    "parts",
    "copies",
)
NONE = "-"
_MOST_REMEDIES = 8


def lines_of(one) -> list[str]:
    """What each check said of a file, one line each, without quoting anything from the file."""
    report = one.report
    lines = [
        f"{named(target.target, report)}: {_verdict(target)},"
        f" {coverage_line(target.coverage)}{_without_opencl(target)}"
        for target in report.targets
    ]
    if report.memory is not None:
        lines.append(f"GPU memory: {memory_text(report.memory)}")
    for engine in ENGINES:
        answer = engine.answer(report)
        if answer is not None:
            words = _probe_words if engine.name == ML_DRIFT else _answer_words
            lines.append(f"{engine.heading}: {words(answer)}")
    if report.audit is not None:
        lines.append(f"fp16: {audit_word(one)}")
    return lines


def _without_opencl(target):
    count = len(target.without_opencl)
    if not count:
        return ""
    is_refused = any(finding.kind is Kind.OPENGL for finding in target.without_opencl)
    word = "refused" if is_refused else "computed wrong"
    return f"; {word} where a phone has no OpenCL ({count} {'node' if count == 1 else 'nodes'})"


def coverage_line(coverage) -> str:
    """A delegate's share of a file in words."""
    nodes, macs = percent(nodes_percent(coverage)), percent(macs_percent(coverage))
    text = f"{nodes} % of {coverage.nodes} nodes and {macs} % of MACs on the GPU"
    if coverage.partitions != 1:
        text += f", {coverage.partitions} partitions"
    if coverage.copies:
        noun = "copy" if coverage.copies == 1 else "copies"
        text += f", {coverage.copies} {noun} between CPU and GPU ({size(coverage.copied_bytes)})"
    return text


def row_of(one) -> tuple[str, ...]:
    """A file's cells under `HEADINGS`; shares of both targets as "v2 /
    mldrift" where they differ.
    """
    report = one.report
    coverages = [target.coverage for target in report.targets]
    targets = {target.target: _extent(target) for target in report.targets}
    return (
        report.path,
        WORDS[one.code],
        *(targets.get(name, NONE) for name in TARGETS),
        *(_answer_cell(engine.answer(report)) for engine in BESIDE_PROBE),
        NONE if report.probe is None else probe_word(report.probe),
        NONE if report.audit is None else audit_word(one),
        _both(percent(nodes_percent(coverage)) for coverage in coverages),
        _both(percent(macs_percent(coverage)) for coverage in coverages),
        _both(coverage.partitions for coverage in coverages),
        _both(coverage.copies for coverage in coverages),
    )


def probe_word(probe) -> str:
    """The real delegate's verdict in one word or two."""
    return "not checked" if isinstance(probe, Unchecked) else str(probe.verdict)


def _probe_words(probe):
    where = getattr(probe, "adapter", None)
    return f"{probe_word(probe)} on {where}" if where else probe_word(probe)


def _answer_cell(answer):
    if answer is None:
        return NONE
    return "no answer" if isinstance(answer, Unchecked) else str(answer.verdict)


def _answer_words(answer):
    if isinstance(answer, Unchecked):
        return f"no answer, {answer.reason}"
    if answer.verdict is Verdict.UNAVAILABLE:
        return f"not asked, {'; '.join(answer.reasons)}"
    return ", ".join(filter(None, (str(answer.verdict), answer.figure)))


def audit_word(one) -> str:
    """What the half-precision audit found."""
    if isinstance(one.report.audit, Unchecked):
        return "not checked"
    found = [problem for problem in one.problems if problem.source == AUDIT]
    errors = sum(not problem.is_warning for problem in found)
    if not found:
        return "fine"
    return f"{errors} errors, {len(found) - errors} warnings"


def percent(value) -> str:
    """A share without a false 100: 99.96 is not all."""
    return "100" if value >= 100 else f"{min(value, 99.9):.1f}"


def size(count_bytes) -> str:
    """Bytes for people."""
    return f"{count_bytes / 1e6:.1f} MB" if count_bytes >= 1e5 else f"{count_bytes / 1e3:.1f} kB"


def standing_note(problem) -> str:
    """Why a problem does not fail the check, empty where it does."""
    notes = {
        Standing.KNOWN: "in the baseline",
        Standing.OVERRULED: "overruled by the real delegate",
        Standing.OTHER_RELEASE: "of another release than the one asked for",
    }
    return notes.get(problem.standing, "")


def remedy_lines(cause) -> list[str]:
    """What to write instead, for each layer or delegate where that differs."""
    remedies = cause.remedies
    if len(remedies) == 1:
        return [f"instead: {remedies[0][0]}"]
    word = "at" if cause.title else "for"
    shown = [
        f"instead {word} {_listed(places)}: {text}" for text, places in remedies[:_MOST_REMEDIES]
    ]
    rest = len(remedies) - len(shown)
    return [*shown, f"and {rest} more"] if rest else shown


def site_line(site) -> str:
    """One occurrence of a pattern: layer, nodes, and what goes in and comes out."""
    places = site.places
    numbers = [place.node for place in places]
    span = (
        f"node {numbers[0]}"
        if len(numbers) == 1
        else f"{len(numbers)} nodes from {numbers[0]} to {numbers[-1]}"
    )
    name = f"layer {site.layer}: " if site.layer else ""
    ops = ", ".join(dict.fromkeys(place.op for place in places if place.op))
    first, last = places[0].tensors, places[-1].tensors
    through = f", {first[0]} to {last[-1]}" if first and last else ""
    return f"{name}{span} ({ops}){through}"


def _listed(places):
    shown = ", ".join(places[:_MOST_REMEDIES])
    return (
        shown
        if len(places) <= _MOST_REMEDIES
        else f"{shown} and {len(places) - _MOST_REMEDIES} more"
    )


def _verdict(target):
    return str(target.verdict).replace("_", " ")


def _extent(target):
    """A target's verdict in the words of the probe, and "partial" for
    what the probe would not run.
    """
    if target.verdict is TargetVerdict.COMPATIBLE:
        return "full"
    if target.verdict is TargetVerdict.ACCEPTED_BUT_WRONG:
        return "wrong"
    return "partial" if target.coverage.nodes_delegated else "refused"


def _both(values):
    values = list(dict.fromkeys(map(str, values)))
    return " / ".join(values) or NONE

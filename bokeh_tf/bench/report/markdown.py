"""The report as Markdown, for pull requests and job summaries."""

from collections.abc import Sequence

from bokeh_tf.bench.report import columns, facts
from bokeh_tf.bench.report.runs import Run
from bokeh_tf.escaping import markdown_code, markdown_text


def write(runs: Sequence[Run]) -> str:
    """The page of some `runs`, one after the other; nothing is averaged over them."""
    lines = ["# bokeh-tf benchmark", ""]
    for run in runs:
        lines += _run(run)
    return "\n".join(lines).rstrip("\n") + "\n"


def _run(run):
    result = run.result
    lines = [f"## {markdown_code(run.file)}", ""]
    lines += _bullets(f"**unstable: {markdown_text(doubt)}**" for doubt in result.doubts)
    lines += _table(result, columns.STEADY, flags=True)
    lines += _warnings(result)
    lines += _table(result, columns.STARTUP)
    lines += _about(result)
    lines += ["### Conditions", ""]
    lines += _bullets(f"{name}: {markdown_text(text)}" for name, text in facts.host_facts(result))
    for name, known in result.devices.items():
        lines += [f"#### {facts.device_kind(known)} {markdown_code(name)}", ""]
        phone, _ = facts.split_phone(known)
        lines += _bullets(
            f"{markdown_text(path)}: {markdown_text(text)}"
            for path, text in facts.nested_facts(phone)
        )
    return lines + _table(result, columns.HOW)


def _table(result, shown, *, flags=False):
    headings = [column.heading for column in shown]
    lines = ["| | " + " | ".join(headings) + " |", "|---|" + "---:|" * len(headings)]
    for one in result.measurements:
        first, *rest = map(markdown_text, columns.cells(shown, one, result))
        if flags:
            first += facts.flags(one).replace(" *", " \\*").replace("!", "**!**")
        lines.append("| " + " | ".join([markdown_code(one.name), first, *rest]) + " |")
    return [*lines, ""]


def _warnings(result):
    lines = []
    for one in result.measurements:
        for severity, text in facts.warnings(one):
            mark = "**!**" if severity == "bad" else "\\*"
            lines.append(f"{mark} {markdown_code(one.name)}: {markdown_text(text)}")
    return _bullets(lines)


def _about(result):
    lines = []
    for one in result.measurements:
        name = markdown_code(one.name)
        lines += [f"{name}: {markdown_text(line)}" for line in facts.verdict_lines(one)]
        lines += [f"{name}, {markdown_text(line)}" for line in facts.startup_lines(one)]
        lines += [
            f"{name}, output against the CPU's: {markdown_text(line)}"
            for line in facts.output_lines(one)
        ]
        lines += [
            f"{name}, predicted: {markdown_text(line)}" for line in facts.prediction_lines(one)
        ]
        lines += [
            f"{name}, static check: {markdown_text(reason)}"
            for reason in facts.prediction_reasons(one)
        ]
        lines += [f"{name}, {markdown_text(line)}" for line in facts.difference_lines(one)]
    return ["### Who computed it, and what", "", *_bullets(lines)] if lines else []


def _bullets(lines):
    listed = [f"- {line}" for line in lines]
    return [*listed, ""] if listed else []

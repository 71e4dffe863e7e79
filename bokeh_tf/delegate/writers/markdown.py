"""Markdown for pull requests and job summaries: a table of all files, then
what speaks against each.
"""

from collections import Counter

from bokeh_tf.delegate.engines import behind
from bokeh_tf.delegate.judging.causes import causes_of
from bokeh_tf.delegate.judging.policy import PASSED
from bokeh_tf.delegate.writers.summary import (
    HEADINGS,
    lines_of,
    remedy_lines,
    row_of,
    site_line,
    standing_note,
)
from bokeh_tf.escaping import markdown_code, markdown_text

# Beyond this a table is longer than anyone reads; JSON has all.
_MOST_NODES = 20


def write(judged, policy) -> str:
    """The page of a whole run."""
    lines = ["# bokeh-tf check", "", f"Fails on: `{policy.to_text()}`", ""]
    lines += ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    for one in judged:
        path, *cells = row_of(one)
        lines.append("| " + " | ".join([markdown_code(path), *map(markdown_text, cells)]) + " |")
    passed = Counter(behind(one.report) for one in judged if one.code == PASSED)
    lines += [
        *([""] if passed else []),
        *(f"{count} passed by {words}" for words, count in passed.items()),
    ]
    for one in judged:
        if one.problems or one.code != PASSED or one.report.reconciliation or one.report.notes:
            lines += _file(one)
    return "\n".join(lines) + "\n"


def _file(one):
    report = one.report
    lines = ["", f"## {markdown_code(report.path)}", ""]
    if report.error:
        return [*lines, f"Not checked: {markdown_text(report.error)}"]
    lines += [f"- {markdown_text(line)}" for line in lines_of(one)]
    lines += [f"- **{markdown_text(text)}**" for text in (*one.broken_limits, *one.unchecked)]
    for item in report.reconciliation:
        text = f"the lint says {item.lint}, the real delegate {item.probe}"
        lines.append(
            f"- {item.target}: {text}. Believe the {item.believe}: {markdown_text(item.why)}"
        )
    lines += [f"- Note: {markdown_text(note)}" for note in report.notes]
    for cause in causes_of(one.problems):
        lines += ["", f"### {_heading(cause)}", "", *_cause(cause)]
    return lines


def _heading(cause):
    rules = ", ".join(map(markdown_code, cause.rules))
    extent = markdown_text(f", {cause.extent}" if cause.extent else "")
    title = markdown_text(f": {cause.title}" if cause.title else "")
    return f"{', '.join(cause.sources)}: {rules}{extent}{title}"


def _cause(cause):
    remedies = (
        [f"- {markdown_text(line)}" for line in remedy_lines(cause)] if cause.remedies else []
    )
    if cause.title:
        sites = [f"- {markdown_text(site_line(site))}" for site in cause.sites[:_MOST_NODES]]
        more = len(cause.sites) - len(sites)
        return [*sites, *([f"- and {more} more places"] if more else []), "", *remedies]
    problems = cause.places
    lines = ["| node | operation | layer | tensors | reason | |", "|---|---|---|---|---|---|"]
    for problem in problems[:_MOST_NODES]:
        op = problem.op if problem.version is None else f"{problem.op} v{problem.version}"
        cells = [
            "" if problem.node is None else str(problem.node),
            markdown_code(op),
            markdown_code(problem.layer or ""),
            markdown_code(" ".join(problem.tensors)),
            markdown_text(problem.reason),
            standing_note(problem) or str(problem.standing),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    if len(problems) > _MOST_NODES:
        lines += ["", f"and {len(problems) - _MOST_NODES} more"]
    return [*lines, "", *remedies]

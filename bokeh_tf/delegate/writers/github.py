"""Workflow commands of GitHub Actions: `::error file=…,title=…::…`, one per failing problem, notices for the rest."""

from urllib.parse import unquote

from bokeh_tf.delegate.judging.policy import FAILED
from bokeh_tf.delegate.writers.summary import WORDS, lines_of
from bokeh_tf.escaping import command_data, command_property, file_uri, printable

# GitHub shows ten annotations of each kind per step; a graph with a thousand refused nodes should not fill the log.
_MOST_PER_RULE = 10


def write(judged, policy) -> str:
    """The commands of a whole run, with one plain line per file."""
    return "".join(line + "\n" for one in judged for line in _lines(one))


def _lines(one):
    report = one.report
    yield "; ".join([f"{WORDS[one.code]}: {printable(report.path)}", *lines_of(one)])
    if report.error:
        yield _command("error", report, "not checked", report.error)
    seen: dict[str, int] = {}
    for problem in one.failing:
        seen[problem.rule] = seen.get(problem.rule, 0) + 1
        if seen[problem.rule] <= _MOST_PER_RULE:
            text = f"{problem.place}: {problem.reason}\nInstead: {problem.instead}"
            yield _command("error", report, problem.rule, text)
    for rule, count in seen.items():
        if count > _MOST_PER_RULE:
            yield _command("error", report, rule, f"{count - _MOST_PER_RULE} more of this rule")
    for text in one.broken_limits:
        yield _command("error", report, "limit", text)
    for text in one.unchecked:
        yield _command("error" if one.code != FAILED else "warning", report, "not checked", text)
    for item in report.reconciliation:
        text = f"lint: {item.lint}, real delegate: {item.probe}; believe the {item.believe}: {item.why}"
        yield _command("warning", report, item.target, text)
    for text in report.notes:
        yield _command("notice", report, "note", text)


def _command(kind, report, title, text):
    where = f"file={command_property(_file(report.path))}"
    return f"::{kind} {where},title={command_property(title)}::{command_data(text)}"


def _file(path):
    """The path as annotations name it: relative to the checkout where it can be, not percent-encoded."""
    return unquote(file_uri(path).removeprefix("file://"))

"""Workflow commands of GitHub Actions: `::error file=…,title=…::…`, at most ten, led by
a summary, one per cause.

GitHub shows ten annotations per step and drops the others without a word, so the ten
that say most are written.
"""

from urllib.parse import unquote

from bokeh_tf.delegate.judging.causes import causes_of
from bokeh_tf.delegate.judging.policy import FAILED, NOT_CHECKED, PASSED, exit_code
from bokeh_tf.delegate.writers.summary import WORDS, lines_of, remedy_lines
from bokeh_tf.escaping import command_data, command_property, file_uri, printable

MOST_ANNOTATIONS = 10
_ORDER = ("error", "warning", "notice")
_MOST_FILES = 5


def write(judged, policy) -> str:
    """The commands of a whole run, after one plain line per file."""
    lines = [
        "; ".join([f"{WORDS[one.code]}: {printable(one.report.path)}", *lines_of(one)])
        for one in judged
    ]
    return "".join(line + "\n" for line in [*lines, *_annotations(judged, policy)])


def _annotations(judged, policy):
    found = _by_cause(judged)
    if not found and exit_code(judged) == PASSED:
        return []
    places = MOST_ANNOTATIONS - 1
    left_out = max(0, len(found) - places)
    return [_summary(judged, policy, left_out), *(_shown(*one) for one in found[:places])]


def _summary(judged, policy, left_out):
    status = exit_code(judged)
    counts = {code: sum(one.code == code for one in judged) for code in WORDS}
    text = ", ".join(f"{count} {WORDS[code].lower()}" for code, count in counts.items() if count)
    text = f"{len(judged)} files: {text} (fails on {policy.to_text()})"
    if left_out:
        text += f"; {left_out} more findings are in the job summary and in the reports"
    kind = {PASSED: "notice", NOT_CHECKED: "error", FAILED: "error"}[status]
    return f"::{kind} title=bokeh-tf check::{command_data(text)}"


def _by_cause(judged):
    """(kind, title, text, paths) of what is to be annotated, what fails first;
    files that share it are one.
    """
    paths_of: dict[tuple[str, str, str], list[str]] = {}
    for one in judged:
        for kind, title, text in _said_of(one):
            paths_of.setdefault((kind, title, text), []).append(one.report.path)
    found = [(*said, paths) for said, paths in paths_of.items()]
    return sorted(found, key=lambda entry: _ORDER.index(entry[0]))


def _said_of(one):
    report = one.report
    if report.error:
        yield "error", "not checked", report.error
    for cause in causes_of(one.failing):
        parts = [
            cause.headline,
            "" if cause.title else f"{cause.first.place}: {cause.first.reason}",
        ]
        parts += remedy_lines(cause) if cause.remedies else []
        yield "error", cause.first.rule, "\n".join(filter(None, parts))
    for text in one.broken_limits:
        yield "error", "limit", text
    for text in one.unchecked:
        yield "error" if one.code != FAILED else "warning", "not checked", text
    for item in report.reconciliation:
        text = (
            f"lint: {item.lint}, real delegate: {item.probe}; believe the {item.believe}:"
            f" {item.why}"
        )
        yield "warning", item.target, text
    for text in report.notes:
        yield "notice", "note", text


def _shown(kind, title, text, paths):
    if len(paths) > 1:
        others = ", ".join(paths[1 : 1 + _MOST_FILES])
        more = f" and {len(paths) - 1 - _MOST_FILES} more" if len(paths) - 1 > _MOST_FILES else ""
        text += f"\nAlso in: {others}{more}"
    where = f"file={command_property(_file(paths[0]))}"
    return f"::{kind} {where},title={command_property(title)}::{command_data(text)}"


def _file(path):
    """The path as annotations name it: relative to the checkout where it
    can be, not percent-encoded.
    """
    return unquote(file_uri(path).removeprefix("file://"))

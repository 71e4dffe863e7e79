"""GitLab's Code Quality report: an entry per cause and file, which a merge request
shows beside its changes.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

import hashlib
from urllib.parse import unquote

from bokeh_tf.delegate.engines import of_release
from bokeh_tf.delegate.judging.causes import causes_of
from bokeh_tf.delegate.writers.summary import remedy_lines
from bokeh_tf.escaping import file_uri, json_text, printable

# By it an earlier report of ours is known, which may be replaced.
_TOOL = "bokeh-tf"
_FAILS, _TOLERATED, _NOT_CHECKED = "major", "info", "critical"


def write(judged, policy) -> str:
    """The report of a whole run."""
    return json_text([entry for one in judged for entry in _entries(one)])


def _entries(one):
    path = one.report.path
    if one.report.error:
        yield _entry(path, "not-checked", one.report.error, _NOT_CHECKED)
    for text in one.unchecked:
        yield _entry(path, "not-checked", text, _NOT_CHECKED)
    for text in one.broken_limits:
        yield _entry(path, "limit", text, _FAILS)
    for cause in causes_of(one.problems):
        releases = dict.fromkeys(of_release(source, one.report) for source in cause.sources)
        parts = ["".join(releases) + cause.headline, "" if cause.title else cause.first.reason]
        parts += remedy_lines(cause) if cause.remedies else []
        severity = _FAILS if cause.fails else _TOLERATED
        yield _entry(path, cause.first.rule, ". ".join(filter(None, parts)), severity)


def _entry(path, name, text, severity):
    place = unquote(file_uri(path).removeprefix("file://"))
    identity = "\0".join((place, name, text)).encode("utf-8", "replace")
    return {
        "description": printable(text),
        "check_name": f"{_TOOL}/{printable(name)}",
        "fingerprint": hashlib.sha256(identity).hexdigest(),
        "severity": severity,
        # A .tflite has no lines.
        "location": {"path": printable(place), "lines": {"begin": 1}},
    }

"""SARIF 2.1.0, for code scanning: a result per problem, a rule per rule id,
unread files as notifications.

A `.tflite` has no lines, so every result points at line 1 of the file, and at node and
layer as logical location.
"""

import hashlib
import itertools

from bokeh_tf import __version__
from bokeh_tf.delegate.engines import of_release
from bokeh_tf.delegate.judging.baseline import identities
from bokeh_tf.delegate.judging.problems import Standing
from bokeh_tf.delegate.writers.document import failures
from bokeh_tf.escaping import file_uri, json_text, printable

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
_VERSION = "2.1.0"
_FINGERPRINT_NAME = "problem/v2"


def write(judged, policy) -> str:
    """The log of a whole run."""
    problems = [problem for one in judged for problem in one.problems]
    rules = {problem.rule: problem for problem in reversed(problems)}
    positions = {rule: position for position, rule in enumerate(sorted(rules))}
    driver = {
        "name": "bokeh-tf",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rules[rule]) for rule in positions],
    }
    results = [
        _result(one.report, problem, positions) for one in judged for problem in one.problems
    ]
    log = {
        "$schema": SCHEMA_URI,
        "version": _VERSION,
        "runs": [
            {"tool": {"driver": driver}, "invocations": [_invocation(judged)], "results": results}
        ],
    }
    return json_text(log)


def _rule(problem):
    return {
        "id": problem.rule,
        "shortDescription": {"text": f"{problem.source}: {problem.kind}: {problem.rule}"},
        "help": {"text": printable(problem.instead) or "See the message."},
        "defaultConfiguration": {"level": "warning" if problem.is_warning else "error"},
    }


def _result(report, problem, positions):
    place = f"{of_release(problem.source, report)}{problem.place}"
    text = f"{place}: {problem.reason} Instead: {problem.instead}"
    result = {
        "ruleId": problem.rule,
        "ruleIndex": positions[problem.rule],
        "level": "error" if problem.standing is Standing.FAILS else "warning",
        "message": {"text": printable(text)},
        "locations": [_location(report, problem)],
        "partialFingerprints": {_FINGERPRINT_NAME: _digest(report, problem)},
        "properties": {
            "standing": str(problem.standing),
            "tensors": [printable(name) for name in problem.tensors],
        },
    }
    if problem.standing is Standing.KNOWN:
        result["baselineState"] = "unchanged"
    if problem.standing in (Standing.KNOWN, Standing.OVERRULED):
        why = (
            "in the baseline"
            if problem.standing is Standing.KNOWN
            else "the real delegate shows otherwise"
        )
        result["suppressions"] = [{"kind": "external", "justification": why}]
    return result


def _location(report, problem):
    place = {"physicalLocation": _physical(report)}
    if problem.node is not None:
        name = printable(problem.layer or problem.op)
        full = f"{problem.node}/{printable(problem.op)}"
        place["logicalLocations"] = [{"name": name, "fullyQualifiedName": full, "kind": "element"}]
    return place


def _physical(report):
    return {"artifactLocation": {"uri": file_uri(report.path)}, "region": {"startLine": 1}}


def _digest(report, problem):
    words = itertools.chain.from_iterable(identities(problem))
    text = "\0".join((file_uri(report.path), *words))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _invocation(judged):
    """How the run went: files not read, steps not carried out, limits not kept."""
    notifications = [
        {
            "level": "error",
            "message": {"text": printable(text)},
            "locations": [{"physicalLocation": _physical(one.report)}],
        }
        for one in judged
        for text in _beside_results(one)
    ]
    done = not any(one.report.error or one.unchecked for one in judged)
    return {"executionSuccessful": done, "toolExecutionNotifications": notifications}


def _beside_results(one):
    shown = {f"{problem.rule}: {problem.place}: {problem.reason}" for problem in one.failing}
    return [text for text in failures(one) if text not in shown]

"""The JSON document, schema version 2.

`{"schema_version": 2, "package_version", "exit_code", "fail_on", "limits", "files": [..]}`. A file
has `path`, `passed`, `stands_on` (whose rules, and which engines ran; empty where the file could
not be read), `runtime` (the release that was asked for, null where none was), `targets.<name>`
(`verdict`: compatible | incompatible | accepted_but_wrong, `release`, `coverage`, `findings[]` with `node`,
`op`, `version`, `layer`, `rule`, `kind`, `tensors`, `reason`, `instead`, `standing`, `cause` and
`site`, and `without_opencl[]`, the same for what changes no verdict), `memory` (`peak_bytes` of
tensors at `node`, `place` in words, `weights_bytes`), `probe`, `classic_gl`, `openvino`,
`npu_compiler`, `audit` and `bisection` (null where there is none), `reconciliation[]`, `notes[]`,
`failures[]` (why it does not pass, in words), and `error`, null unless the file could not be read.
`standing` is fails | tolerated | known (in the baseline) | overruled (by the real delegate) |
other_release (of what ran, than the one asked for). JSON has no infinity and no NaN: they are
strings, "inf" and "nan".

`classic_gl`, `openvino` and `npu_compiler` have `verdict`, `reasons[]`, `operators_left[]`,
`wrong_outputs[]` and `not_finite[]` (those of them with values that are not finite); the first
`is_common` (its refusal is that of phones with OpenCL, too) and `psnr_db`, the second `operators`,
`taken` and `partitions` (null where it did not come so far), `outputs[]`, `compile_s` and
`run_s[]`, the third `compiler`, the same counts, `compiled_bytes` and `compile_s`.
"""

import enum
import math
from dataclasses import fields, is_dataclass

from bokeh_tf import __version__
from bokeh_tf.delegate.engines import BESIDE_PROBE, behind
from bokeh_tf.delegate.judging.policy import PASSED, exit_code, macs_percent, nodes_percent
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.escaping import json_text
from bokeh_tf.tflite.running.agreement import (
    DEFAULT_MAX_ERROR,
    DEFAULT_MIN_PSNR_DB,
    FLOAT32_MAX_ERROR,
    INTEGER_STEPS,
)

SCHEMA_VERSION = 2
LIMITS = {
    "float32_max_error": FLOAT32_MAX_ERROR,
    "default_max_error": DEFAULT_MAX_ERROR,
    "default_min_psnr_db": DEFAULT_MIN_PSNR_DB,
    "integer_steps": INTEGER_STEPS,
}
_PROBE_KEYS = (
    "verdict",
    "adapter",
    "adapter_has_float16",
    "runtime_version",
    "picture",
    "sha256",
    "size_bytes",
)


def write(judged, policy) -> str:
    """The document of a whole run."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "package_version": __version__,
        "exit_code": exit_code(judged),
        "fail_on": policy.to_text(),
        "limits": LIMITS,
        "files": [_file(one) for one in judged],
    }
    return json_text(document)


def plain(value):
    """Dataclasses, enums, tuples and NumPy-free numbers as what JSON has."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _file(one):
    report = one.report
    return {
        "path": report.path,
        "passed": one.code == PASSED,
        "stands_on": behind(report),
        "runtime": report.runtime,
        "targets": {target.target: _target(target, one.problems) for target in report.targets},
        "memory": plain(report.memory),
        "probe": _probe(report.probe),
        **{engine.field: _other(engine.answer(report)) for engine in BESIDE_PROBE},
        "audit": _other(report.audit),
        "bisection": _other(report.bisection),
        "reconciliation": [_disagreement(item) for item in report.reconciliation],
        "notes": list(report.notes),
        "failures": failures(one),
        "error": report.error,
    }


def failures(one) -> list[str]:
    """Why a file does not pass, in words."""
    found = [f"{problem.rule}: {problem.place}: {problem.reason}" for problem in one.failing]
    error = [one.report.error] if one.report.error else []
    return [*error, *found, *one.broken_limits, *one.unchecked]


def _target(target, problems):
    own = iter([problem for problem in problems if problem.source == target.target])
    shares = {
        "nodes_percent": nodes_percent(target.coverage),
        "macs_percent": macs_percent(target.coverage),
    }
    return {
        "verdict": str(target.verdict),
        "release": target.release,
        "coverage": {**plain(target.coverage), **shares},
        "findings": [_finding(finding, next(own)) for finding in target.findings],
        "without_opencl": [_finding(finding, next(own)) for finding in target.without_opencl],
    }


def _finding(finding, problem):
    return {**plain(finding), "standing": str(problem.standing)}


def _probe(probe):
    if probe is None or isinstance(probe, Unchecked):
        return _other(probe)
    rest = {field.name for field in fields(probe)} - {*_PROBE_KEYS, "path", "precisions"}
    return {
        **{key: plain(getattr(probe, key)) for key in _PROBE_KEYS},
        "reasons": list(
            dict.fromkeys(reason for part in probe.precisions for reason in part.reasons)
        ),
        "outputs": [
            _output(part.precision, check) for part in probe.precisions for check in part.outputs
        ],
        "precisions": [
            {
                "precision": part.precision,
                "verdict": str(part.verdict),
                "reasons": list(part.reasons),
                "compile_s": part.compile_s,
                "run_s": list(part.run_s),
            }
            for part in probe.precisions
        ],
        **{key: plain(getattr(probe, key)) for key in sorted(rest)},
    }


def _output(precision, check):
    errors = plain(check.difference) if check.difference else {}
    known = {"precision": precision, "trial": check.trial, "name": check.name}
    judged = {
        "signature": check.signature,
        "scale": check.scale,
        "passed": check.passed,
        "reason": check.reason,
    }
    return plain({**known, **errors, **judged})


def _other(result):
    if isinstance(result, Unchecked):
        return {"verdict": None, "reasons": [result.reason]}
    return plain(result)


def _disagreement(item):
    return {key: getattr(item, key) for key in ("target", "lint", "probe", "believe", "why")}

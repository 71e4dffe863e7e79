"""One row of `bokeh_tf/models/measured.json`: builds a variant, converts it, and asks the
rules, the real delegate, and the classic engine where the environment names one.

Run as `python -m export.zoo.measuring FOLDER JOB`, asked by `rows.py` only: a process of its own
gives back all its memory. The request is {"model", "variant"}, the answer {"row"}.
"""

import gc
import json
import math
from collections import Counter

from bokeh_tf import exporting
from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.classic_gl import engine as classic_gl
from bokeh_tf.delegate.findings import ML_DRIFT, TARGETS, TargetVerdict
from bokeh_tf.delegate.linting import memory
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.errors import BokehError
from bokeh_tf.models import catalogue, measured
from bokeh_tf.processes import Job, answer_job
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.subject import subject_of
from export.zoo.practice import FLAT_WHEN_FRESH, practise

# The size at which models are compared with each other: a phone's preview.
COMMON_SIZE_PX = (512, 768)
PRECISION = "float16"
# The classic engine runs on a processor here, large networks for minutes.
_CLASSIC_GL_TIMEOUT_S = 900.0


def measure_model(job: Job) -> dict:
    """Builds, converts and checks the variant that the request names."""
    request = job.read_request()
    row = measure(catalogue.entry(request["model"]), request["variant"])
    # What is no JSON fails here, where the row can say so, not where all rows are written.
    json.dumps(row, allow_nan=False)
    return {"row": row}


def measure(entry, variant) -> dict:
    """The measured part of a row; no weights are trained ones, see
    `bokeh_tf.exporting` and `practice`.
    """
    model = _build(entry, variant, entry.reference_size_px)
    row = {
        "parameters": _count(model.trainable_weights),
        "moving_statistics": _count(model.non_trainable_weights),
        "macs": {},
        "float16_bytes": None,
    }
    content = exporting.convert_model(model, precision=PRECISION)
    del model
    file = inspect(content)
    row["float16_bytes"] = len(content)
    row["macs"] = {
        _text(entry.reference_size_px): file.macs,
        _text(COMMON_SIZE_PX): _macs(entry, variant, file),
    }
    row["lint"], reasons = _lint(file)
    estimate = memory.estimate_memory(file)
    row["memory"] = {
        "peak_bytes": estimate.peak_bytes,
        "place": estimate.place,
        "weights_bytes": estimate.weights_bytes,
    }
    row["warnings"] = [text for text in [memory.warning(estimate)] if text]
    del content, file
    checked = _check_subject(entry, variant)
    row["probe"], more_reasons = _probe(checked)
    row["classic_gl"] = _classic_gl(checked)
    return {**row, "reasons": [*reasons, *more_reasons]}


def _macs(entry, variant, reference_file):
    """Multiply-accumulates at the common size, None where the model cannot take it."""
    if entry.reference_size_px == COMMON_SIZE_PX:
        return reference_file.macs
    try:
        return inspect(
            exporting.convert_model(_build(entry, variant, COMMON_SIZE_PX), precision=PRECISION)
        ).macs
    except ValueError:
        return None


def _build(entry, variant, size_px):
    gc.collect()
    return exporting.build_model(entry.name, variant=variant, image_shape=size_px)


def _lint(file):
    """(the verdicts by target, reasons against the file in words)."""
    verdicts, reasons = {}, []
    for target in TARGETS:
        report = lint(file, target)
        verdicts[target] = {
            "release": report.release,
            "verdict": str(report.verdict),
            "findings": len(report.findings),
        }
        if report.verdict is not TargetVerdict.COMPATIBLE:
            counts = Counter(finding.rule for finding in report.findings)
            firsts = {finding.rule: finding for finding in reversed(report.findings)}
            reasons += [
                f"{rule}, {count} nodes: {firsts[rule].reason}" for rule, count in counts.items()
            ]
    return verdicts, reasons


def _check_subject(entry, variant):
    """The file of the size at which engines run it."""
    model = _build(entry, variant, entry.check_size_px)
    if entry.name in FLAT_WHEN_FRESH:
        practise(model)
    content = exporting.convert_model(model, precision=PRECISION)
    name = exporting.artifact_name(entry.name, variant, PRECISION, entry.check_size_px)
    return subject_of(content, label=f"{name}.tflite")


def _probe(subject):
    """(what the real delegate says, reasons against it in words)."""
    result = check(subject, targets=(ML_DRIFT,), probe=True).probe
    if isinstance(result, Unchecked):
        probe = {"verdict": "not checked", "adapter": None, "runtime_version": None, "errors": {}}
        return probe, [f"real delegate: {result.reason}"]
    probe = {
        "verdict": str(result.verdict),
        "adapter": result.adapter,
        "runtime_version": result.runtime_version,
        "errors": {
            part.precision: _worst(part.outputs) for part in result.precisions if part.outputs
        },
    }
    if result.verdict is Verdict.FULL:
        return probe, []
    reasons = dict.fromkeys(reason for part in result.precisions for reason in part.reasons)
    return probe, [f"real delegate: {reason}" for reason in reasons]


def _classic_gl(subject):
    python = classic_gl.default_python()
    if python is None:
        return dict(measured.NOT_ASKED)
    report = classic_gl.run(subject, python=python, timeout_s=_CLASSIC_GL_TIMEOUT_S)
    psnr_db = report.psnr_db
    return {
        "verdict": str(report.verdict),
        "psnr_db": psnr_db if psnr_db is not None and math.isfinite(psnr_db) else None,
        "reasons": list(report.reasons),
    }


def _worst(outputs):
    """The largest error relative to its output's range, and the lowest PSNR; null where
    nothing could be compared.
    """
    compared = [
        check for check in outputs if check.difference and not check.difference.non_finite_count
    ]
    psnrs_db = [
        check.difference.psnr_db for check in compared if math.isfinite(check.difference.psnr_db)
    ]
    return {
        "max_error": max(
            (check.difference.max_abs / check.scale for check in compared), default=None
        ),
        "psnr_db": min(psnrs_db, default=None),
    }


def _count(weights):
    """Elements of weights; a generator's seed is neither a parameter nor a statistic."""
    return sum(math.prod(weight.shape) for weight in weights if "seed" not in weight.path)


def _text(size_px):
    return f"{size_px[0]}x{size_px[1]}"


if __name__ == "__main__":
    answer_job(measure_model, error_kinds={BokehError: "model"})

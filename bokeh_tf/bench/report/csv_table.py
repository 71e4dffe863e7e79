"""The report as CSV: one row per measurement, numbers with their unit in the column's
name, empty where unknown.
"""

import csv
import io
from collections.abc import Sequence

from bokeh_tf.bench.report import columns
from bokeh_tf.bench.report.facts import device_name, family
from bokeh_tf.bench.report.runs import Run
from bokeh_tf.escaping import printable

# A spreadsheet takes what begins with one of these for a formula.
_FORMULA_STARTS = tuple("=+-@\t\r＝＋－＠")


def write(runs: Sequence[Run]) -> str:
    """The table of all measurements of `runs`; the columns are always the same."""
    rows = [_row(run, one) for run in runs for one in run.result.measurements]
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _safe(value):
    """Text that no spreadsheet computes; numbers as they are."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def _row(run, one):
    figures = {name: value(one) for name, value in _figures()}
    return {**_subject(run, one), "sample_kind": one.sample_kind, **figures, **_standing(run, one)}


def _figures():
    """(name, value of a measurement) of every figure."""
    return [entry for column in (*columns.STEADY, *columns.STARTUP) for entry in column.values]


def _subject(run, one):
    environment = run.result.environment
    return {
        "result_file": run.file,
        "created_utc": run.result.created_utc,
        "name": one.name,
        "model": one.model,
        "model_sha256": one.model_sha256,
        "family": family(one),
        "backend": one.backend,
        "runtime": one.runtime,
        "precision": one.precision,
        "threads": one.threads,
        "device": one.device,
        "device_name": device_name(one, run.result),
        "accelerator": one.accelerator,
        "host_cpu": environment.cpu,
        "host_cores": environment.usable_cores,
        "host_system": environment.operating_system,
        "package_version": environment.package_version,
        "git_commit": environment.git_commit,
    }


def _standing(run, one):
    verdict, predicted = one.verdict, one.prediction
    return {
        "stamp": one.stamp,
        "verdict": verdict and verdict.outcome,
        "verdict_why": verdict and verdict.why,
        "unstable": "; ".join(one.doubts),
        "run_unstable": "; ".join(run.result.doubts),
        "predicted_target": predicted and predicted.target,
        "predicted_release": predicted and predicted.release,
        "predicted_verdict": predicted and predicted.verdict,
        "predicted_nodes": predicted and predicted.nodes,
        "predicted_nodes_delegated": predicted and predicted.nodes_delegated,
    }


# In this order for ever, for those who read columns by their place.
_OLDEST = (
    *(
        "result_file",
        "created_utc",
        "name",
        "model",
        "model_sha256",
        "family",
        "backend",
        "runtime",
        "precision",
    ),
    *(
        "threads",
        "device",
        "device_name",
        "accelerator",
        "host_cpu",
        "host_cores",
        "host_system",
        "package_version",
    ),
    *(
        "git_commit",
        "sample_kind",
        "sample_count",
        "median_ms",
        "median_low_ms",
        "median_high_ms",
        "p5_ms",
        "p90_ms",
    ),
    *(
        "p95_ms",
        "min_ms",
        "mad_ms",
        "frames_per_second",
        "cold_init_ms",
        "warm_init_ms",
        "warm_init_how",
    ),
    *(
        "first_run_ms",
        "peak_memory_bytes",
        "before_load_memory_bytes",
        "stamp",
        "verdict",
        "verdict_why",
        "unstable",
    ),
    *(
        "run_unstable",
        "predicted_target",
        "predicted_release",
        "predicted_verdict",
        "predicted_nodes",
    ),
    *(
        "predicted_nodes_delegated",
        "warm_init_kind",
        "cache_bytes",
        "cache_cold_init_ms",
        "cache_was_read",
    ),
)


def _columns():
    """The names of all columns: figures that came later stand last."""
    later = (name for name, _ in _figures() if name not in _OLDEST)
    return (*_OLDEST, *later)


COLUMNS = _columns()

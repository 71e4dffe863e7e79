"""The report as CSV: one row per measurement, numbers with their unit in the column's name, empty where unknown."""

import csv
import io

from bokeh_tf.bench.page.facts import device_name, family
from bokeh_tf.delegate.writers.escaping import printable

_NS_PER_MS = 1e6
# A spreadsheet takes what begins with one of these for a formula.
_FORMULA_STARTS = tuple("=+-@\t\r＝＋－＠")


def write(runs) -> str:
    """The table of all measurements of `runs`; the columns are always the same."""
    rows = [_row(run, one) for run in runs for one in run.result.measurements]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
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
    return {**_subject(run, one), **_times(one), **_standing(run, one)}


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


def _times(one):
    summary, startup, memory = one.summary, one.startup, one.memory
    return {
        "sample_kind": one.sample_kind,
        "sample_count": summary and summary.n,
        "median_ms": summary and summary.median_ms.value,
        "median_low_ms": summary and summary.median_ms.low,
        "median_high_ms": summary and summary.median_ms.high,
        "p5_ms": summary and summary.p5_ms,
        "p90_ms": summary and summary.p90_ms,
        "p95_ms": summary and summary.p95_ms,
        "min_ms": summary and summary.min_ms,
        "mad_ms": summary and summary.mad_ms,
        "frames_per_second": summary and summary.fps,
        "cold_init_ms": _ms(startup and startup.cold_init_ns),
        "warm_init_ms": _ms(startup and startup.warm_init_ns),
        "warm_init_how": startup and startup.warm_init_how,
        "first_run_ms": _ms(one.samples and one.samples.first_ns),
        "warm_init_kind": startup and startup.warm_init_kind,
        **_cache(startup and startup.cache),
        "peak_memory_bytes": memory and memory.peak_bytes,
        "before_load_memory_bytes": memory and memory.before_load_bytes,
    }


def _cache(cache):
    return {
        "cache_bytes": cache and cache.size_bytes,
        "cache_cold_init_ms": _ms(cache and cache.cold_init_ns),
        "cache_was_read": cache and cache.was_read,
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


def _ms(time_ns):
    return None if time_ns is None else time_ns / _NS_PER_MS


COLUMNS = (
    *("result_file", "created_utc", "name", "model", "model_sha256", "family", "backend", "runtime", "precision"),
    *("threads", "device", "device_name", "accelerator", "host_cpu", "host_cores", "host_system", "package_version"),
    *("git_commit", "sample_kind", "sample_count", "median_ms", "median_low_ms", "median_high_ms", "p5_ms", "p90_ms"),
    *("p95_ms", "min_ms", "mad_ms", "frames_per_second", "cold_init_ms", "warm_init_ms", "warm_init_how"),
    *("first_run_ms", "peak_memory_bytes", "before_load_memory_bytes", "stamp", "verdict", "verdict_why", "unstable"),
    *("run_unstable", "predicted_target", "predicted_release", "predicted_verdict", "predicted_nodes"),
    *("predicted_nodes_delegated", "warm_init_kind", "cache_bytes", "cache_cold_init_ms", "cache_was_read"),
)

"""Our own measurements of a model, found in a folder of benchmark results.

Results of every kind and schema version are searched (one run, a suite around it): whatever holds a model's sha256, a
backend and a median is a measurement. A file that is no such JSON is passed over; so many other things lie in a folder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bokeh_tf.bench.results.measurement import HOST, RUN, backend_family

_MOST_BYTES = 256_000_000
_NS_PER_MS = 1e6
# In nanoseconds or milliseconds alike: no number beyond it is a time.
_LONGEST = 1e18


@dataclass(frozen=True)
class OwnRun:
    """One measurement of ours.

    Attributes:
        file: name of the JSON file it is from.
        family: the backend as the sheet calls it.
        device: what it ran on, "" where the result does not say.
        runs_ms: all times in the order in which they were taken, the first run and the warm-up included.
        steady_mean_ms: mean of the runs after the warm-up, None where times of single runs are not kept.
        stamp: what must be said wherever the time is shown.
        verdict: who computed it, None where nobody asked.
        doubts: why it is unstable.
    """

    file: str
    name: str
    created_utc: str
    model_sha256: str
    backend: str
    family: str
    precision: str | None
    threads: int | None
    device: str
    median_ms: float
    low_ms: float | None
    high_ms: float | None
    runs_ms: tuple[float, ...]
    steady_mean_ms: float | None
    stamp: str | None
    verdict: str | None
    doubts: tuple[str, ...]

    def mean_from_start_ms(self, count):
        """Mean of the first `count` runs, cold ones included (of all if it is None); None without raw times."""
        runs_ms = self.runs_ms[:count]
        return sum(runs_ms) / len(runs_ms) if runs_ms else None


@dataclass(frozen=True)
class _Around:
    """What the result around a measurement says for all of its measurements."""

    created_utc: str = ""
    environment: Mapping[str, object] = field(default_factory=dict)
    devices: Mapping[str, object] = field(default_factory=dict)

    def inside(self, node):
        """The same for what lies in `node`, which may know better."""
        known = {name: node[name] for name in ("environment", "devices") if isinstance(node.get(name), dict)}
        return replace(self, created_utc=_text(node.get("created_utc")) or self.created_utc, **known)


def find_own_runs(folder) -> tuple[OwnRun, ...]:
    """All our measurements in the JSON files of `folder`, in the order of the files' names."""
    return tuple(run for path in sorted(Path(folder).glob("*.json")) for run in _runs_in(path))


def read_json(path):
    """The content of a JSON file, None where it is no readable JSON."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _runs_in(path):
    waiting = [(read_json(path), _Around())]
    while waiting:
        node, around = waiting.pop()
        if isinstance(node, list):
            waiting += [(entry, around) for entry in reversed(node)]
        elif isinstance(node, dict):
            run = _run(path.name, node, around)
            if run is not None:
                yield run
            else:
                waiting += [(entry, around.inside(node)) for entry in reversed(node.values())]


def _run(file, node, around):
    """The `OwnRun` that `node` is, or None."""
    summary, sha256, backend = node.get("summary"), node.get("model_sha256"), node.get("backend")
    if not isinstance(summary, dict) or not isinstance(sha256, str) or not isinstance(backend, str):
        return None
    median = summary.get("median_ms")
    median_ms = _time(median.get("value")) if isinstance(median, dict) else None
    if median_ms is None:
        return None
    cold_ms, steady_ms = _times(node)
    verdict, threads, doubts = node.get("verdict"), node.get("threads"), node.get("doubts")
    return OwnRun(
        file=file,
        name=_text(node.get("name")),
        created_utc=around.created_utc,
        model_sha256=sha256.lower(),
        backend=backend,
        family=(backend_family(backend) or backend).lower(),
        precision=_text(node.get("precision")).lower() or None,
        threads=threads if isinstance(threads, int) else None,
        device=_device(_text(node.get("device")) or HOST, around),
        median_ms=median_ms,
        low_ms=_time(median.get("low")),
        high_ms=_time(median.get("high")),
        runs_ms=cold_ms + steady_ms,
        steady_mean_ms=sum(steady_ms) / len(steady_ms) if steady_ms else None,
        stamp=_text(node.get("stamp")) or None,
        verdict=_text(verdict.get("outcome")) or None if isinstance(verdict, dict) else None,
        doubts=tuple(map(_text, doubts)) if isinstance(doubts, list) else (),
    )


def _times(node):
    """(cold, steady) times of single runs in milliseconds; nothing where they are not kept or one is no time."""
    samples = node.get("samples")
    if not isinstance(samples, dict) or node.get("sample_kind", RUN) != RUN:
        return (), ()
    rounds_ns, warmup_ns = samples.get("rounds_ns"), samples.get("warmup_ns")
    if not isinstance(rounds_ns, list) or not all(isinstance(round_ns, list) for round_ns in rounds_ns):
        return (), ()
    cold_ns = [samples.get("first_ns"), *(warmup_ns if isinstance(warmup_ns, list) else [])]
    steady_ns = [time_ns for round_ns in rounds_ns for time_ns in round_ns]
    if any(_time(time_ns) is None for time_ns in cold_ns + steady_ns):
        return (), ()
    return tuple(time / _NS_PER_MS for time in cold_ns), tuple(time / _NS_PER_MS for time in steady_ns)


def _device(name, around):
    """A device's name for people: a phone's maker and model wherever they lie in its facts, else its processor."""
    if name == HOST:
        return _text(around.environment.get("cpu"))
    facts = around.devices.get(name)
    parts = (facts, *facts.values()) if isinstance(facts, dict) else ()
    for part in parts:
        if isinstance(part, dict) and _text(part.get("model")):
            return f"{_text(part.get('manufacturer'))} {part['model']}".strip()
    return name


def _time(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 < value < _LONGEST else None


def _text(value):
    # JSON may hold halves of characters, which no terminal can print.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""

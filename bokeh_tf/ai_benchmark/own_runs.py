"""Our own measurements of a model, found in a folder of benchmark results.

Results of every kind and schema version are searched (one run, a suite around it). A file that is
no sound result is passed over.
"""

from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.bench.results.measurement import HOST, RUN, backend_family
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.errors import CheckError

_NS_PER_MS = 1e6


@dataclass(frozen=True)
class OwnRun:
    """One measurement of ours.

    Attributes:
        file: name of the JSON file it is from.
        family: the backend as the sheet calls it.
        device: what it ran on, "" where the result does not say.
        runs_ms: all times in the order in which they were taken, the first run
            and the warm-up included.
        steady_mean_ms: mean of the runs after the warm-up, None where times of
            single runs are not kept.
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
        """Mean of the first `count` runs, cold ones included (of all if it is
        None); None without raw times.
        """
        runs_ms = self.runs_ms[:count]
        return sum(runs_ms) / len(runs_ms) if runs_ms else None


def find_own_runs(folder) -> tuple[OwnRun, ...]:
    """All our measurements in the JSON files of `folder`, in the order of the files' names."""
    found = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            result = read_result(path)
        except CheckError:
            # So many other things lie in a folder.
            continue
        found += [
            _run(path.name, one, result) for one in result.measurements if _is_of_a_model(one)
        ]
    return tuple(found)


def _is_of_a_model(measurement):
    return measurement.summary is not None and measurement.model_sha256 is not None


def _run(file, one, result):
    cold_ms, steady_ms = _times(one)
    median_ms = one.summary.median_ms
    return OwnRun(
        file=file,
        name=one.name,
        created_utc=result.created_utc,
        model_sha256=one.model_sha256.lower(),
        backend=one.backend,
        family=(backend_family(one.backend) or one.backend).lower(),
        precision=(one.precision or "").lower() or None,
        threads=one.threads,
        device=_device(one.device, result),
        median_ms=median_ms.value,
        low_ms=median_ms.low,
        high_ms=median_ms.high,
        runs_ms=cold_ms + steady_ms,
        steady_mean_ms=sum(steady_ms) / len(steady_ms) if steady_ms else None,
        stamp=one.stamp or None,
        verdict=None if one.verdict is None else str(one.verdict.outcome),
        doubts=one.doubts,
    )


def _times(measurement):
    """(cold, steady) times of single runs in milliseconds; nothing where they are not kept."""
    samples = measurement.samples
    if samples is None or measurement.sample_kind != RUN:
        return (), ()
    cold_ns = (samples.first_ns, *samples.warmup_ns)
    steady_ns = (time_ns for round_ns in samples.rounds_ns for time_ns in round_ns)
    cold_ms = tuple(time_ns / _NS_PER_MS for time_ns in cold_ns)
    return cold_ms, tuple(time_ns / _NS_PER_MS for time_ns in steady_ns)


def _device(name, result):
    """A device's name for people: a phone's maker and model wherever they lie in its
    facts, else its processor.
    """
    if name == HOST:
        return result.environment.cpu
    facts = result.devices.get(name)
    parts = (facts, *facts.values()) if isinstance(facts, dict) else ()
    for part in parts:
        if isinstance(part, dict) and _text(part.get("model")):
            return f"{_text(part.get('manufacturer'))} {part['model']}".strip()
    return name


def _text(value):
    return value if isinstance(value, str) else ""

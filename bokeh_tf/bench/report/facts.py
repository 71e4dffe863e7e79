"""What a report says of a measurement and of a run, as plain text; every writer
escapes it for its format.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from bokeh_tf.bench.prediction import HEADINGS
from bokeh_tf.bench.results.measurement import (
    HOST,
    RUN,
    SERIALISED,
    Measurement,
    Startup,
    backend_family,
)
from bokeh_tf.bench.results.result import Result

_NS_PER_MS = 1e6
_KIBIBYTE = 2**10
_SHORT_SHA = 12
_LARGEST = 10**18
_DEEPEST, _MOST_FACTS, _MOST_CHARACTERS = 6, 200, 500


def format_ms(value_ms: float) -> str:
    """Milliseconds with three significant digits, at most three decimals."""
    if value_ms >= 100:
        return f"{value_ms:.0f}"
    if value_ms >= 10:
        return f"{value_ms:.1f}"
    return f"{value_ms:.2f}" if value_ms >= 1 else f"{value_ms:.3f}"


def family(measurement: Measurement) -> str:
    """CPU, GPU, NNAPI or other: what was asked to compute it."""
    return backend_family(measurement.backend) or "other"


def device_name(measurement: Measurement, result: Result) -> str:
    """The processor or the phone, by the name that people know it by."""
    if measurement.device == HOST:
        return measurement.accelerator or result.environment.cpu
    device = result.devices.get(measurement.device)
    parts = (device, *device.values()) if isinstance(device, dict) else ()
    for part in parts:
        if isinstance(part, dict) and isinstance(part.get("model"), str):
            return (
                f"{part.get('manufacturer') or ''} {part['model']} ({measurement.device})".strip()
            )
    return measurement.device


def device_kind(device: object) -> str:
    """What a result's entry of `devices` is about, as a heading says it."""
    is_browser = isinstance(device, dict) and isinstance(device.get("browser"), dict)
    return "Browser" if is_browser else "Phone"


def short_name(measurement: Measurement) -> str:
    """The measurement's name without that of its model, under which it is shown."""
    stem = PurePath(measurement.model).stem if measurement.model else ""
    return measurement.name.removeprefix(f"{stem}, ") if stem else measurement.name


def short_sha(measurement: Measurement) -> str:
    """The start of the model's digest."""
    return (measurement.model_sha256 or "")[:_SHORT_SHA]


def by_model(
    measurements: Sequence[Measurement], *, runs: Sequence[int | None] | None = None
) -> list[tuple[str, list[int]]]:
    """(heading, indices) of what is of the same model bytes.

    Args:
        runs: number of the run of each measurement: what is not a model is alike within a run only.
    """
    groups: dict[object, list[int]] = {}
    for index, one in enumerate(measurements):
        groups.setdefault(one.model_sha256 or one.model or (runs and runs[index]), []).append(index)
    headed = []
    for indices in groups.values():
        first = measurements[indices[0]]
        digest = f" (sha256 {short_sha(first)}…)" if first.model_sha256 else ""
        unnamed = (
            f"run {runs[indices[0]]}, not a model file"
            if runs and runs[indices[0]]
            else "not a model file"
        )
        headed.append((f"{first.model or unnamed}{digest}", indices))
    return headed


def warnings(measurement: Measurement) -> list[tuple[str, str]]:
    """(severity, text) of what must stand beside its numbers; the severity is "bad" or "doubt"."""
    found = [("bad", text)] if (text := _reproach(measurement)) else []
    if measurement.sample_kind != RUN:
        found.append(
            (
                "doubt",
                f"each sample is a {measurement.sample_kind}; times of single runs are not kept",
            )
        )
    return found + [("doubt", f"unstable: {doubt}") for doubt in measurement.doubts]


def _reproach(measurement):
    """Stamp and verdict as one sentence; None where who computed it is who was asked."""
    stamp, verdict = measurement.stamp, measurement.verdict
    if verdict is None or verdict.outcome.passed:
        return stamp
    if stamp is None:
        return f"{verdict.outcome}: {verdict.why}"
    outcome = "" if verdict.outcome in stamp else f" ({verdict.outcome})"
    return f"{stamp}{outcome}" if verdict.why in stamp else f"{stamp}{outcome}: {verdict.why}"


def warm_from(startup: Startup | None) -> str:
    """What made the second start warm, and what its cache cost."""
    if startup is None or startup.warm_init_kind != SERIALISED or startup.cache is None:
        return (startup and startup.warm_init_kind) or ""
    cache = startup.cache
    size = "cache" if cache.size_bytes is None else f"{cache.size_bytes / _KIBIBYTE:.0f} KiB"
    cost = (
        ""
        if cache.cold_init_ns is None
        else f", written in {format_ms(cache.cold_init_ns / _NS_PER_MS)} ms"
    )
    doubt = "" if cache.was_read else ", not known to have been read"
    return f"{size} on disk{cost}{doubt}"


def written_ns(startup: Startup | None) -> int | None:
    """How long the start took that wrote the cache of the warm one; None without one."""
    return startup.cache.cold_init_ns if startup and startup.cache else None


def startup_lines(measurement: Measurement) -> list[str]:
    """How its warm start was measured."""
    startup = measurement.startup
    return [f"warm init: {startup.warm_init_how}"] if startup and startup.warm_init_how else []


def flags(measurement: Measurement) -> str:
    """The marks after its number that lead to its warnings: "!" for the
    bad ones, "*" for doubts.
    """
    severities = {severity for severity, _ in warnings(measurement)}
    return (" !" if "bad" in severities else "") + (" *" if "doubt" in severities else "")


def verdict_lines(measurement: Measurement) -> list[str]:
    """Who computed it, and why that is believed."""
    verdict = measurement.verdict
    return [] if verdict is None else [f"{verdict.outcome}: {verdict.why}"]


def output_lines(measurement: Measurement) -> list[str]:
    """Each output against the CPU's."""
    lines = []
    for output in measurement.outputs:
        if output.non_finite_count:
            text = f"{output.non_finite_count} values are not finite"
        elif output.max_abs is None:
            text = "not compared"
        else:
            psnr = "equal" if output.psnr_db is None else f"{output.psnr_db:.1f} dB"
            text = f"{psnr}, largest error {output.max_abs:.2g}"
        lines.append(f"{output.name}: {text}" + (f": {output.problem}" if output.problem else ""))
    return lines


def prediction_lines(measurement: Measurement) -> list[str]:
    """What the static check expected."""
    prediction = measurement.prediction
    if prediction is None:
        return []
    taken = f"{prediction.nodes_delegated} of {prediction.nodes} nodes"
    return [f"{prediction.target}, {prediction.release}: {prediction.verdict}, {taken}"]


def prediction_reasons(measurement: Measurement) -> tuple[str, ...]:
    """Why the static check expected that."""
    return () if measurement.prediction is None else measurement.prediction.reasons


def difference_lines(measurement: Measurement) -> list[str]:
    """The static check's reasons beside the device's own, where a result compares them."""
    compared = measurement.details.get("predicted_and_logged")
    if not isinstance(compared, dict):
        return []
    lines = []
    for key, heading in HEADINGS.items():
        reasons = compared.get(key)
        for reason in reasons if isinstance(reasons, list) else []:
            parts = reason if isinstance(reason, list) else [reason]
            lines.append(f"{heading}: {' / '.join(map(_short, parts))}")
    return lines[:_MOST_FACTS]


@dataclass(frozen=True)
class PhoneState:
    """A phone before a round or after the last; `celsius` is its hottest sensor's,
    `status` Android's from 0 to 6.
    """

    at_ns: float
    celsius: float | None
    status: float | None


def phone_states(phone: object) -> list[PhoneState]:
    """The states that a result keeps of a phone; whatever is not in the form that
    is written is passed over.
    """
    phone = phone if isinstance(phone, dict) else {}
    rounds = phone.get("rounds")
    found = []
    for entry in [*(rounds if isinstance(rounds, list) else []), phone.get("after")]:
        thermal = entry.get("thermal") if isinstance(entry, dict) else None
        at_ns = _number(entry.get("at_ns")) if isinstance(entry, dict) else None
        if isinstance(thermal, dict) and at_ns is not None:
            found.append(
                PhoneState(
                    at_ns, _hottest(thermal.get("temperatures")), _number(thermal.get("status"))
                )
            )
    return found


def split_phone(phone: object) -> tuple[object, object]:
    """(what is known of a phone as a whole, its states before each round)."""
    if not isinstance(phone, dict):
        return phone, None
    return {key: value for key, value in phone.items() if key != "rounds"}, phone.get("rounds")


def _hottest(temperatures):
    listed = (
        [one for one in temperatures if isinstance(one, dict)]
        if isinstance(temperatures, list)
        else []
    )
    known = [one for one in listed if one.get("kind") != "other"] or listed
    return max(
        (value for one in known if (value := _number(one.get("celsius"))) is not None), default=None
    )


def _number(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < _LARGEST else None


def host_facts(result: Result) -> list[tuple[str, str]]:
    """The machine and the software of a run."""
    known = result.environment
    memory = None if known.memory_bytes is None else f"{known.memory_bytes / 2**30:.1f} GiB"
    return [
        ("started", result.created_utc),
        *(("continued", time_utc) for time_utc in result.sessions_utc[1:]),
        ("processor", f"{known.cpu}, {known.usable_cores} usable cores, {known.architecture}"),
        ("memory", memory or "not known"),
        ("clock governor", known.governor or "not known"),
        ("power", _power(known)),
        ("load at the start", _one(known.load_average_1min, "", 2)),
        ("system", f"{known.operating_system}, Python {known.python}"),
        ("runtime", known.runtime),
        ("bokeh-tf", f"{known.package_version}, commit {known.git_commit or 'not known'}"),
        ("clock while it ran", _range(result, "clock_mhz", " MHz", 0)),
        ("temperature while it ran", _range(result, "temperature_celsius", " °C", 1)),
        ("load while it ran", _range(result, "load_average_1min", "", 2)),
    ]


def _power(known):
    source = {None: "not known", True: "its battery", False: "plugged in"}[known.on_battery]
    return (
        source if known.battery_percent is None else f"{source}, charge {known.battery_percent} %"
    )


def _range(result, name, unit, decimals):
    values = [
        getattr(entry, name) for entry in result.conditions if getattr(entry, name) is not None
    ]
    if not values:
        return "not recorded"
    low, high = (f"{value:.{decimals}f}" for value in (min(values), max(values)))
    return f"{high}{unit}" if low == high else f"{low} … {high}{unit}"


def _one(value, unit, decimals):
    return "not known" if value is None else f"{value:.{decimals}f}{unit}"


def nested_facts(content: object) -> list[tuple[str, str]]:
    """(path, value) of whatever JSON holds, such as a phone's fingerprint; what is
    too deep or too much is cut.

    An object in a list, such as a core, is one fact.
    """
    facts: list[tuple[str, str]] = []
    waiting: list[tuple[tuple[str, ...], object]] = [((), content)]
    while waiting and len(facts) < _MOST_FACTS:
        path, value = waiting.pop()
        is_cut = len(path) >= _DEEPEST
        if isinstance(value, dict) and _is_flat(value) and path and path[-1].isdigit():
            facts.append(
                (
                    " / ".join(path),
                    _short([f"{key} {_short(entry)}" for key, entry in value.items()]),
                )
            )
        elif isinstance(value, dict) and value and not is_cut:
            waiting += [((*path, str(key)), entry) for key, entry in reversed(value.items())]
        elif (
            isinstance(value, list)
            and any(isinstance(entry, dict | list) for entry in value)
            and not is_cut
        ):
            waiting += [
                ((*path, str(number)), entry) for number, entry in reversed(list(enumerate(value)))
            ]
        elif value not in (None, "", [], {}):
            facts.append((" / ".join(path), _short(value)))
    return [*facts, ("and more", "see the result's file")] if waiting else facts


def _is_flat(value):
    return value and not any(isinstance(entry, dict | list) for entry in value.values())


def _short(value):
    if isinstance(value, dict):
        return "…"
    entries = value if isinstance(value, list) else [value]
    # An integer may have more digits than Python likes to print.
    texts = (
        "…" if isinstance(entry, dict | list | int) and not _is_small(entry) else str(entry)
        for entry in entries
    )
    text = ", ".join(itertools.islice(texts, 100))
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


def _is_small(entry):
    return isinstance(entry, int) and abs(entry) < _LARGEST

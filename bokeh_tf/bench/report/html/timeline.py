"""Samples over time, one panel for each measurement above one another,
with the temperature below.
"""

import itertools
import statistics

from bokeh_tf.bench.report import facts
from bokeh_tf.bench.report.facts import format_ms
from bokeh_tf.bench.report.html import marks
from bokeh_tf.bench.report.html.drawing import about_lines, classes_of, thinned, times_ms_of
from bokeh_tf.bench.report.html.markup import Html, joined, tag
from bokeh_tf.bench.report.html.scale import Scale
from bokeh_tf.bench.results.measurement import HOST

_NS_PER_MS, _NS_PER_S = 1e6, 1e9
_TIME_ROW_PX = 58
# What is steadier than this is drawn as nearly flat, or noise would fill every panel.
_SMALLEST_VIEW = 0.10
_CONDITIONS = (
    ("temperature_celsius", "temperature", "°C", "{:.1f}"),
    ("clock_mhz", "clock", "MHz", "{:.0f}"),
    ("load_average_1min", "load", "", "{:.2f}"),
)


def timeline(result, device) -> Html:
    """The samples of a run on one device in the order in which they were taken, and
    its conditions meanwhile.
    """
    timed = [one for one in result.measurements if one.device == device and times_ms_of(one)]
    if not timed:
        return Html("")
    in_time = all(len(one.samples.rounds_start_ns) == len(one.samples.rounds_ns) for one in timed)
    series = [_rounds(one, in_time) for one in timed]
    is_host = device == HOST
    phone = result.devices.get(device)
    conditions = _host_conditions(result, in_time) if is_host else _phone_conditions(phone, in_time)
    scale = Scale.over(
        [at for rounds in series for round_ in rounds for at, _ in round_] + _times_of(conditions),
        may_be_log=False,
    )
    rows = [_time_row(one, rounds, scale) for one, rounds in zip(timed, series, strict=True)]
    rows += [
        _condition_row(condition, scale, "of the host" if is_host else "of the phone")
        for condition in conditions
    ]
    missing = (
        []
        if any(name == "temperature" for name, *_ in conditions)
        else ["The temperature was not recorded."]
    )
    note = " ".join(
        ["Each panel has its own height, from the lower to the upper number.", *missing]
    )
    caption = "Over time: dots are samples, the line joins the rounds' medians"
    return marks.figure(
        caption, [*rows, marks.axis(scale, "s from start" if in_time else "round")], note=note
    )


def _rounds(one, in_time):
    """For each round its (place, time in ms) of every sample."""
    rounds = []
    for number, round_ns in enumerate(one.samples.rounds_ns):
        start = one.samples.rounds_start_ns[number] / _NS_PER_S if in_time else float(number)
        spent = [0, *itertools.accumulate(round_ns)]
        shares = (
            spent[:-1] if in_time else [part * _NS_PER_S / max(1, spent[-1]) for part in spent[:-1]]
        )
        rounds.append(
            [
                (start + at / _NS_PER_S, time / _NS_PER_MS)
                for at, time in zip(shares, round_ns, strict=True)
            ]
        )
    return [round_ for round_ in rounds if round_]


def _time_row(one, rounds, scale):
    classes, times_ms = classes_of(one), times_ms_of(one)
    middle = statistics.median(times_ms)
    low = min(*times_ms, middle * (1 - _SMALLEST_VIEW))
    high = max(*times_ms, middle * (1 + _SMALLEST_VIEW))
    samples = thinned([sample for round_ in rounds for sample in round_])
    dots = [
        marks.dot(scale.percent(at), _height(time, low, high), f"sample {classes}", radius_px=2)
        for at, time in samples
    ]
    centres = [
        (
            scale.percent(statistics.median(at for at, _ in round_)),
            statistics.median(time for _, time in round_),
        )
        for round_ in thinned(rounds)
    ]
    return marks.row(
        one.name,
        about_lines(one, one.backend),
        [*dots, *_path(centres, low, high, classes)],
        height_px=_TIME_ROW_PX,
        value=_limits(f"{format_ms(high)} ms", f"{format_ms(low)} ms"),
        describe=f"{one.name}: samples over {len(rounds)} rounds",
        scale=scale,
    )


def _host_conditions(result, in_time):
    """(name, unit, format, [(place, value)]) of what was recorded on this host."""
    found = []
    for field, *how in _CONDITIONS:
        known = [
            (entry.at_ns / _NS_PER_S if in_time else float(number), getattr(entry, field))
            for number, entry in enumerate(result.conditions)
            if getattr(entry, field) is not None
        ]
        found += [(*how, known)] if known else []
    return found


def _phone_conditions(phone, in_time):
    """The same of a phone, whose hottest sensor counts."""
    hottest, states = [], []
    for number, state in enumerate(facts.phone_states(phone)):
        place = state.at_ns / _NS_PER_S if in_time else float(number)
        hottest += [] if state.celsius is None else [(place, state.celsius)]
        states += [] if state.status is None else [(place, float(state.status))]
    series = (("temperature", "°C", "{:.1f}", hottest), ("thermal status", "", "{:.0f}", states))
    return [one for one in series if one[-1]]


def _times_of(conditions):
    return [at for *_, known in conditions for at, _ in known]


def _condition_row(condition, scale, whose):
    name, unit, form, known = condition
    values = [value for _, value in known]
    low, high = min(values), max(values)
    if high - low < _SMALLEST_VIEW * abs(high) or high == low:
        low, high = low - 0.05 * (abs(high) or 1), high + 0.05 * (abs(high) or 1)
    places = [(scale.percent(at), value) for at, value in thinned(known)]
    dots = [
        marks.dot(at, _height(value, low, high), "sample weather", radius_px=2.5)
        for at, value in places
    ]
    ends = [f"{form.format(value)} {unit}".strip() for value in (high, low)]
    is_constant = min(values) == max(values)
    return marks.row(
        name,
        [("about", whose)],
        [*_path(places, low, high, "weather"), *dots],
        height_px=_TIME_ROW_PX,
        value=f"{form.format(values[0])} {unit}".strip() if is_constant else _limits(*ends),
        describe=f"{name} from {ends[1]} to {ends[0]}",
        scale=scale,
    )


def _path(places, low, high, classes):
    return [
        marks.line(
            at,
            _height(value, low, high),
            next_at,
            _height(next_value, low, high),
            f"path {classes}",
        )
        for (at, value), (next_at, next_value) in itertools.pairwise(places)
    ]


def _height(value, low, high):
    return round(6 + (high - value) / (high - low) * (_TIME_ROW_PX - 12), 2)


def _limits(high, low):
    return joined([tag("span", {}, high), tag("span", {}, low)])

"""The plots of a report: medians side by side, every sample, coverage."""

import itertools
import statistics

from bokeh_tf.bench.report import facts
from bokeh_tf.bench.report.facts import format_ms
from bokeh_tf.bench.report.html import marks
from bokeh_tf.bench.report.html.drawing import (
    MOST_DOTS,
    about_lines,
    classes_of,
    flagged,
    is_thinned,
    legend,
    thinned,
    times_ms_of,
)
from bokeh_tf.bench.report.html.markup import Html
from bokeh_tf.bench.report.html.scale import Scale
from bokeh_tf.bench.results.measurement import HOST

_MEDIAN_ROW_PX, _STRIP_ROW_PX, _BAR_ROW_PX = 30, 40, 26


def medians(entries) -> Html:
    """Median and interval of each of `entries`, which are (run number or None,
    measurement, result), all one model.
    """
    timed = [entry for entry in entries if entry[1].summary is not None]
    if not timed:
        return Html("")
    intervals = [one.summary.median_ms for _, one, _ in timed]
    scale = Scale.over(
        [value for part in intervals for value in (part.low, part.high)], from_zero=True
    )
    rows = [_median_row(number, one, result, scale) for number, one, result in timed]
    caption = "Median with its 95 % interval; further left is faster"
    return marks.figure(
        caption, [*rows, marks.axis(scale, "ms")], legend=legend([entry[1] for entry in timed])
    )


def _median_row(number, one, result, scale):
    median, middle = one.summary.median_ms, _MEDIAN_ROW_PX / 2
    low, at, high = (scale.percent(value) for value in (median.low, median.value, median.high))
    classes, text = classes_of(one), f"{format_ms(median.low)} … {format_ms(median.high)} ms"
    mark = marks.dot if one.device == HOST else marks.square
    about = [f"run {number}"] if number is not None else []
    about += [one.backend, facts.device_name(one, result)]
    return marks.row(
        facts.short_name(one),
        about_lines(one, ", ".join(about)),
        [
            marks.line(low, middle, high, middle, f"interval {classes}"),
            mark(at, middle, f"mark {classes}", title=f"{format_ms(median.value)} ms, {text}"),
        ],
        height_px=_MEDIAN_ROW_PX,
        value=flagged(f"{format_ms(median.value)} ms", one),
        describe=f"{one.name}: median {format_ms(median.value)} ms, interval {text}",
        scale=scale,
    )


def distribution(measurements) -> Html:
    """Every steady sample of each measurement, all of one model and one run."""
    timed = [one for one in measurements if times_ms_of(one)]
    if not timed:
        return Html("")
    scale = Scale.over([time for one in timed for time in times_ms_of(one)])
    rows = [_strip_row(one, scale) for one in timed]
    note = (
        f"Of more than {MOST_DOTS} samples, evenly chosen ones are drawn."
        if is_thinned(timed)
        else None
    )
    caption = "Every steady sample; the box holds the middle half, its line is the median"
    return marks.figure(caption, [*rows, marks.axis(scale, "ms")], legend=legend(timed), note=note)


def _strip_row(one, scale):
    times_ms, classes = times_ms_of(one), classes_of(one)
    quartiles = (
        statistics.quantiles(times_ms, n=4, method="inclusive")
        if len(times_ms) > 1
        else times_ms * 3
    )
    low, middle, high = map(scale.percent, quartiles)
    box = [
        marks.bar(low, max(high, low + 0.3), 8, _STRIP_ROW_PX - 16, f"box {classes}"),
        marks.line(middle, 5, middle, _STRIP_ROW_PX - 5, f"middle {classes}"),
    ]
    # The golden ratio spreads dots evenly over the height, and the same ones at the
    # same places every time.
    heights = (10 + (number * 0.618034) % 1 * (_STRIP_ROW_PX - 20) for number in itertools.count())
    dots = [
        marks.dot(scale.percent(time), height, f"sample {classes}", radius_px=2.2)
        for time, height in zip(thinned(times_ms), heights, strict=False)
    ]
    kinds = "samples" if len(times_ms) > 1 else "sample"
    return marks.row(
        facts.short_name(one),
        about_lines(one, one.backend),
        [*dots, *box],
        height_px=_STRIP_ROW_PX,
        value=f"{len(times_ms)} {kinds}",
        describe=f"{one.name}: {kinds} from {format_ms(min(times_ms))} to"
        f" {format_ms(max(times_ms))} ms",
        scale=scale,
    )


def coverage(result) -> Html:
    """How many nodes of each model a delegate should take, by the static check."""
    rows, seen = [], set()
    for one in result.measurements:
        predicted = one.prediction
        key = predicted and (one.model_sha256 or one.name, predicted.target, predicted.release)
        if predicted is None or key in seen or predicted.nodes < 1:
            continue
        seen.add(key)
        share = min(1.0, predicted.nodes_delegated / predicted.nodes)
        taken = f"{predicted.nodes_delegated} of {predicted.nodes} nodes"
        parts = [
            marks.bar(0, 100, 5, 16, "rest"),
            marks.bar(0, round(100 * share, 3), 5, 16, "taken"),
        ]
        rows.append(
            marks.row(
                one.model or one.name,
                [("about", f"{predicted.target}, {predicted.release}: {predicted.verdict}")],
                parts,
                height_px=_BAR_ROW_PX,
                value=f"{predicted.nodes_delegated} / {predicted.nodes}",
                describe=f"{predicted.target} should take {taken}",
            )
        )
    if not rows:
        return Html("")
    return marks.figure(
        "Nodes that a delegate should take, by the static check (nothing was run for this)", rows
    )

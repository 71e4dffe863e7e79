"""One HTML page that needs nothing else: no script, no font, no picture, no network."""

from collections.abc import Sequence

from bokeh_tf.bench.report import columns, facts
from bokeh_tf.bench.report.html import plots
from bokeh_tf.bench.report.html.markup import Html, breakable, escaped, joined, page_of, tag
from bokeh_tf.bench.report.html.style import SHEET
from bokeh_tf.bench.report.html.timeline import timeline
from bokeh_tf.bench.report.runs import Run
from bokeh_tf.bench.results.measurement import HOST

_APART = (
    "Each run stands for itself: nothing is averaged over runs. bokeh-tf compare says whether"
    " two of them differ."
)


def write(runs: Sequence[Run]) -> str:
    """The page of some `runs`."""
    count = sum(len(run.result.measurements) for run in runs)
    title = f"bokeh-tf benchmark: {_count(count, 'measurement')}"
    body = [
        tag("h1", {}, "bokeh-tf benchmark"),
        tag(
            "p",
            {"class": "soft"},
            f"{_count(count, 'measurement')} in {_count(len(runs), 'run')}. Steady times in ms.",
        ),
        tag("p", {"class": "soft"}, _APART) if len(runs) > 1 else "",
        _alarm(runs),
        *_medians(runs),
    ]
    for number, run in enumerate(runs, 1):
        body += _run(number if len(runs) > 1 else None, run)
    return page_of(title, [tag("main", {}, *body)], sheet=SHEET)


def _alarm(runs):
    """How much of what follows is doubtful."""
    every = [facts.warnings(one) for run in runs for one in run.result.measurements]
    bad = sum(any(severity == "bad" for severity, _ in found) for found in every)
    doubtful = sum(any(severity == "doubt" for severity, _ in found) for found in every)
    busy = sum(bool(run.result.doubts) for run in runs)
    lines = (
        [("bad", f"{bad} of {_count(len(every), 'measurement')} not what was asked for, marked !")]
        if bad
        else []
    )
    lines += (
        [("doubt", f"{doubtful} of {_count(len(every), 'measurement')} doubtful, marked *")]
        if doubtful
        else []
    )
    lines += (
        [("doubt", f"{busy} of {_count(len(runs), 'run')} made under doubtful conditions")]
        if busy
        else []
    )
    return _warnings(lines)


def _medians(runs):
    """Everything timed, of all runs, one plot for each model."""
    several = len(runs) > 1
    entries = [
        (number if several else None, one, run.result)
        for number, run in enumerate(runs, 1)
        for one in run.result.measurements
    ]
    drawn = []
    for heading, indices in facts.by_model(
        [one for _, one, _ in entries], runs=[number for number, *_ in entries]
    ):
        plot = plots.medians([entries[index] for index in indices])
        if plot:
            drawn.append(_card(heading, plot))
    return [tag("h2", {}, "Medians"), *drawn] if drawn else []


def _run(number, run):
    result = run.result
    heading = "This run" if number is None else f"Run {number}"
    parts = [
        tag("h2", {}, breakable(f"{heading}: {run.file}")),
        _warnings([("doubt", f"unstable: {doubt}") for doubt in result.doubts]),
        _card("Steady times", _table(result, columns.STEADY, warns=True)),
        _card("Start-up and memory", _table(result, columns.STARTUP)),
    ]
    drawn = [
        joined([tag("h3", {}, breakable(heading)), plot])
        for heading, indices in facts.by_model(result.measurements)
        if (plot := plots.distribution([result.measurements[index] for index in indices]))
    ]
    parts += [tag("section", {"class": "card"}, part) for part in drawn]
    for device in dict.fromkeys(one.device for one in result.measurements):
        plot = timeline(result, device)
        parts += (
            [_card("Timeline" if device == HOST else f"Timeline of {device}", plot)] if plot else []
        )
    plot = plots.coverage(result)
    parts += [_card("Coverage", plot)] if plot else []
    about = _everything_about(result.measurements)
    parts += [_card("Who computed it, and what", *about)] if about else []
    return [*parts, _conditions(result)]


def _table(result, shown, *, warns=False):
    headings = [tag("th", _cell_class(column), column.heading) for column in shown]
    head = tag("thead", {}, tag("tr", {}, tag("th", {}, ""), *headings))
    bodies = []
    for one in result.measurements:
        found = facts.warnings(one)
        cells = [tag("td", {"class": "name"}, breakable(one.name))]
        for place, column in enumerate(shown):
            text = column.text(one, result)
            is_main = warns and place == 0
            attributes = {
                "data-label": column.heading,
                **({"class": "main"} if is_main else _cell_class(column)),
            }
            cells.append(
                tag("td", attributes, text + facts.flags(one) if is_main else breakable(text))
            )
        rows = [tag("tr", {}, *cells)]
        if warns and found:
            rows.append(
                tag(
                    "tr",
                    {},
                    tag("td", {"class": "whole", "colspan": str(1 + len(shown))}, _warnings(found)),
                )
            )
        bodies.append(tag("tbody", {}, *rows))
    return tag("div", {"class": "scroll"}, tag("table", {}, head, *bodies))


def _cell_class(column):
    return {"class": column.kind} if column.kind else {}


def _everything_about(measurements):
    """What there is to say of the measurements, once for all of which the same is to be said."""
    names: dict[Html, list[str]] = {}
    for one in measurements:
        names.setdefault(_about(one), []).append(one.name)
    headed = [(breakable("; ".join(same)), content) for content, same in names.items() if content]
    return [joined([tag("h4", {}, heading), content]) for heading, content in headed]


def _about(one):
    """Verdict, prediction and outputs of one measurement."""
    lines = [f"verdict: {line}" for line in facts.verdict_lines(one)]
    lines += facts.startup_lines(one)
    lines += [f"output against the CPU's: {line}" for line in facts.output_lines(one)]
    lines += [f"predicted: {line}" for line in facts.prediction_lines(one)]
    reasons = facts.prediction_reasons(one)
    folded = []
    if one.verdict is not None and one.verdict.evidence:
        folded.append(_fold("evidence", _list(one.verdict.evidence)))
    folded += [_fold("reasons of the static check", _list(reasons))] if reasons else []
    lines += facts.difference_lines(one)
    details = facts.nested_facts(
        {key: value for key, value in one.details.items() if key != "predicted_and_logged"}
    )
    folded += [_fold("details", _pairs(details))] if details else []
    return joined([_list(lines), *folded])


def _conditions(result):
    parts = [_pairs(facts.host_facts(result))]
    for name, known in result.devices.items():
        phone, rounds = facts.split_phone(known)
        heading = f"{facts.device_kind(known)} {name}"
        parts += [tag("h4", {}, heading), _pairs(facts.nested_facts(phone))]
        parts += [_fold("before each round", _pairs(facts.nested_facts(rounds)))] if rounds else []
    parts.append(tag("h4", {}, "How it was run"))
    parts.append(_table(result, columns.HOW))
    digests = {
        one.model: one.model_sha256 for one in result.measurements if one.model and one.model_sha256
    }
    if digests:
        parts += [tag("h4", {}, "Models' sha256"), _pairs(list(digests.items()))]
    return _card("Conditions", *parts)


def _card(heading, *content):
    return tag("section", {"class": "card"}, tag("h3", {}, breakable(heading)), *content)


def _warnings(found):
    return (
        tag(
            "ul", {"class": "warnings"}, *(tag("li", {"class": kind}, text) for kind, text in found)
        )
        if found
        else ""
    )


def _fold(summary, content):
    return tag("details", {}, tag("summary", {}, summary), content)


def _list(lines):
    return (
        tag("ul", {"class": "plain"}, *(tag("li", {}, line) for line in lines))
        if lines
        else escaped("")
    )


def _pairs(pairs):
    return tag(
        "dl",
        {},
        *(
            part
            for name, text in pairs
            for part in (tag("dt", {}, breakable(name)), tag("dd", {}, text))
        ),
    )


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

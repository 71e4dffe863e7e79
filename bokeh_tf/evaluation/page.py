"""One HTML page of an evaluation that needs nothing else: tables, and the
worst cases under a slider.
"""

import base64
import hashlib
import io

import cv2
from PIL import Image

from bokeh_tf.bench.report.html.markup import Html, breakable, joined, tag
from bokeh_tf.bench.report.html.style import SHEET
from bokeh_tf.evaluation.protocols import to_8_bits, truth_in_window
from bokeh_tf.evaluation.published import published_beside
from bokeh_tf.evaluation.run import WORST_BY, read_pair
from bokeh_tf.evaluation.scores import METRICS
from bokeh_tf.evaluation.summary import WORST_COUNT, summarise

_PICTURE_WIDTH_PX = 640
_JPEG_QUALITY = 85
_MOST_PROBLEMS = 200
# Constant, so that the policy can allow this one script by its hash and nothing else.
_SCRIPT = (
    "document.querySelectorAll('.slider').forEach(function(s){var i=s.querySelector('input'),"
    "o=s.querySelector('.over');i.addEventListener('input',function(){"
    "o.style.clipPath='inset(0 '+(100-i.value)+'% 0 0)'})})"
)
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src"
    f" 'sha256-{_SCRIPT_HASH}'; "
    "base-uri 'none'; form-action 'none'"
)
_SLIDER_SHEET = """
.cases figure+figure{margin-top:0}
.cases{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:1rem}
.slider{position:relative}.slider img{display:block;width:100%;border-radius:6px}
.slider .over{position:absolute;top:0;left:0;clip-path:inset(0 50% 0 0)}
.slider input{width:100%;margin:.3rem 0 0}
tr.contaminated td{color:var(--bad-ink)}
"""


def write(evaluation, predictors, *, by_set=False) -> str:
    """The page.

    Args:
        predictors: those of the evaluation; they make the pictures of the worst cases once more.
    """
    protocol = evaluation.protocol
    count = len(evaluation.pairs)
    title = f"bokeh-tf evaluation: {protocol.name}, {count} {'pair' if count == 1 else 'pairs'}"
    body = [
        tag("h1", {}, title),
        tag("p", {"class": "soft"}, f"{protocol.title}. Source: {protocol.source}."),
        tag("p", {"class": "soft"}, f"Doubt: {protocol.doubts}.") if protocol.doubts else "",
        *_problems(evaluation),
        *(_set(summary, evaluation) for summary in summarise(evaluation, by_set=by_set)),
        _published(evaluation),
        *(part for predictor in predictors for part in _worst(evaluation, predictor)),
    ]
    head = [
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("title", {}, title),
        tag("style", {}, Html(SHEET + _SLIDER_SHEET)),
    ]
    main = tag("main", {}, *body)
    page = tag(
        "html",
        {"lang": "en"},
        tag("head", {}, *head),
        tag("body", {}, main, tag("script", {}, Html(_SCRIPT))),
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _problems(evaluation):
    lines = [("doubt", f"{model}: {note}") for model, note in evaluation.notes.items()]
    lines += [
        ("bad", f"{one.pair}, {one.model or 'all models'}: {one.reason}")
        for one in evaluation.problems
    ]
    if not lines:
        return []
    shown = [tag("li", {"class": kind}, text) for kind, text in lines[:_MOST_PROBLEMS]]
    if len(lines) > _MOST_PROBLEMS:
        shown.append(
            tag(
                "li",
                {"class": "bad"},
                f"and {len(lines) - _MOST_PROBLEMS} more, in evaluation.json",
            )
        )
    return [tag("ul", {"class": "warnings"}, *shown)]


def _set(summary, evaluation):
    name = f"{summary.name}: " if summary.name else ""
    heading = f"{name}means of {summary.counted} of {summary.pairs} pairs, with 95 % intervals"
    metrics = evaluation.metrics
    rows = []
    for row in summary.rows:
        cells = [tag("td", {"class": "name"}, breakable(row.model))]
        for metric in metrics:
            cells.append(_cell(row.means[metric], metric))
        rows.append(tag("tr", {}, *cells))
        if row.differences:
            cells = [_cell(row.differences[metric], metric, signed=True) for metric in metrics]
            label = tag("td", {"class": "text soft"}, "over the first, paired")
            rows.append(tag("tr", {"class": "soft"}, label, *cells))
    return _table(heading, ["model", *(METRICS[metric].heading for metric in metrics)], rows)


def _cell(interval, metric, *, signed=False):
    """A mean over its interval."""
    value, _, bounds = interval_text(interval, metric, signed=signed).partition(" ")
    around = tag("span", {"class": "about"}, bounds.strip("()")) if bounds else ""
    return tag("td", {"data-label": METRICS[metric].heading}, value, around)


def interval_text(interval, metric, *, signed=False) -> str:
    """A mean in the metric's digits, with its interval where there is one."""
    form = f"{'+' if signed else ''}.{METRICS[metric].digits}f"
    text = format(interval.value, form)
    return (
        text
        if interval.low is None
        else f"{text} ({interval.low:{form}} to {interval.high:{form}})"
    )


def _published(evaluation):
    rows, reason = published_beside(evaluation.protocol, evaluation.common_pairs())
    if not rows:
        return tag("p", {"class": "soft"}, f"Published rows: {reason}.")
    shown = []
    for row in rows:
        values = [
            row.psnr_db and f"{row.psnr_db:.2f}",
            row.ssim and f"{row.ssim:.4f}",
            row.lpips and f"{row.lpips:.4f}",
        ]
        cells = [tag("td", {}, value or "-") for value in values]
        where = f"{row.conditions.paper}, {row.conditions.table}"
        about = "; ".join(filter(None, (where, row.note, row.doubt)))
        kind = "contaminated" if row.is_contaminated else None
        cells = [
            tag("td", {"class": "name"}, row.subject),
            *cells,
            tag("td", {"class": "text"}, about),
        ]
        shown.append(tag("tr", {"class": kind}, *cells))
    return _table(
        "Published, by the same protocol on the same pairs",
        ["system", "PSNR", "SSIM", "LPIPS", "where"],
        shown,
    )


def _table(heading, headings, rows):
    head = tag("thead", {}, tag("tr", {}, *(tag("th", {}, text) for text in headings)))
    table = tag("table", {}, head, tag("tbody", {}, *rows))
    content = tag("div", {"class": "scroll"}, table)
    return tag("section", {"class": "card"}, tag("h3", {}, breakable(heading)), content)


def _worst(evaluation, predictor):
    """The pictures of one model that are furthest from their truths."""
    cases = []
    for pair in evaluation.worst(predictor.label, WORST_COUNT):
        photo, truth = read_pair(pair)
        window = evaluation.protocol.window(*truth.shape[:2])
        picture = to_8_bits(predictor.picture(pair, photo, window, evaluation.protocol))
        value = evaluation.scores[predictor.label][pair.id][WORST_BY]
        caption = (
            f"{pair.id}: {value:.2f} dB. Left of the slider the model, right the truth; then"
            " the photo."
        )
        under = tag(
            "img",
            {
                "src": data_uri(truth_in_window(truth, evaluation.protocol)),
                "alt": f"{pair.id}, the truth",
            },
        )
        over = tag(
            "img", {"src": data_uri(picture), "alt": f"{pair.id}, the model", "class": "over"}
        )
        hand = {
            "type": "range",
            "min": "0",
            "max": "100",
            "value": "50",
            "aria-label": f"{pair.id}: model or truth",
        }
        slider = tag("div", {"class": "slider"}, under, over, tag("input", hand))
        sharp = tag(
            "img",
            {"src": data_uri(window.of(photo)), "alt": f"{pair.id}, the photo", "width": "100%"},
        )
        cases.append(tag("figure", {}, tag("figcaption", {}, caption), slider, sharp))
    if not cases:
        return []
    heading = (
        f"{predictor.label}: the {len(cases)} worst of {len(evaluation.scores[predictor.label])}"
    )
    return [tag("h2", {}, breakable(heading)), tag("div", {"class": "card cases"}, joined(cases))]


def data_uri(picture, *, width_px=_PICTURE_WIDTH_PX) -> str:
    """A picture uint8 `[H, W, 3]` as the address of a JPEG that holds it, at most so wide."""
    height, width = picture.shape[:2]
    if width > width_px:
        size = width_px, max(1, round(height * width_px / width))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"

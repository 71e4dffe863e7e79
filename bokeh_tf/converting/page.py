"""One HTML page of a conversion that needs nothing else: verdict, parity,
repairs, and what the check says.
"""

from bokeh_tf.bench.report.html.markup import Html, tag
from bokeh_tf.bench.report.html.style import SHEET
from bokeh_tf.converting import report
from bokeh_tf.converting.convert import Conversion
from bokeh_tf.delegate.check import PASSED
from bokeh_tf.delegate.writers.document import failures
from bokeh_tf.delegate.writers.summary import lines_of
from bokeh_tf.repairing import report as repair_report
from bokeh_tf.tflite.inspection import inspect

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PORT_HEADINGS = ("", "name", "type", "shape")
_WEIGHT_HEADINGS = ("layer", "operator", "value", "what happens", "becomes", "values", "lost")
_COST_HEADINGS = ("layer", "operator", "PSNR alone", "weights")


def to_page(conversion: Conversion, *, written: str | None) -> str:
    """The page; `written` is where the file lies, None where there is none."""
    title = f"bokeh-tf convert: {conversion.label}"
    verdict = "passed" if conversion.code == PASSED else "did not pass"
    summary = (
        f"{conversion.precision}, {len(conversion.content):,} bytes, {verdict};"
        f" {conversion.wall_s:.0f} s"
    )
    body = [
        tag("h1", {}, title),
        tag(
            "p",
            {"class": "soft"},
            f"{summary}. {f'Written: {written}' if written else 'Nothing written'}.",
        ),
        _warnings(conversion),
        _section("Inputs and outputs", _PORT_HEADINGS, _ports(conversion)),
        _section(
            "The file on the CPU against the model in float32", report.HEADINGS, _parity(conversion)
        ),
        _section("What float16 cannot hold", _WEIGHT_HEADINGS, map(_weight, conversion.rounded)),
        _section(
            "What each layer costs where it alone is quantised", _COST_HEADINGS, _costs(conversion)
        ),
        _repair(conversion),
        _lines("Check", lines_of(conversion.judged)),
    ]
    head = [
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("title", {}, title),
        tag("style", {}, Html(SHEET)),
    ]
    page = tag(
        "html", {"lang": "en"}, tag("head", {}, *head), tag("body", {}, tag("main", {}, *body))
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _warnings(conversion):
    lines = [("bad", text) for text in (*conversion.failures, *failures(conversion.judged))]
    if conversion.first_layer:
        lines.append(("bad", f"first layer beyond the tolerance: {conversion.first_layer}"))
    lines += [("doubt", text) for text in (*conversion.notes, *conversion.judged.report.notes)]
    return tag(
        "ul", {"class": "warnings"}, *(tag("li", {"class": kind}, text) for kind, text in lines)
    )


def _ports(conversion):
    file = inspect(conversion.content)
    for kind, tensors in (("input", file.inputs), ("output", file.outputs)):
        for one in tensors:
            yield kind, one.name, one.dtype, " x ".join(map(str, one.shape))


def _parity(conversion):
    return map(report.parity_row, conversion.parity)


def _weight(one):
    count, lost = f"{one.count:,} of {one.size:,}", f"{100 * one.loss:.2g} %"
    return one.layer, one.op, f"{one.value:.6g}", one.kind, f"{one.rounded:.6g}", count, lost


def _costs(conversion):
    for one in sorted(conversion.costs, key=lambda one: one.psnr_db):
        yield one.layer, one.op, f"{one.psnr_db:.1f} dB", f"{one.weights:,}"


def _repair(conversion):
    if conversion.repaired is None:
        return Html("")
    return _lines("Repair", repair_report.to_text(conversion.repaired).splitlines()[1:])


def _lines(title, lines):
    card = tag("div", {"class": "card"}, *(tag("p", {}, line) for line in lines))
    return tag("section", {}, tag("h2", {}, title), card)


def _section(title, headings, rows):
    rows = list(rows)
    if not rows:
        return Html("")
    head = tag("tr", {}, *(tag("th", {"class": "text"}, heading) for heading in headings))
    body = [
        tag(
            "tr",
            {},
            *(
                tag("td", {"class": "text", "data-label": heading}, cell)
                for heading, cell in zip(headings, row, strict=True)
            ),
        )
        for row in rows
    ]
    table = tag("table", {}, tag("thead", {}, head), tag("tbody", {}, *body))
    return tag("section", {}, tag("h2", {}, title), tag("div", {"class": "card scroll"}, table))

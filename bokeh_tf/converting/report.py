"""A conversion as text for people and as JSON, schema version 1, for programs."""

import math

from bokeh_tf import __version__
from bokeh_tf.converting.convert import Conversion
from bokeh_tf.converting.parity import OutputParity
from bokeh_tf.delegate.judging.policy import Policy
from bokeh_tf.delegate.writers import document
from bokeh_tf.documents import parse
from bokeh_tf.escaping import json_text, line_by_line
from bokeh_tf.paths import printable
from bokeh_tf.repairing import report as repair_report
from bokeh_tf.tflite.inspection import inspect

SCHEMA_VERSION = 1
_MOST_WEIGHTS = 8
_MOST_LAYERS = 10
_SHOWN_NAME_CHARACTERS = 200
_NOTHING_WRITTEN = "nothing written"
HEADINGS = (
    "output",
    "sample",
    "range of the model",
    "largest error",
    "of the range",
    "mean error",
    "PSNR",
)


def to_text(conversion: Conversion) -> str:
    """All but the check itself, which has its own writer."""
    file = inspect(conversion.content)
    lines = [f"{conversion.label}: {conversion.precision}, {len(conversion.content):,} bytes"]
    for kind, tensors in (("input", file.inputs), ("output", file.outputs)):
        lines += [
            f"  {kind:7}{_shown(one.name)}  {one.dtype} {'x'.join(map(str, one.shape))}"
            for one in tensors
        ]
    lines += _weight_lines(conversion)
    lines += _parity_lines(conversion)
    lines += _cost_lines(conversion)
    if conversion.repaired is not None:
        # Its first line is the label, and what is written is not its business here.
        repaired = repair_report.to_text(conversion.repaired).splitlines()[1:]
        lines += [line for line in repaired if line != _NOTHING_WRITTEN]
    lines += [f"note: {note}" for note in conversion.notes]
    lines += [f"FAILED: {failure}" for failure in conversion.failures]
    if conversion.first_layer:
        lines.append(f"first layer beyond the tolerance: {conversion.first_layer}")
    return line_by_line(lines)


def _weight_lines(conversion):
    if not conversion.rounded:
        return []
    lines = ["what float16 cannot hold:"]
    lines += [f"  {weight}" for weight in conversion.rounded[:_MOST_WEIGHTS]]
    more = len(conversion.rounded) - _MOST_WEIGHTS
    return lines + ([f"  and {more} more (--format json lists all)"] if more > 0 else [])


def _parity_lines(conversion):
    if not conversion.parity:
        return []
    rows = [HEADINGS, *map(parity_row, conversion.parity)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEADINGS))]
    lines = ["the file on the CPU against the model in float32:"]
    for row in rows:
        lines.append(
            "  "
            + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    own = [one for one in conversion.parity if one.own_max_abs is not None]
    for one in own:
        share = one.own_max_abs / one.scale
        lines.append(
            f"  the model's own precision moves {one.output} on {one.sample} by {share:.2g} of its"
            " range"
        )
    return lines


def _cost_lines(conversion):
    if not conversion.costs:
        return []
    worst = sorted(conversion.costs, key=lambda one: one.psnr_db)
    lines = [
        "what each layer costs where it alone is quantised (--keep-float LAYER leaves one as it"
        " is):"
    ]
    lines += [
        f"  {one.psnr_db:6.1f} dB  {one.layer} ({one.op}, {one.weights:,} weights)"
        for one in worst[:_MOST_LAYERS]
    ]
    more = len(worst) - _MOST_LAYERS
    return lines + ([f"  and {more} more (--format json lists all)"] if more > 0 else [])


def parity_row(one: OutputParity) -> tuple[str, ...]:
    """An output's errors as text, in the order of `HEADINGS`."""
    return (
        _shown(one.output),
        one.sample,
        f"{one.low:.4g} to {one.high:.4g}",
        f"{one.max_abs:.2g}",
        f"{one.share:.2g}",
        f"{one.mean_abs:.2g}",
        "equal" if math.isinf(one.psnr_db) else f"{one.psnr_db:.1f} dB",
    )


def _shown(name):
    return printable(name, most_characters=_SHOWN_NAME_CHARACTERS)


def to_json(conversion: Conversion, *, written: str | None) -> str:
    """The conversion as JSON; `written` is where the file lies, None where there is none."""
    file = inspect(conversion.content)
    repaired = conversion.repaired
    whole = parse(document.write([conversion.judged], Policy()))
    return json_text(
        {
            "schema_version": SCHEMA_VERSION,
            "package_version": __version__,
            "model": conversion.label,
            "precision": conversion.precision,
            "exit_code": conversion.code,
            "written": written,
            "size_bytes": len(conversion.content),
            "inputs": [_port(one) for one in file.inputs],
            "outputs": [_port(one) for one in file.outputs],
            "tolerance": conversion.tolerance,
            "parity": [
                {**document.plain(one), "share": document.plain(one.share)}
                for one in conversion.parity
            ],
            "layer_costs": [document.plain(one) for one in conversion.costs],
            "rounded_weights": [document.plain(one) for one in conversion.rounded],
            "repair": None if repaired is None else parse(repair_report.to_json(repaired)),
            "check": whole["files"][0],
            "failures": list(conversion.failures),
            "first_layer": conversion.first_layer,
            "notes": list(conversion.notes),
            "built_s": round(conversion.built_s, 3),
            "wall_s": round(conversion.wall_s, 3),
        }
    )


def _port(tensor):
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}

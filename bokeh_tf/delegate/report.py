"""Writing check results: for people (rich text) and for programs (JSON, schema version 1).

JSON has no infinity and no NaN: an infinite PSNR (equal arrays) is the string "inf", an undefined error "nan".
"""

import json
import math
from dataclasses import asdict, is_dataclass

from bokeh_tf.delegate.check import Unchecked, exit_code
from bokeh_tf.delegate.verdicts import (
    DEFAULT_MAX_ERROR,
    DEFAULT_MIN_PSNR_DB,
    FLOAT32_MAX_ERROR,
    INTEGER_STEPS,
    Verdict,
)

SCHEMA_VERSION = 1
_STYLES = {0: "bold green", 1: "bold yellow", 3: "bold red"}
_HEADINGS = ("precision", "input", "output", "largest error", "mean error", "PSNR")


def to_dict(result) -> dict:
    """One result as plain JSON types; a result without a check has the keys `path`, `verdict` (null) and `reason`."""
    if isinstance(result, Unchecked):
        return {"path": result.path, "verdict": None, "reason": result.reason}
    return _plain(result)


def to_json(results) -> str:
    """The whole run as JSON text, with the limits that it was judged by."""
    limits = {
        "float32_max_error": FLOAT32_MAX_ERROR,
        "default_max_error": DEFAULT_MAX_ERROR,
        "default_min_psnr_db": DEFAULT_MIN_PSNR_DB,
        "integer_steps": INTEGER_STEPS,
    }
    document = {
        "schema_version": SCHEMA_VERSION,
        "exit_code": exit_code(results),
        "limits": limits,
        "files": [to_dict(result) for result in results],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def print_report(result, console):
    """Prints one result to a `rich` console."""
    from rich.text import Text

    if isinstance(result, Unchecked):
        console.print(Text.assemble(("NOT CHECKED", _STYLES[1]), "  ", printable(result.reason)), soft_wrap=True)
        return
    style = _STYLES[result.verdict.exit_code]
    where = result.adapter or "adapter unknown"
    heading = f"  {result.path}  ({where}, {result.wall_s:.1f} s)"
    console.print(Text.assemble((result.verdict.upper(), style), printable(heading)), soft_wrap=True)
    if any(part.outputs for part in result.precisions):
        console.print(_table(result))
    for part in result.precisions:
        if part.verdict is not Verdict.FULL:
            console.print(Text(f"  {part.precision}: {part.verdict}", _STYLES[part.verdict.exit_code]))
        for reason in part.reasons:
            console.print(Text(printable(f"    {reason}")), soft_wrap=True)
    for doubt in result.doubts:
        console.print(Text(printable(f"  note: {doubt}"), "yellow"), soft_wrap=True)


def printable(text) -> str:
    """Text from an untrusted file without control characters, which could drive a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _table(result):
    """The errors of every output, relative to its scale."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEADINGS, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for part in result.precisions:
        for check in part.outputs:
            cells = (part.precision, check.trial, printable(check.name), *_errors(check))
            table.add_row(*(Text(cell, "" if check.passed else _STYLES[3]) for cell in cells))
    return table


def _errors(check):
    difference = check.difference
    if difference is None:
        return ("not judged", "", "")
    if difference.non_finite_count:
        return (f"{difference.non_finite_count} not finite", "", "")
    maximum, mean = difference.max_abs / check.scale, difference.mean_abs / check.scale
    return (f"{maximum:.2g}", f"{mean:.2g}", f"{difference.psnr_db:.1f} dB")


def _plain(value):
    if is_dataclass(value):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, Verdict):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value

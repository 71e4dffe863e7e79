"""The real delegate's numbers for people: a table of errors per output, and
the reasons of what failed.
"""

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.escaping import printable

HALF_PRECISION = "default"
STYLES = {0: "bold green", 1: "bold yellow", 3: "bold red"}
_HEADINGS = ("precision", "input", "output", "largest error", "mean error", "PSNR")


def print_precisions(probe, console):
    """Prints what a probe found in each precision."""
    if any(part.outputs for part in probe.precisions):
        console.print(Padding(_table(probe), (0, 0, 0, 2), expand=False))
    # A refusal has little to do with the precision: the same words once.
    names_of: dict[tuple, list[str]] = {}
    for part in probe.precisions:
        if part.verdict is not Verdict.FULL or part.reasons:
            names_of.setdefault((part.verdict, part.reasons), []).append(part.precision)
    for (verdict, reasons), names in names_of.items():
        console.print(Text(f"  {', '.join(names)}: {verdict}", STYLES[verdict.exit_code]))
        for reason in reasons:
            console.print(Text(printable(f"    {reason}")), soft_wrap=True)
    if probe.split is not None:
        console.print(Text(printable(f"  {_split_line(probe.split)}")), soft_wrap=True)


def half_precision_line(prediction, probe) -> str:
    """The audit's predicted error of one output beside the one that the real delegate
    made, where there is one.
    """
    parts = probe.precisions if probe is not None and not isinstance(probe, Unchecked) else ()
    measured = [
        check.difference.max_abs / check.scale
        for part in parts
        if part.precision == HALF_PRECISION
        for check in part.outputs
        if check.name == prediction.name and check.difference is not None
    ]
    text = (
        f"half precision, {prediction.name}: predicted error about {prediction.error:.0e} in"
        " any one node"
    )
    return f"{text}, measured {max(measured):.2g} in all" if measured else text


def _split_line(split):
    if split.failure:
        return f"GPU and CPU together: {split.failure}"
    counts = [str(count) if count is not None else "?" for count in (split.on_gpu, split.on_cpu)]
    wrong = sum(not check.passed for check in split.outputs)
    numbers = (
        f"; {wrong} of {len(split.outputs)} outputs wrong"
        if wrong
        else "; numbers right"
        if split.outputs
        else ""
    )
    return (
        f"GPU and CPU together: {counts[0]} operations on the GPU, {counts[1]} on the CPU{numbers}"
    )


def _table(probe):
    """The errors of every output, relative to its scale."""
    table = Table(*_HEADINGS, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for part in probe.precisions:
        for check in part.outputs:
            name = check.name if len(probe.signatures) < 2 else f"{check.signature}: {check.name}"
            cells = (part.precision, check.trial, printable(name), *_errors(check))
            table.add_row(*(Text(cell, "" if check.passed else STYLES[3]) for cell in cells))
    return table


def _errors(check):
    difference = check.difference
    if difference is None:
        return ("not judged", "", "")
    if difference.non_finite_count:
        return (f"{difference.non_finite_count} not finite", "", "")
    maximum, mean = difference.max_abs / check.scale, difference.mean_abs / check.scale
    return (f"{maximum:.2g}", f"{mean:.2g}", f"{difference.psnr_db:.1f} dB")

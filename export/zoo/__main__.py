"""`python -m export.zoo`: measures the models of the catalogue, and writes the page about them.

Measured rows go into `bokeh_tf/models/measured.json` as they come; a run that was stopped goes on
where it was. Then `docs/models.md` and its drawings are written anew. Exit status: 0 done, 1 a row
could not be measured, 2 wrong usage, 3 a row is not green.
"""

import argparse
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import bokeh_tf.quiet_start  # noqa: F401 (before what takes time to import)
from bokeh_tf.models import measured
from bokeh_tf.program import DONE, NOT_DONE, guarded, run_program
from export.zoo import page, rows

DEFAULT_TIMEOUT_S = 3600.0
_NOT_GREEN = 3
_KEPT = "stopped; the rows measured so far are kept"


def main(arguments=None) -> int:
    """Measures and writes what the command line asks for; returns the exit status."""
    options, keys = _parse(arguments)
    return guarded("export.zoo", lambda: _run(options, keys), when_interrupted=_KEPT)


def _run(options, keys):
    code = DONE if options.docs else _measure(keys, options)
    for path in page.write():
        _say(f"written: {path}")
    return code


def _measure(keys, options):
    """Measures the rows that no longer hold; returns the exit status of all that were asked for."""
    known = measured.read()
    waiting = [key for key in keys if options.again or not rows.holds(known.get(key), key[0])]
    _say(f"{len(keys)} rows, {len(waiting)} to measure")
    with _progress() as bar:
        task = bar.add_task("", total=len(waiting))
        for key in waiting:
            bar.update(task, description=".".join(key))
            known[key] = rows.measure_row(key, timeout_s=options.timeout)
            rows.write(known)
            bar.advance(task)
            bar.console.print(_line(key, known[key]), soft_wrap=True, markup=False, highlight=False)
    return _exit_code([known[key] for key in keys])


def _exit_code(found):
    if any(row["parameters"] is None for row in found):
        return NOT_DONE
    return DONE if all(map(measured.is_green, found)) else _NOT_GREEN


def _line(key, row):
    word = "green" if measured.is_green(row) else "; ".join(row["reasons"])
    return f"{'.'.join(key)}: {word}"


def _progress():
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def _say(text):
    Console(stderr=True).print(text, soft_wrap=True, markup=False, highlight=False)


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m export.zoo", description="Measures the models of the catalogue."
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME[.VARIANT]", default=[], help="only these rows"
    )
    parser.add_argument("--again", action="store_true", help="measure also what still holds")
    parser.add_argument(
        "--docs", action="store_true", help="measure nothing, write docs/models.md and its drawings"
    )
    parser.add_argument(
        "--timeout", type=float, default=DEFAULT_TIMEOUT_S, metavar="SECONDS", help="per row"
    )
    options = parser.parse_args(arguments)
    if not options.timeout > 0:
        parser.error(f"--timeout must be positive. Received: {options.timeout:g}.")
    try:
        return options, rows.wanted_keys(options.only)
    except ValueError as error:
        parser.error(f"--only takes {error}")


if __name__ == "__main__":
    sys.exit(run_program("export.zoo", lambda: main))

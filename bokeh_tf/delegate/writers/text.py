"""Text for people: per file one line per check and the findings by rule,
then a table of all files.
"""

import io
import itertools
from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bokeh_tf.delegate.engines import BESIDE_PROBE, behind
from bokeh_tf.delegate.judging.causes import causes_of
from bokeh_tf.delegate.judging.policy import FAILED, NOT_CHECKED, PASSED, exit_code
from bokeh_tf.delegate.judging.problems import PROBE
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.probe_text import half_precision_line, print_precisions
from bokeh_tf.delegate.writers.summary import (
    HEADINGS,
    NONE,
    WORDS,
    lines_of,
    remedy_lines,
    row_of,
    site_line,
    standing_note,
)
from bokeh_tf.escaping import printable

STYLES = {PASSED: "bold green", NOT_CHECKED: "bold yellow", FAILED: "bold red"}
# What is said of one file, and of many in the table or under it.
_TOLD_OF_ONE = frozenset(engine.criterion for engine in BESIDE_PROBE)
_FILE_WIDTH = 200
_MOST_NODES = 5
_MOST_SITES = 12
_MOST_TENSORS = 5


def write(judged, policy) -> str:
    """The whole run as plain text, for a file."""
    output = io.StringIO()
    console = Console(file=output, width=_FILE_WIDTH, color_system=None, force_terminal=False)
    for one in judged:
        if len(judged) == 1 or has_details(one):
            print_file(one, console)
    print_summary(judged, policy, console)
    return output.getvalue()


def has_details(one) -> bool:
    """Whether there is more to say of a file than its row in the table of all files."""
    report = one.report
    problems = [problem for problem in one.problems if problem.criterion not in _TOLD_OF_ONE]
    return bool(one.code != PASSED or problems or report.reconciliation or report.bisection)


def print_file(one, console):
    """Prints one judged file to a `rich` console."""
    report = one.report
    if report.error:
        _line(console, (WORDS[NOT_CHECKED], STYLES[NOT_CHECKED]), "  ", report.error)
        return
    # A pass says what it stands on; a failure shows it.
    on = f"  ({behind(report)})" if one.code == PASSED else ""
    _line(console, (WORDS[one.code], STYLES[one.code]), "  ", report.path, (on, "dim"))
    for line in lines_of(one):
        _line(console, "  ", line)
    if report.probe is not None and not isinstance(report.probe, Unchecked):
        print_precisions(report.probe, console)
    if report.audit is not None and not isinstance(report.audit, Unchecked):
        for prediction in report.audit.predicted:
            _line(console, "  ", half_precision_line(prediction, report.probe))
    for cause in causes_of(one.problems):
        if cause.sources != (PROBE,):
            _print_cause(cause, console)
    for text in (*one.broken_limits, *one.unchecked):
        _line(console, "  ", (text, STYLES[one.code]))
    _print_remarks(report, console)


def _print_cause(cause, console):
    """One cause: its nodes, why, and what to write instead."""
    _line(console, "  ", (cause.headline, STYLES[FAILED] if cause.fails else "bold"))
    if cause.title:
        _print_sites(cause, console)
    else:
        _print_nodes(cause, console)
    for line in remedy_lines(cause) if cause.remedies else ():
        _line(console, "    ", line)


def _print_sites(cause, console):
    note = standing_note(cause.first)
    sites = cause.sites
    for site in sites[:_MOST_SITES]:
        _line(console, "      ", site_line(site), (f"  [{note}]" if note else "", "yellow"))
    if len(sites) > _MOST_SITES:
        _line(
            console,
            "      ",
            f"and {len(sites) - _MOST_SITES} more places (--format json lists all)",
        )


def _print_nodes(cause, console):
    # Most rules give every node one reason; where it differs, each node has its own.
    reasons = {problem.reason for problem in cause.places}
    if len(reasons) == 1:
        _line(console, "    ", cause.first.reason)
    note = standing_note(cause.first)
    for place in cause.places[:_MOST_NODES]:
        own = "" if len(reasons) == 1 else f": {place.reason}"
        alone = cause.sources_of(place)
        own += "" if len(alone) == len(cause.sources) else f" ({', '.join(alone)} alone)"
        parts = (
            place.place,
            own,
            (_tensors(place), "dim"),
            (f"  [{note}]" if note else "", "yellow"),
        )
        _line(console, "      ", *parts)
    if len(cause.places) > _MOST_NODES:
        _line(
            console,
            "      ",
            f"and {len(cause.places) - _MOST_NODES} more (--format json lists all)",
        )


def _tensors(problem):
    """Inputs and outputs as far as they help; a recurrent cell has two dozen."""
    shown = problem.tensors
    if len(shown) > _MOST_TENSORS:
        shown = (*shown[: _MOST_TENSORS - 1], "...", shown[-1])
    return f"  {' '.join(shown)}" if shown else ""


def _print_remarks(report, console):
    for item in report.reconciliation:
        text = (
            f"  {item.target}: the lint says {item.lint.replace('_', ' ')}, the real delegate"
            f" {item.probe}."
        )
        _line(console, (text, "yellow"), f" Believe the {item.believe}: {item.why}.")
    if report.bisection is not None and not isinstance(report.bisection, Unchecked):
        _line(console, "  bisection: ", str(report.bisection))
    for note in report.notes:
        _line(console, (f"  note: {note}", "yellow"))


def print_summary(judged, policy, console):
    """The table of all files, and how many passed; nothing for a single file but its policy."""
    if len(judged) > 1:
        rows = [row_of(one) for one in judged]
        used = [
            n for n, heading in enumerate(HEADINGS) if n < 2 or any(row[n] != NONE for row in rows)
        ]
        folder = _common_folder([one.report.path for one in judged])
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for n in used:
            table.add_column(HEADINGS[n], overflow="fold", no_wrap=n > 0)
        for one, row in zip(judged, rows, strict=True):
            cells = (row[0][len(folder) :], *row[1:])
            table.add_row(
                *(Text(printable(cells[n]), STYLES[one.code] if n == 1 else "") for n in used)
            )
        console.print()
        if folder:
            _line(console, f"in {folder}")
        console.print(table)
        counts = {code: sum(one.code == code for one in judged) for code in WORDS}
        text = ", ".join(
            f"{count} {WORDS[code].lower()}" for code, count in counts.items() if count
        )
        _line(
            console,
            f"{len(judged)} files: ",
            (text, STYLES[exit_code(judged)]),
            f" (fails on {policy.to_text()})",
        )
        for words, count in Counter(
            behind(one.report) for one in judged if one.code == PASSED
        ).items():
            _line(console, f"{count} passed by {words}")
        refused = sum(any(target.without_opencl for target in one.report.targets) for one in judged)
        if refused:
            _line(
                console,
                f"{refused} would be refused or wrong where a phone has no OpenCL (--fail-on opengl)",
            )


def _common_folder(paths):
    """The folder that all paths start with, with its slash; empty where there is none."""
    folders = [path.split("/")[:-1] for path in paths]
    shared = itertools.takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    return "".join(f"{names[0]}/" for names in shared)


def _line(console, *parts):
    """One line without markup or wrapping; a part is text, or text and its style."""
    safe = [
        printable(part) if isinstance(part, str) else (printable(part[0]), part[1])
        for part in parts
    ]
    console.print(Text.assemble(*safe), soft_wrap=True)

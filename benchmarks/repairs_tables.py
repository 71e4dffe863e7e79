"""The tables of the suite "repairs": counts, and a line for each file and engine that is an
exception.
"""

from collections import Counter

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from bokeh_tf.delegate.probing.verdicts import PRECISIONS, Verdict

_NO_ANSWER, _WORSE = "no answer", "made worse"
_VERDICTS = [str(verdict) for verdict in Verdict if verdict is not Verdict.UNAVAILABLE]
_COLUMNS = (*_VERDICTS, _NO_ANSWER)


def show(rows, engines):
    """Prints the tables; `engines` are those that were asked."""
    console = Console()
    counted = counts(rows, [engine.name for engine in engines])
    whole = sum(is_whole(row) for row in rows)
    console.print(f"{len(rows)} files, {whole} whole by the rules; these on the engines:")
    used = [column for column in _COLUMNS if any(row[column] for row in counted.values())]
    table = Table(Column("engine", no_wrap=True))
    for heading in (*used, _WORSE):
        table.add_column(heading, justify="right")
    for name, counter in counted.items():
        table.add_row(name, *(str(counter[column]) for column in (*used, _WORSE)))
    console.print(table)
    for line in exceptions(rows):
        console.print(Text(line), soft_wrap=True)


def is_whole(row):
    """Whether the rules of both targets object to nothing in the file that there is now."""
    return row["error"] is None and row["is_whole_by_rules"]


def counts(rows, names):
    """How many files of each verdict there are, by engine and, where it has several, precision.

    Counted are files that are whole by the rules, but "made worse" among all.
    """
    counted = {}
    for name in names:
        for precision in (None, *_precisions(rows, name)):
            heading = f"{name}, {precision}" if precision else name
            counted[heading] = Counter(
                _word(row["engines"][name], precision) for row in rows if is_whole(row)
            )
        counted[name][_WORSE] = sum(
            row["error"] is None and row["engines"].get(name, {}).get("is_worse", False)
            for row in rows
        )
    return counted


def _precisions(rows, name):
    known = {
        precision
        for row in rows
        if is_whole(row)
        for precision in row["engines"][name]["precisions"]
    }
    return [precision for precision in PRECISIONS if precision in known]


def _word(entry, precision):
    verdict = entry["precisions"].get(precision) if precision else entry["verdict"]
    return verdict if verdict in _VERDICTS else _NO_ANSWER


def exceptions(rows):
    """One line for each file that is not whole, and for each engine that does not compute a whole
    one right or that likes a file less than before.
    """
    for row in rows:
        if not is_whole(row):
            why = row["error"] or "; ".join((*row["left"], *row["rolled_back"], *row["notes"]))
            yield f"{row['file']}: not whole: {why}"
        for name, entry in row.get("engines", {}).items():
            if entry["verdict"] != Verdict.FULL and (is_whole(row) or entry["is_worse"]):
                yield f"{row['file']}: {name}: {_told(entry)}"


def _told(entry):
    why = entry["reasons"][0] if entry["reasons"] else ""
    words = f"{_word(entry, None)}{f' ({why})' if why else ''}"
    if entry["before"] is None:
        return words
    return (
        f"{'WORSE: ' if entry['is_worse'] else ''}{words}; before: {_word(entry['before'], None)}"
    )

"""The profile tables of benchmark_model: which rows ran inside a delegate, and which did not.

Two layouts, both with a header row that names the columns: tabs, and CSV with a comma and a
space, where node types and names may hold commas themselves. Tables come in up to two blocks
(initialisation, regular runs), each with the sections "Run Order", "Top by Computation Time"
and "Summary by node type".
"""

import re
from dataclasses import dataclass

from bokeh_tf.bench.benchmark_model.grammar import LONGEST_LINE, NUMBER, Kind, finite

_SECTION = re.compile(
    r"=+ (?P<section>Run Order|Top by Computation Time|Top by Memory Use|Summary by node type) =+$"
)
_INITIALISATION = re.compile(r"Profiling Info for Benchmark Initialization")
_REGULAR = re.compile(r"Operator-wise Profiling Info for Regular Benchmark Runs")
_FOOTERS = re.compile(
    rf"Number of nodes executed: |(?:Timings \(microseconds\)|Memory \(bytes\)): count=|{NUMBER}"
    r" nodes observed"
)
_HEADER = re.compile(r"\[?node type\]?\s*[\t,]", re.IGNORECASE)
_CSV_ROW = re.compile(
    rf"(?P<type>.+?), (?P<numbers>{NUMBER}%?(?:, {NUMBER}%?){{4,6}})(?:, (?P<name>.*))?$"
)
_NAMED = "Run Order"
_NO_OPERATORS = re.compile(r"(?:ModifyGraphWithDelegate|AllocateTensors)$|LiteRT::")
_DELEGATE_NODES = re.compile(r"TfLite\w*Delegate\w*$|LITERT_\w+$|DispatchDelegate$|\w+ Delegate$")


@dataclass(frozen=True)
class ProfileRow:
    """One operator of the run order of the regular runs. `inside_delegate` is also true
    for XNNPACK's own operators.
    """

    line: int
    node_type: str
    name: str
    mean_ms: float | None
    inside_delegate: bool


class ProfileReader:
    """Tells the lines of profile tables from others, and collects the rows; one per run."""

    def __init__(self):
        self.rows: list[ProfileRow] = []
        self._section: str | None = None
        self._initialises = False
        self._columns: list[str] = []
        self._csv = False

    def read(self, message: str, line: int) -> Kind | None:
        """What `message` is in a table; None where it belongs to none."""
        if len(message) > LONGEST_LINE:
            return None
        if match := _SECTION.match(message):
            self._section, self._columns = match["section"], []
            return Kind.PROFILE
        if _INITIALISATION.match(message) or _REGULAR.match(message):
            self._initialises = bool(_INITIALISATION.match(message))
            return Kind.PROFILE
        if _HEADER.match(message):
            self._csv = "\t" not in message
            self._columns = [
                cell.strip(" []").lower() for cell in message.split(", " if self._csv else "\t")
            ]
            return Kind.PROFILE
        if _FOOTERS.match(message):
            return Kind.PROFILE
        return self._read_row(message, line)

    def _read_row(self, message, line):
        cells = _csv_cells(message) if self._csv and self._columns else _tab_cells(message)
        if cells is None:
            return None
        row = dict(zip(self._columns, cells, strict=False))
        if self._section == _NAMED and not self._initialises and "name" in row:
            self._collect(
                line, cells[0], row["name"], finite(row.get("avg ms") or row.get("avg_ms"))
            )
        return Kind.PROFILE_ROW

    def _collect(self, line, node_type, name, mean_ms):
        # Without a heading (LiteRT) initialisation and runs share one table.
        if not _NO_OPERATORS.match(node_type):
            inside = name.startswith("Delegate/") or bool(_DELEGATE_NODES.match(node_type))
            self.rows.append(ProfileRow(line, node_type, name, mean_ms, inside))


def _tab_cells(message):
    cells = [cell.strip() for cell in message.split("\t")]
    numbers = [cell for cell in cells[1:] if re.fullmatch(rf"{NUMBER}%?", cell)]
    return cells if len(numbers) >= 4 else None


def _csv_cells(message):
    match = _CSV_ROW.match(message)
    return (
        [match["type"].strip(), *match["numbers"].split(", "), match["name"] or ""]
        if match
        else None
    )

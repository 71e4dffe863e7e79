"""The inspection of a data folder: every pair measured, and what is to be
done about it written down.

In the output folder: `clean_pairs.csv` (a list that `find_pairs(only=…)` takes), `dirty_pairs.csv`
(id and reason), `inspection.json` (everything, with a schema version), `contact_sheet.jpg`, and
`measures.jsonl`, by which another run measures only what is new or has changed.
"""

import csv
import dataclasses
import io
import json

from bokeh_tf.data.inspection import cleaning
from bokeh_tf.data.inspection.contact_sheet import write_contact_sheet
from bokeh_tf.data.journal import Journal, version_of
from bokeh_tf.data.pairs.layouts import LayoutReport, PairFolder, find_pairs
from bokeh_tf.data.pairs.pair import Pair, relative_name, write_list
from bokeh_tf.data.progress import as_text, progress_bar
from bokeh_tf.data.workers import Failure, run_jobs
from bokeh_tf.errors import OutputError
from bokeh_tf.files import make_folder, write_text
from bokeh_tf.paths import exists, resolved

SCHEMA_VERSION = 1
_NAMES = ("clean_pairs.csv", "dirty_pairs.csv", "inspection.json", "contact_sheet.jpg")
# Part of the journal's settings: measures that are computed in another way get another number.
_MEASURES_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found of one pair: its measures, None where a file cannot be
    read, and the complaints.
    """

    pair: Pair
    measures: cleaning.Measures | None
    complaints: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The findings on all pairs of a folder, in their order, and the report on its layout."""

    report: LayoutReport
    findings: tuple[Finding, ...]

    @property
    def dirty(self):
        """The findings with complaints."""
        return tuple(finding for finding in self.findings if finding.complaints)

    @property
    def clean_pairs(self):
        """The pairs without complaints."""
        return tuple(finding.pair for finding in self.findings if not finding.complaints)

    def as_document(self):
        """Everything, as JSON holds it."""
        folder = self.report.folder
        return {
            "schema_version": SCHEMA_VERSION,
            "layout": dataclasses.asdict(self.report),
            "limits": limits(),
            "clean_count": len(self.clean_pairs),
            "dirty_count": len(self.dirty),
            "pairs": [_entry(finding, folder) for finding in self.findings],
        }


def limits():
    """The thresholds by name; beyond them a pair is dirty."""
    return {
        "sharpness_ratio": cleaning.MAX_SHARPNESS_RATIO,
        "exposure_stops": cleaning.MAX_EXPOSURE_STOPS,
        "misalignment_px": cleaning.MAX_MISALIGNMENT_PX,
        "likeness": cleaning.MIN_LIKENESS,
    }


def inspect_folder(folder, *, only=None, out=None):
    """Measures every pair below `folder`, with a progress bar on a terminal's stderr.

    Args:
        only: a list of pairs; others are left out.
        out: folder for the results named in the module's docstring; None writes nothing.

    Raises:
        DataError: `find_pairs` cannot.
        OutputError: `out` cannot be written.
    """
    return inspect_pairs(find_pairs(folder, only=only), out=out)


def inspect_pairs(found: PairFolder, *, out=None):
    """As `inspect_folder`, with the pairs already found."""
    out = None if out is None else make_folder(out)
    settings = {"measures": _MEASURES_VERSION}
    with Journal(None if out is None else out / "measures.jsonl", settings) as journal:
        if out is not None and journal.is_new:
            _refuse_files_of_others(out, journal)
        records = _records(found.pairs, journal)
    findings = tuple(_finding(pair, records[pair.id]) for pair in found.pairs)
    inspection = Inspection(found.report, findings)
    if out is not None:
        _write(inspection, out)
    return inspection


def _refuse_files_of_others(out, journal):
    """Raises where a first run would replace what lies in the folder."""
    for name in _NAMES:
        if exists(out / name):
            journal.remove()
            raise OutputError(
                f"{out / name}: is there already, and not from an inspection. Choose another"
                " folder."
            )


def _records(pairs, journal):
    """`{"measures": …}` or `{"failure": …}` of each pair, by id; those of the journal
    where files are the same.
    """
    versions = {pair.id: version_of(pair.source, pair.target) for pair in pairs}
    keys = {pair.id: f"{resolved(pair.source)}\n{resolved(pair.target)}" for pair in pairs}
    records = {pair.id: journal.get(keys[pair.id], versions[pair.id]) for pair in pairs}
    jobs = {
        pair.id: (str(pair.source), str(pair.target)) for pair in pairs if records[pair.id] is None
    }
    with progress_bar() as progress:
        task = progress.add_task("Measuring", total=len(pairs), completed=len(pairs) - len(jobs))
        for identity, outcome in run_jobs(cleaning.measure_files, jobs):
            failed = isinstance(outcome, Failure)
            record = (
                {"failure": as_text(outcome.reason)}
                if failed
                else {"measures": dataclasses.asdict(outcome)}
            )
            records[identity] = record
            if not failed or outcome.is_lasting:
                journal.add(keys[identity], versions[identity], record)
            progress.advance(task)
    return records


def _finding(pair, record):
    if "failure" in record:
        return Finding(pair, None, (f"unreadable: {record['failure']}",))
    fields = record["measures"]
    sizes = {name: tuple(fields[name]) for name in ("source_size", "target_size")}
    measures = cleaning.Measures(**{**fields, **sizes})
    return Finding(pair, measures, cleaning.complaints(measures))


def _entry(finding, folder):
    pair = finding.pair
    return {
        "id": pair.id,
        "split": pair.split,
        "source": relative_name(pair.source, folder),
        "target": relative_name(pair.target, folder),
        "maps": {kind: relative_name(path, folder) for kind, path in pair.maps.items()},
        "conditions": dict(pair.conditions),
        "measures": None if finding.measures is None else dataclasses.asdict(finding.measures),
        "complaints": list(finding.complaints),
    }


def _write(inspection, out):
    write_text(out / "inspection.json", json.dumps(inspection.as_document(), indent=1) + "\n")
    write_list(out / "clean_pairs.csv", inspection.clean_pairs, folder=inspection.report.folder)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "complaints"])
    writer.writerows(
        [finding.pair.id, "; ".join(finding.complaints)] for finding in inspection.dirty
    )
    write_text(out / "dirty_pairs.csv", text.getvalue())
    write_contact_sheet(out / "contact_sheet.jpg", inspection.findings)

"""Aligning files or folders of them: matched by name, resumable, each pair
written in the layout of EBB!.

In the output folder: `original/NAME` and `bokeh/NAME` in the narrow photo's file format with
its EXIF and colour profile, `pairs.csv` with the f-numbers and focal lengths that the files
state, `alignment.json` with the measures of every pair and the reasons of those refused, and
`alignments.jsonl`, by which another run does only what is new. A first run that aligns
nothing leaves nothing there.
"""

import csv
import dataclasses
import io
import json
import math
from pathlib import Path

from PIL import ExifTags, Image, ImageCms

from bokeh_tf.data.alignment.registration import DEFAULT_HEIGHT_PX, align
from bokeh_tf.data.journal import Journal, version_of
from bokeh_tf.data.progress import as_text, progress_bar
from bokeh_tf.data.workers import Failure, run_jobs
from bokeh_tf.errors import DataError, OutputError
from bokeh_tf.files import NewFolders, write_text
from bokeh_tf.paths import exists, is_dir, is_file, printable, resolved, why_no_file
from bokeh_tf.photos import FORMATS, SUFFIXES, format_of_suffix, read, write

SCHEMA_VERSION = 1
NARROW_FOLDER, WIDE_FOLDER = "original", "bokeh"
# Part of the journal's settings: pairs that are aligned in another way get another number.
_ALIGNMENT_VERSION = 1
_JOURNAL = "alignments.jsonl"
_TABLES = ("pairs.csv", "alignment.json")
_CONDITIONS = ("source_f_number", "target_f_number", "focal_length_mm")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One pair: its name, the reason if it was refused, else what `align_file` returned."""

    name: str
    refused: str | None
    facts: dict

    @property
    def line(self):
        """What to tell the user, without the name."""
        if self.refused:
            return f"refused: {self.refused}"
        return (
            f"{self.facts['width']}x{self.facts['height']}, "
            f"{self.facts['inliers']} of {self.facts['matches']} matches agree, "
            f"residual {self.facts['residual_px']:.2f} px, corners to"
            f" {self.facts['corner_error_px']:.2f} px"
        )


@dataclasses.dataclass(frozen=True)
class AlignmentRun:
    """The outcomes by name in order, and the files that have no partner."""

    outcomes: tuple[Outcome, ...]
    alone: tuple[str, ...]

    @property
    def refused(self):
        """The outcomes of refused pairs."""
        return tuple(outcome for outcome in self.outcomes if outcome.refused)


def align_files(narrow, wide, *, out, height_px=DEFAULT_HEIGHT_PX):
    """Aligns the photo `wide` to `narrow`, or each photo of the folder `wide` to
    that of its name in `narrow`.

    Args:
        out: folder for what the module's docstring names.

    Returns:
        An `AlignmentRun`.

    Raises:
        DataError: no pair of photos is there.
        OutputError: `out` cannot be written, or is where the photos are.
    """
    narrow, wide, out = Path(narrow), Path(wide), Path(out)
    pairs, alone = _pairs(narrow, wide)
    _keep_photos(pairs, out)
    settings = {"alignment": _ALIGNMENT_VERSION, "height_px": height_px}
    with NewFolders() as folders:
        for folder in (NARROW_FOLDER, WIDE_FOLDER):
            folders.make(out / folder)
        with Journal(out / _JOURNAL, settings) as journal:
            _refuse_files_of_others(out, pairs, journal)
            records = _records(pairs, out, height_px, journal)
            outcomes = tuple(
                Outcome(name, records[name].get("refused"), records[name]) for name in pairs
            )
            run = AlignmentRun(outcomes, alone)
            if journal.is_new and len(run.refused) == len(outcomes):
                journal.remove()
            else:
                _write_tables(run, out, height_px)
    return run


def _pairs(narrow, wide):
    """Paths (narrow, wide) by name, and the files without a partner."""
    for path in (narrow, wide):
        reason = "" if is_dir(path) else why_no_file(path)
        if reason:
            raise DataError(f"{printable(path)}: {reason}. Name a photo or a folder of them.")
    if is_dir(narrow) != is_dir(wide):
        raise DataError(f"{narrow} and {wide}: name two photos or two folders, not one of each.")
    if not is_dir(narrow):
        return {narrow.stem: (narrow, wide)}, ()
    photos = [_photos_by_stem(folder) for folder in (narrow, wide)]
    names = sorted(photos[0].keys() & photos[1].keys())
    if not names:
        counts = f"{len(photos[0])} and {len(photos[1])} photos"
        raise DataError(
            f"{narrow} and {wide}: {counts}, none of the same name ({', '.join(SUFFIXES)})."
        )
    alone = tuple(
        str(path) for files in photos for stem, path in files.items() if stem not in names
    )
    return {name: (photos[0][name], photos[1][name]) for name in names}, alone


def _photos_by_stem(folder):
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder}: cannot list this folder ({error.strerror}). Check its rights."
        ) from error
    found: dict[str, Path] = {}
    for entry in entries:
        if (
            entry.name.startswith(".")
            or format_of_suffix(entry.suffix) is None
            or not is_file(entry)
        ):
            continue
        if found.setdefault(entry.stem, entry) != entry:
            raise DataError(
                f"{folder}: {found[entry.stem].name} and {entry.name} have one name. Remove one of"
                " them."
            )
    return found


def _keep_photos(pairs, out):
    results = {resolved(out / folder) for folder in (NARROW_FOLDER, WIDE_FOLDER)}
    if any(resolved(path).parent in results for paths in pairs.values() for path in paths):
        raise OutputError(
            f"{out}: the photos lie there and would be overwritten. Choose another folder."
        )


def _refuse_files_of_others(out, pairs, journal):
    """Raises where this run would replace a file that no run of ours has written."""
    made = {record.get("file") for record in journal.records() if isinstance(record, dict)}
    tables = [out / name for name in _TABLES if journal.is_new and exists(out / name)]
    pictures = (
        path for folder in (NARROW_FOLDER, WIDE_FOLDER) for path in sorted((out / folder).iterdir())
    )
    for path in [
        *tables,
        *(path for path in pictures if path.stem in pairs and path.name not in made),
    ]:
        if journal.is_new:
            journal.remove()
        raise OutputError(
            f"{path}: is there already, and not from an alignment here. Choose another folder."
        )


def _records(pairs, out, height_px, journal):
    """The facts of each pair, or `{"refused": reason}`, by name; those of the journal
    where nothing has changed.
    """
    versions = {name: version_of(*paths) for name, paths in pairs.items()}
    keys = {name: "\n".join(str(resolved(path)) for path in paths) for name, paths in pairs.items()}
    records = {name: journal.get(keys[name], versions[name]) for name in pairs}
    done = {name for name, record in records.items() if record and _is_there(record, out)}
    jobs = {
        name: (*map(str, pairs[name]), str(out), name, height_px)
        for name in pairs
        if name not in done
    }
    with progress_bar() as progress:
        task = progress.add_task("Aligning", total=len(pairs), completed=len(done))
        for name, outcome in run_jobs(align_file, jobs):
            failed = isinstance(outcome, Failure)
            records[name] = {"refused": as_text(outcome.reason)} if failed else outcome
            if not failed or outcome.is_lasting:
                journal.add(keys[name], versions[name], records[name])
            progress.advance(task)
    return records


def _is_there(record, out):
    return "refused" in record or all(
        is_file(out / folder / record["file"]) for folder in (NARROW_FOLDER, WIDE_FOLDER)
    )


def align_file(narrow, wide, out, name, height_px):
    """Aligns the photo `wide` to `narrow` and writes both below `out`; what a child
    process does for one pair.

    Returns:
        The facts of the pair: file name, size, measures, conditions and notes, as JSON holds them.

    Raises:
        BokehError: the pair is refused, in one line.
    """
    photos = read(narrow), read(wide)
    conditions = _conditions(*photos)
    _refuse_unlike(*photos, conditions)
    aligned = align(photos[0].pixels, photos[1].pixels, height_px=height_px)
    file = f"{name}{FORMATS[photos[0].format][0]}"
    height, width, _ = aligned.narrow.shape
    notes = []
    for photo, pixels, folder in zip(
        photos, (aligned.narrow, aligned.wide), (NARROW_FOLDER, WIDE_FOLDER), strict=True
    ):
        exif = _exif_of_size(photo.exif, width, height)
        kept = dataclasses.replace(
            photo, pixels=pixels, alpha=None, grey=False, exif=exif, format=photos[0].format
        )
        notes += write(Path(out) / folder / file, kept)
    measures = dataclasses.asdict(aligned.registration)
    measures["homography"] = aligned.registration.homography.tolist()
    facts = {"file": file, "width": width, "height": height, "common_area": aligned.common_area}
    return {**facts, **measures, "conditions": conditions, "notes": notes}


def _refuse_unlike(narrow, wide, conditions):
    f_numbers = [conditions.get(name) for name in _CONDITIONS[:2]]
    if None not in f_numbers and f_numbers[0] <= f_numbers[1]:
        raise DataError(
            f"the narrow photo is at f/{f_numbers[0]:g} and the wide one at f/{f_numbers[1]:g}:"
            " swapped?"
        )
    profiles = [_profile_name(photo.icc) for photo in (narrow, wide)]
    if profiles[0] != profiles[1]:
        raise DataError(
            f"colour profiles differ ({profiles[0]}, {profiles[1]}); export both photos in one"
        )
    if narrow.pixels.dtype != wide.pixels.dtype:
        raise DataError("one photo has 8 bits per sample, the other 16; export both alike")


def _profile_name(icc):
    if not icc:
        return "sRGB"
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    except (ImageCms.PyCMSError, OSError):
        return "an unreadable one"
    # The names of sRGB are many: "sRGB IEC61966-2.1", "sRGB built-in".
    return "sRGB" if name.startswith("sRGB") else name


def _conditions(narrow, wide):
    """Of `_CONDITIONS` those that the photos' EXIF states."""
    tags = [_exif(photo.exif).get_ifd(ExifTags.IFD.Exif) for photo in (narrow, wide)]
    stated = (
        tags[0].get(ExifTags.Base.FNumber),
        tags[1].get(ExifTags.Base.FNumber),
        tags[0].get(ExifTags.Base.FocalLength),
    )
    numbers = {name: _positive(value) for name, value in zip(_CONDITIONS, stated, strict=True)}
    return {name: number for name, number in numbers.items() if number is not None}


def _positive(value):
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if number > 0 and math.isfinite(number) else None


def _exif(block):
    exif = Image.Exif()
    if block:
        exif.load(block)
    return exif


def _exif_of_size(block, width, height):
    """The EXIF block with the size that the picture now has."""
    exif = _exif(block)
    directory = exif.get_ifd(ExifTags.IFD.Exif)
    if ExifTags.Base.ExifImageWidth not in directory:
        return block
    directory[ExifTags.Base.ExifImageWidth.value] = width
    directory[ExifTags.Base.ExifImageHeight.value] = height
    return exif.tobytes()


def _write_tables(run, out, height_px):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([NARROW_FOLDER, WIDE_FOLDER, *_CONDITIONS])
    for outcome in run.outcomes:
        if not outcome.refused:
            paths = [f"{folder}/{outcome.facts['file']}" for folder in (NARROW_FOLDER, WIDE_FOLDER)]
            writer.writerow(
                [*paths, *(outcome.facts["conditions"].get(name, "") for name in _CONDITIONS)]
            )
    write_text(out / _TABLES[0], text.getvalue())
    write_text(out / _TABLES[1], json.dumps(as_document(run, height_px), indent=1) + "\n")


def as_document(run, height_px):
    """An `AlignmentRun` as JSON holds it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "height_px": height_px,
        "pairs": [{"name": outcome.name, **outcome.facts} for outcome in run.outcomes],
        "alone": [as_text(name) for name in run.alone],
    }

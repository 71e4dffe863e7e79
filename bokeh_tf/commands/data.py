"""`bokeh-tf data`: its options, what it calls, and what it prints where."""

import argparse
import json
from pathlib import Path

from bokeh_tf.commands import data_synthesise, outputs
from bokeh_tf.commands.console import open_console
from bokeh_tf.commands.working import working
from bokeh_tf.paths import LONGEST_LINE, printable

_DONE, _NOT_DONE = 0, 1
_MOST_ROWS = 60
_DESCRIPTION = (
    "Looks after folders of training pairs: a photo with everything sharp, and the same"
    " scene with bokeh."
)
_INSPECT = """Recognises the layout of a folder of pairs (EBB! as downloaded, PyNET, Val294, VABM, N.src/N.tgt and
others), says what it holds and what is missing, and measures each pair: whether the target is sharper than the
source, the difference in exposure, the misalignment, the sizes, whether the files can be read."""
_INSPECT_EPILOG = """with -o, the folder DIR gets:
  clean_pairs.csv     the pairs without complaints, a list for --only and for training
  dirty_pairs.csv     the others, and why
  contact_sheet.jpg   what they look like
  inspection.json     everything
  measures.jsonl      by which the next run, or one after Ctrl-C, measures only what is new

exit status:
  0  inspected, whatever was found
  1  no pairs, a folder that cannot be read or written
  2  wrong usage

examples:
  bokeh-tf data inspect EBB
  bokeh-tf data inspect EBB -o inspected
  bokeh-tf data inspect EBB --only inspected/clean_pairs.csv --json"""
_ALIGN = """Makes training pairs of two photos of one scene, taken with a narrow and with a wide aperture, as the AIM
2020 challenge made EBB!: SIFT keypoints, a RANSAC homography, both cropped to what they share and reduced to one
height. The wide photo is warped; the narrow one keeps its pixels."""
_ALIGN_EPILOG = """The result has the layout of EBB!: original/NAME and bokeh/NAME. Pairs in which too few keypoints
agree, in which the corners stay uncertain, or which share too little of the frame are refused, each with its reason.
Pairs that are done are not done again; what has changed is.

exit status:
  0  every pair aligned
  1  a pair was refused, a photo has no partner, or nothing could be done
  2  wrong usage

examples:
  bokeh-tf data align f16.jpg f1.8.jpg -o pairs
  bokeh-tf data align narrow/ wide/ -o pairs"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "data", help="inspect, align and synthesise training pairs", description=_DESCRIPTION
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_inspect(actions)
    _add_align(actions)
    data_synthesise.add(actions)


def _add_inspect(actions):
    parser = actions.add_parser(
        "inspect",
        help="say what a folder of pairs holds, what is missing, and which pairs are dirty",
        description=_INSPECT,
        epilog=_INSPECT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of pairs")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="OUT", help="folder for lists and the contact sheet"
    )
    parser.add_argument(
        "--only", type=Path, metavar="LIST", help="inspect the pairs in this list alone"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=_inspect, usage_error=parser.error)


def _add_align(actions):
    parser = actions.add_parser(
        "align",
        help="align photos of two apertures, crop and reduce them to pairs",
        description=_ALIGN,
        epilog=_ALIGN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "narrow",
        type=Path,
        metavar="NARROW",
        help="photo with everything sharp, or a folder of them",
    )
    parser.add_argument(
        "wide", type=Path, metavar="WIDE", help="photo with bokeh, or a folder of the same names"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help="folder for the pairs"
    )
    parser.add_argument(
        "--height", type=_height, default=1024, metavar="PX", help="of the results (default 1024)"
    )
    parser.set_defaults(run=_align, usage_error=parser.error)


def _inspect(options):
    from bokeh_tf.data.inspection.inspection import inspect_pairs
    from bokeh_tf.data.pairs.layouts import find_pairs

    outputs.claim_in_folder(options.out)
    with working():
        found = find_pairs(options.folder, only=options.only)
    inspection = inspect_pairs(found, out=options.out)
    if options.json:
        print(json.dumps(inspection.as_document(), indent=1))
        return _DONE
    console = open_console()
    for line in _layout_lines(inspection.report):
        _print(console, line)
    if inspection.dirty:
        console.print(_dirty_table(inspection.dirty[:_MOST_ROWS]))
    if len(inspection.dirty) > _MOST_ROWS:
        _print(console, f"and {len(inspection.dirty) - _MOST_ROWS} more; -o writes them all")
    _print(console, f"{len(inspection.clean_pairs)} clean, {len(inspection.dirty)} dirty")
    if options.out:
        _print(console, f"written: {options.out / 'clean_pairs.csv'}, and the reports beside it")
    return _DONE


def _layout_lines(report):
    yield f"{report.folder}: {sum(report.splits.values())} pairs"
    for layout in report.layouts:
        yield f"  {layout.pairs} in {layout.folder}, laid out as {layout.layout}"
    counts = {"splits": report.splits, "maps": report.maps, "conditions": report.conditions}
    for name, numbers in counts.items():
        text = ", ".join(f"{kind} {number}" for kind, number in sorted(numbers.items()))
        yield f"  {name}: {text or 'none'}"
    yield from (f"  missing: {line}" for line in report.missing)
    yield from (f"  note: {line}" for line in report.notes)


def _dirty_table(findings):
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "split")
    for heading in ("sharpness ratio", "exposure, stops", "misaligned, px", "likeness"):
        table.add_column(heading, justify="right")
    table.add_column("complaints", overflow="fold")
    for finding in findings:
        names = ("sharpness_ratio", "exposure_stops", "misalignment_px", "likeness")
        values = [getattr(finding.measures, name, None) for name in names]
        numbers = ["-" if value is None else f"{value:.2f}" for value in values]
        # Text, not str: names may contain what rich would read as markup.
        cells = (finding.pair.id, finding.pair.split, *numbers, "; ".join(finding.complaints))
        table.add_row(*(Text(printable(cell, most_characters=LONGEST_LINE)) for cell in cells))
    return table


def _align(options):
    from bokeh_tf.data.alignment.run import align_files

    outputs.claim_in_folder(options.out)
    run = align_files(options.narrow, options.wide, out=options.out, height_px=options.height)
    console = open_console()
    for outcome in run.outcomes:
        _print(console, f"{outcome.name}: {outcome.line}")
        for note in outcome.facts.get("notes", ()):
            _print(console, f"  {note}")
    for name in run.alone:
        _print(console, f"{name}: left out, no photo of that name in the other folder")
    aligned = len(run.outcomes) - len(run.refused)
    place = f"; pairs are in {options.out}" if aligned else ""
    _print(console, f"{aligned} aligned, {len(run.refused)} refused{place}")
    return _NOT_DONE if run.refused or run.alone else _DONE


def _print(console, line):
    text = printable(line, most_characters=LONGEST_LINE)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _height(text):
    value = int(text)
    if not 16 <= value <= 8192:
        raise ValueError
    return value


_height.__name__ = "whole number from 16 to 8192"

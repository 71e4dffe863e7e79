"""`bokeh-tf report`: its options, what it calls, and what it prints."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs
from bokeh_tf.commands.console import Refusals, say

_DESCRIPTION = """Makes a page for people from the JSON results of bokeh-tf bench: plots, tables,
conditions, and every reason to doubt a number beside that number. It measures nothing, and
averages nothing over runs."""
_EPILOG = """The suffix of the output says what is written:
  .html   one page with plots, which needs no network; light or dark, on a phone or a large screen
  .md     tables for pull requests and job summaries
  .csv    one row per measurement, with units in the columns' names; text that a spreadsheet would compute gets a '

exit status:
  0  written
  1  a result cannot be read (it is named; the others are on the page), or the output cannot be
     written
  2  wrong usage

examples:
  bokeh-tf report timings/bench_20300102T030405Z.json -o report.html
  bokeh-tf report timings/ phone.json -o report.csv"""
_SUFFIXES = (".html", ".md", ".csv")


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "report",
        help="make a page of timing results: HTML with plots, Markdown or CSV",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="results (.json), or folders of them"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="report.html, .md or .csv"
    )
    outputs.add(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    suffix = options.output.suffix.lower()
    if suffix not in _SUFFIXES:
        options.usage_error(
            f"-o must end in {', '.join(_SUFFIXES)}. Received: {options.output.name!r}"
        )
    from bokeh_tf.bench.report import csv_table, markdown
    from bokeh_tf.bench.report.html import page as html_page
    from bokeh_tf.bench.report.runs import find_results, read_runs
    from bokeh_tf.files import write_text

    write = {".html": html_page.write, ".md": markdown.write, ".csv": csv_table.write}[suffix]
    refusals = Refusals()
    given = find_results(options.runs, refuse=refusals.say)
    outputs.claim(options.output, inputs=given, overwrite=options.overwrite)
    runs = read_runs(given, refuse=refusals.say)
    if not runs:
        return refusals.status
    write_text(options.output, write(runs))
    say(f"written: {options.output}{refusals.left_out}")
    return refusals.status

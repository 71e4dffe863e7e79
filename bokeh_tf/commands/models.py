"""`bokeh-tf models`: its options, what it calls, and what it prints."""

import argparse

from bokeh_tf.commands.console import open_console

_DESCRIPTION = """Lists the models that this package builds: whose they are and where they are
described, what they cost, and what the GPU delegates say of them. Needs neither Keras nor a GPU:
all of it was measured before."""
_EPILOG = """MACs are multiply-accumulates at the model's reference size, memory is an estimate of the tensors at that
size in half precision. "full" under "real GPU" says that the delegate took a small version whole and computed it
right. What papers report of a system was measured by their authors with their weights; `bokeh-tf models NAME` lists it
with its source.

exit status:
  0  listed
  1  the table of measurements is damaged
  2  wrong usage, such as a name that is no model's

examples:
  bokeh-tf models
  bokeh-tf models dmshn
  bokeh-tf models --json"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "models",
        help="list the models: whose, how large, what the delegates say",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="one model, with all that is known of it"
    )
    parser.add_argument("--json", action="store_true", help="all of it, for programs")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.models import catalogue, listing, measured

    try:
        entries = (catalogue.entry(options.name),) if options.name else catalogue.ENTRIES
    except ValueError as error:
        options.usage_error(str(error))
    rows = measured.read()
    if options.json:
        print(listing.to_json(entries, rows), end="")
        return 0

    console = open_console()
    console.print(listing.table(entries, rows))
    if options.name:
        for part in listing.details(entries[0], rows):
            console.print(part)
    return 0

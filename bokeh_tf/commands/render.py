"""`bokeh-tf render`: its options and what it calls; rendering prints its own progress."""

from pathlib import Path

_DONE, _NOT_DONE = 0, 1


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "render",
        help="give photographs a shallow depth of field",
        description="Renders photos of any size; what is in focus keeps the photo's own pixels.",
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="photographs, or folders of them")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder, or file name for a single photo")
    parser.add_argument("--model", help="a .tflite file or the name of a model (default: the shipped dbsi_mobile)")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="also write before | after | weight map in one picture",
    )
    _add_model_options(parser)
    _add_file_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_model_options(parser):
    parser.add_argument(
        "--input-range",
        nargs=2,
        type=float,
        metavar=("MIN", "MAX"),
        help="values of the pictures that the .tflite takes (default: what the file says of itself)",
    )


def _add_file_options(parser):
    parser.add_argument("--recursive", action="store_true", help="also take the folders in the folders given")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that have a result's name (default: number the result)",
    )


def run(options) -> int:
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.rendering import render_files
    from bokeh_tf.tflite.value_ranges import is_range

    if options.input_range and not is_range(options.input_range):
        options.usage_error("--input-range needs two finite numbers, the lower one first")
    failures = render_files(
        options.photos,
        output=options.out,
        model=options.model,
        input_range=options.input_range,
        compare=options.compare,
        recursive=options.recursive,
        overwrite=options.overwrite,
    )
    return _NOT_DONE if failures else _DONE

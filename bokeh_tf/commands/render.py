"""`bokeh-tf render`: its options and what it calls; rendering prints its own progress."""

import argparse
from pathlib import Path

from bokeh_tf.commands import ranges
from bokeh_tf.models.asking import UNSURE, aperture_of

_DONE, _NOT_DONE = 0, 1


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "render",
        help="give photographs a shallow depth of field",
        description="Renders photos of any size; what is in focus keeps the photo's own pixels.",
    )
    parser.add_argument(
        "photos", nargs="+", type=Path, metavar="PHOTO", help="photographs, or folders of them"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="folder, or file name for a single photo"
    )
    parser.add_argument(
        "--model",
        help="a .tflite file or the name of a model (default: dbsi_mobile_focus)",
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help="also write before | after | weight map in one picture",
    )
    _add_wishes(parser)
    _add_lens(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: what was decided, how sure",
    )
    _add_model_options(parser)
    _add_file_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_model_options(parser):
    ranges.add(parser)


def _add_file_options(parser):
    parser.add_argument(
        "--recursive", action="store_true", help="also take the folders in the folders given"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that have a result's name (default: number the result)",
    )
    parser.add_argument(
        "--naming",
        metavar="NAME",
        help="results' names, {stem} for the photo's: '{stem}_bokeh' (default: {stem})",
    )
    parser.add_argument(
        "--map",
        action="store_true",
        help="also write what stays sharp as a grey PNG of the photo's size",
    )


def _add_wishes(parser):
    """Options for models that can be told what to do."""
    parser.add_argument(
        "--focus",
        type=_place,
        metavar="X,Y",
        help="keep sharp what is there, 0,0 upper left to 1,1 lower right: mostly obeyed, see the"
        " model's card",
    )
    parser.add_argument(
        "--aperture",
        type=_aperture,
        metavar="F",
        help="0 (all sharp) to 1, or above 1 an f-number's full-frame look",
    )
    parser.add_argument(
        "--if-unsure",
        choices=UNSURE,
        default=UNSURE[0],
        help="without a clear subject: keep the photo, blur along the ground, or force a guess"
        " (default: %(default)s)",
    )


def _add_lens(parser):
    """Options that leave the blur to this program instead of the model."""
    brought = parser.add_mutually_exclusive_group()
    brought.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="a grey picture of what stays sharp, white; for all photos given",
    )
    brought.add_argument(
        "--depth",
        metavar="FILE|auto",
        help="a grey picture of what is near, white; auto: what the phone stored in the photo's"
        " own file",
    )
    parser.add_argument(
        "--shape",
        type=_shape,
        metavar="SHAPE",
        help="the lens's opening: disc, 5 to 9 (blades) or cat-eye; the blur is then computed"
        " here, not by the model",
    )
    parser.add_argument(
        "--grain", action="store_true", help="put the photo's grain back on what is blurred"
    )


def _shape(text):
    from bokeh_tf.rendering.apertures import shape_of

    try:
        return shape_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _place(text):
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"two numbers like 0.5,0.4. Received: {text!r}") from None
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise argparse.ArgumentTypeError(f"two numbers from 0 to 1. Received: {text!r}")
    return x, y


def _aperture(text):
    try:
        return aperture_of(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a number from 0 to 1, or an f-number. Received: {text!r}"
        ) from None


def run(options) -> int:
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.rendering import render_files
    from bokeh_tf.rendering.focus import Wishes
    from bokeh_tf.rendering.maps import AUTO, Brought

    ranges.check(options)
    if options.mask and options.focus:
        options.usage_error("--mask says by itself what is in focus: leave out --focus")
    depth = options.depth if options.depth in (None, AUTO) else Path(options.depth)
    failures = render_files(
        options.photos,
        output=options.out,
        model=options.model,
        input_range=options.input_range,
        output_range=options.output_range,
        compare=options.compare,
        recursive=options.recursive,
        overwrite=options.overwrite,
        wishes=Wishes(
            options.focus, options.aperture, options.if_unsure, options.shape, options.grain
        ),
        brought=Brought(options.mask, depth),
        naming=options.naming,
        with_map=options.map,
        as_json=options.json,
    )
    return _NOT_DONE if failures else _DONE

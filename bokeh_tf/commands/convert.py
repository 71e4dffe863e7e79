"""`bokeh-tf convert`: its options, what it calls, and what it prints where."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs, proving, rewriting, shapes
from bokeh_tf.commands.console import open_console, positive
from bokeh_tf.paths import printable, resolved
from bokeh_tf.tflite import PRECISIONS, QUANTISED
from bokeh_tf.tflite.value_ranges import is_range

_DESCRIPTION = """Converts your own model to a .tflite that a phone's GPU takes whole: builds the
file, compares it with the model, rewrites what GPU delegates refuse (see: bokeh-tf repair), checks
the result by the rules of both delegates and, where there is a Vulkan adapter, on the real one. The
file is written only if all of that passes."""
_EPILOG = """MODEL is
  model.keras, model.h5      saved by Keras, any kind of model; code in it (Lambda) is not run
  folder                     a SavedModel, its signature serving_default
  module:function            a function that returns a Keras model, from a module in this folder
  NAME or NAME.VARIANT       of bokeh-tf models
  model.tflite               to check and repair it again

exit status:
  0  passed and written
  1  could not be loaded, converted or checked; nothing was written
  2  wrong usage
  3  the file is not what the model is, or a GPU delegate would not run it right; nothing was written
     without --allow-unchecked

examples:
  bokeh-tf convert unet.keras -o unet.tflite
  bokeh-tf convert generator.keras -o generator.tflite --size 512x768 --custom-objects my_layers
  bokeh-tf convert nets:build_depth -o depth.tflite --input-shape 1x384x512x3"""


def add(commands) -> None:
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "convert",
        help="your own Keras model as a checked .tflite (needs the tensorflow extra)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="what is converted, see below")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="FILE", help="the .tflite to write"
    )
    outputs.add(parser)
    _add_model(parser)
    _add_metadata(parser)
    _add_quantising(parser)
    _add_proof(parser)
    _add_repair(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_model(parser):
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--precision",
        choices=PRECISIONS + QUANTISED,
        default=PRECISIONS[0],
        help=f"default: {PRECISIONS[0]}; those with int need the quantise extra",
    )
    shapes.add_size(group, what="pictures whose size is free")
    shapes.add_free_sizes(group)
    group.add_argument(
        "--custom-objects",
        metavar="MODULE",
        help="module, or .py file, that defines the classes in it",
    )


def _add_metadata(parser):
    group = parser.add_argument_group("what the file says of itself")
    group.add_argument(
        "--range",
        type=_range,
        action="append",
        default=[],
        metavar="NAME=MIN:MAX",
        help="values of an input or output, for the file's metadata and what it is fed with; once"
        " for each",
    )
    group.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="NAME",
        help="an input that is an RGB picture: said in the metadata, with its normalisation where"
        " --range is known",
    )
    group.add_argument(
        "--labels",
        type=_labels,
        action="append",
        default=[],
        metavar="[OUTPUT=]FILE",
        help="text file that names the classes of an output, one a line; they travel in the file",
    )


def _add_quantising(parser):
    group = parser.add_argument_group("weights of eight bits")
    group.add_argument(
        "--calibration",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="photographs, .npy or .npz that tell how large tensors get; int8 and int16x8 need"
        " some",
    )
    group.add_argument(
        "--keep-float",
        action="append",
        default=[],
        metavar="LAYER",
        help="leave this layer as it is",
    )
    group.add_argument(
        "--layer-costs",
        action="store_true",
        help="say what each layer costs where it alone is rounded",
    )


def _add_proof(parser):
    group = parser.add_argument_group("what has to pass")
    group.add_argument(
        "--inputs",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="photographs, .npy or .npz to compare on",
    )
    group.add_argument(
        "--tolerance", type=positive, metavar="SHARE", help="largest error, of an output's range"
    )
    group.add_argument(
        "--bisect", action="store_true", help="where it is beyond that: name the first such layer"
    )
    group.add_argument(
        "--allow-unchecked", action="store_true", help="write the file even if it does not pass"
    )
    proving.add_no_probe(group)
    proving.add_runtime(group)
    proving.add_photo(group)
    proving.add_timeout(group, what="for all of it", default_s=1200)
    group.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write the result as an HTML page too, passed or not",
    )
    group.add_argument("--format", choices=("text", "json"), default="text", help="default text")


def _add_repair(parser):
    group = parser.add_argument_group("repair")
    group.add_argument(
        "--repair", action=argparse.BooleanOptionalAction, default=True, help="default: on"
    )
    shapes.add_interface(group)
    rewriting.add_also(group)


def run(options: argparse.Namespace) -> int:
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.converting import report
    from bokeh_tf.converting.convert import convert
    from bokeh_tf.converting.source import source_of
    from bokeh_tf.delegate.writers.text import print_file

    _check_usage(options)
    source = source_of(options.model)
    inputs = [source.path, options.photo, *options.inputs, *options.calibration]
    inputs += [path for _, path in options.labels]
    # A SavedModel is a folder.
    proving.require_files(inputs[1:])
    for path in (options.out, options.report):
        outputs.claim(path, inputs=inputs, overwrite=options.overwrite, makes_folders=True)
    conversion = convert(source, _wishes(options))
    is_text = options.format == "text"
    if is_text:
        print(report.to_text(conversion), end="")
        print_file(conversion.judged, open_console())
    written = _write(conversion, options)
    if is_text:
        end = (
            f"written: {written}"
            if written
            else "nothing written (--allow-unchecked writes it all the same)"
        )
        print(f"{end} ({conversion.wall_s:.0f} s, {conversion.built_s:.0f} of them to convert)")
    else:
        print(report.to_json(conversion, written=written), end="")
    return conversion.code


def _write(conversion, options):
    """Writes what is to be written; returns where the file lies, None where it does not."""
    from bokeh_tf.files import make_folder, write_bytes, write_text

    written = None
    if conversion.code == 0 or options.allow_unchecked:
        make_folder(options.out.parent)
        write_bytes(options.out, conversion.content)
        written = printable(options.out)
    if options.report:
        from bokeh_tf.converting.page import to_page

        make_folder(options.report.parent)
        write_text(options.report, to_page(conversion, written=written))
    return written


def _check_usage(options):
    """Ends with status 2 where the options make no sense."""
    shapes.check(options)
    rewriting.check_also(options)
    proving.check_runtime(options)
    if options.size and options.input_shape:
        options.usage_error("--size and --input-shape exclude each other")
    if options.also and not options.repair:
        options.usage_error("--also asks for a repair, which --no-repair leaves out")
    if options.report and resolved(options.report) == resolved(options.out):
        options.usage_error("--report and --out must be different files")
    is_quantised = options.precision in QUANTISED
    if not is_quantised and (options.calibration or options.keep_float or options.layer_costs):
        known = ", ".join(QUANTISED)
        options.usage_error(
            f"--calibration, --keep-float and --layer-costs go with --precision {known}"
        )
    # Weights are known without being run; what flows between them is not.
    if is_quantised and options.precision != QUANTISED[0] and not options.calibration:
        options.usage_error(
            f"--precision {options.precision} needs --calibration: photographs, .npy or .npz"
        )


def _wishes(options):
    from bokeh_tf.converting.convert import DEFAULT_TIMEOUT_S, Wishes
    from bokeh_tf.converting.labelling import read_labels

    return Wishes(
        precision=options.precision,
        image_size=options.size,
        shapes=options.input_shape and tuple(options.input_shape),
        batch=options.batch,
        custom_objects=options.custom_objects,
        ranges=dict(options.range),
        images=tuple(options.image),
        labels=tuple((output, read_labels(path)) for output, path in options.labels),
        inputs=tuple(options.inputs),
        photo=options.photo,
        tolerance=options.tolerance,
        bisect=options.bisect,
        calibration=tuple(options.calibration),
        keep_float=tuple(options.keep_float),
        layer_costs=options.layer_costs,
        repair=options.repair,
        allow=tuple(options.allow_interface),
        also=options.also,
        probe=not options.no_probe,
        timeout_s=options.timeout or DEFAULT_TIMEOUT_S,
        runtime=options.runtime,
    )


def _range(text):
    name, _, limits = text.rpartition("=")
    low, high = map(float, limits.split(":"))
    if not name or not is_range((low, high)):
        raise ValueError
    return name, (low, high)


def _labels(text):
    """(output or None, file); only a name of an output stands before an equals sign."""
    output, separator, file = text.partition("=")
    if separator and output and file:
        return output, Path(file)
    if not text or separator:
        raise ValueError
    return None, Path(text)


_range.__name__ = "NAME=MIN:MAX with the lower number first"
_labels.__name__ = "FILE or OUTPUT=FILE"

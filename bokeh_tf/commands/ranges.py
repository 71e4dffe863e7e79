"""The values of a file's photo and picture, where the file does not say them itself."""

from bokeh_tf.commands.console import finite

_WHAT = {"input": "photo", "output": "picture"}


def add(parser, *, sides=tuple(_WHAT)) -> None:
    """Adds `--input-range` and `--output-range`, or one of them, to the options of a command."""
    for side in sides:
        parser.add_argument(
            f"--{side}-range",
            nargs=2,
            type=finite,
            metavar=("MIN", "MAX"),
            help=f"values of a .tflite's {_WHAT[side]}; default: what the file says of itself",
        )


def check(options) -> None:
    """Ends with status 2 where a range is the wrong way round."""
    for side in _WHAT:
        limits = getattr(options, f"{side}_range", None)
        if limits and limits[0] >= limits[1]:
            options.usage_error(f"--{side}-range needs the lower number first")

"""The values of a file's photo and picture, where the file does not say them itself."""

from bokeh_tf.commands.console import finite


def add(parser) -> None:
    """Adds `--input-range` and `--output-range` to the options of a command."""
    for side, what in (("input", "photo"), ("output", "picture")):
        parser.add_argument(
            f"--{side}-range",
            nargs=2,
            type=finite,
            metavar=("MIN", "MAX"),
            help=f"values of its {what}; default: what the file says of itself",
        )


def check(options) -> None:
    """Ends with status 2 where a range is the wrong way round."""
    for side in ("input", "output"):
        limits = getattr(options, f"{side}_range")
        if limits and limits[0] >= limits[1]:
            options.usage_error(f"--{side}-range needs the lower number first")

"""Options of several commands about how a file is rewritten: for whom beside the two delegates."""

from bokeh_tf.commands import shapes


def add_also(parser) -> None:
    """Adds `--also`."""
    parser.add_argument(
        "--also",
        type=shapes.names,
        default=(),
        metavar="LIST",
        help="what else is to take the file whole: opengl, phones without OpenCL; npu, LiteRT's NPU"
        " path; where that cannot be, the file is as without, and a note says why",
    )


def check_also(options) -> None:
    """Ends with status 2 where `--also` names what nobody knows."""
    if not options.also:
        return
    from bokeh_tf.repairing.recipes import ALSO

    unknown = set(options.also) - set(ALSO)
    if unknown:
        options.usage_error(f"--also takes {', '.join(ALSO)}, not {', '.join(sorted(unknown))}")

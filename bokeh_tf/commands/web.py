"""`bokeh-tf web`: its options, what it calls, and what it prints."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs, ranges
from bokeh_tf.commands.console import say
from bokeh_tf.web.port_option import port
from bokeh_tf.web.runtime import KEPT_BYTES

_DESCRIPTION = """Shows what a .tflite makes of a photo in a browser, where LiteRT.js runs it on the
GPU through WebGPU, or on the CPU: a picture, else maps in grey or by class, and numbers. The page
is served by this machine, to this machine alone unless --lan is given, and no photo leaves the
browser. LiteRT.js is fetched by npm once and kept in the user's cache ({kept_mb:.0f} MB)."""
_EPILOG = """On a phone over USB: `adb reverse tcp:PORT tcp:PORT`, then open the address there, with --port PORT.

exit status:
  0  ended by Ctrl-C, or the page is written
  1  could not be done: one line says what
  2  wrong usage

examples:
  bokeh-tf web
  bokeh-tf web photos/*.jpg
  bokeh-tf web photo.jpg --model mine.tflite --input-range 0 1 --output-range 0 1
  bokeh-tf web --out page          # a folder for any static host with https"""
_LIMIT_BYTES = 256_000_000


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "web",
        help="show a .tflite in a browser, on its GPU",
        description=_DESCRIPTION.format(kept_mb=KEPT_BYTES / 1e6),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photos",
        nargs="*",
        type=Path,
        metavar="PHOTO",
        help="photos to choose from on the page; it begins with the first",
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="a .tflite that takes a photo (default: the flagship)",
    )
    ranges.add(parser)
    parser.add_argument(
        "--port", type=port, default=0, metavar="N", help="where to listen (default: a free port)"
    )
    parser.add_argument(
        "--lan",
        action="store_true",
        help="serve it to this machine's network instead, by https; the browser there will ask"
        " about the certificate",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write the page there instead of serving it, in the place of an earlier one",
    )
    outputs.add(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""
    from bokeh_tf.models.weights import FLAGSHIP_FILE
    from bokeh_tf.web.site import site

    if options.out is not None and (options.lan or options.port):
        options.usage_error("--lan and --port go with serving, not with --out")
    ranges.check(options)
    outputs.claim_in_folder(options.out)
    content = site(
        FLAGSHIP_FILE if options.model is None else options.model,
        photos=options.photos,
        input_range=options.input_range,
        output_range=options.output_range,
    )
    if options.out is not None:
        return _write(content, options)
    return _serve(content, options)


def _write(content, options):
    from bokeh_tf.folders import write_files
    from bokeh_tf.paths import read_bytes

    whole = {
        name: read_bytes(body, limit_bytes=_LIMIT_BYTES) if isinstance(body, Path) else body
        for name, body in content.items()
    }
    # What an earlier page has there, as somebody's photo, is not to reach the host with this one.
    write_files(options.out, whole, overwrite=options.overwrite, removes_older=True)
    say(f"written: {options.out} ({len(content)} files). Serve it by https, or from localhost.")
    return 0


def _serve(content, options):
    from bokeh_tf.web.lan import open_lan
    from bokeh_tf.web.qr import show_qr
    from bokeh_tf.web.server import SiteServer

    lan = open_lan() if options.lan else None
    with SiteServer(content, port=options.port, lan=lan) as server:
        say(f"open {server.address}")
        if lan is not None:
            say(lan.advice)
            show_qr(server.address)
        say("Ctrl-C ends.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
    return 0

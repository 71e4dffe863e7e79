"""`bokeh-tf data synthesise`: its options, what it calls, and what it prints where."""

import argparse
from pathlib import Path

from bokeh_tf.commands import outputs

_DONE = 0
_DESCRIPTION = """Makes training pairs of photographs: subjects that a photographer focused on are
cut out and stand before other photographs, each at its own distance; a thin lens at f/1.8 makes the
target, with occlusion, in linear light, with noise and JPEG."""
_EPILOG = """OUT gets the layout of EBB!: Training/original/N.jpg, Training/bokeh/N.jpg, Training/depth/N.png (inverse
depth, 16 bits, 1 nearest), and Training/pairs.csv with the f-number, the focal length, the focus and the aperture of
each pair. Pairs that are there are not made again: the same command with more pairs, or after Ctrl-C, goes on.

PHOTOS needs some photos with shallow depth of field, to cut subjects from, and some that are sharp all over. Its file
subjects.txt, if there is one, names the photos whose cuts are good, one a line; those of one name by
their paths from PHOTOS.

exit status:
  0  the pairs are there
  1  photos that cannot be used, a folder that cannot be written or holds other pairs
  2  wrong usage

examples:
  bokeh-tf data synthesise photos -o pairs --pairs 1000
  bokeh-tf data synthesise photos -o varied --pairs 1000 --varied --blades 6"""


def add(actions):
    """Adds the action's parser to the subparsers `actions` of `bokeh-tf data`."""
    parser = actions.add_parser(
        "synthesise",
        help="make pairs of photographs with a simulated lens",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of photographs")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help="folder for the pairs"
    )
    parser.add_argument("--pairs", type=_count, required=True, metavar="N", help="how many")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="another gives other pairs (default 0)"
    )
    parser.add_argument(
        "--height", type=_height, default=512, metavar="PX", help="of the pictures (default 512)"
    )
    parser.add_argument(
        "--varied", action="store_true", help="f-number and focus differ from pair to pair"
    )
    parser.add_argument(
        "--blades", type=_blades, default=0, metavar="N", help="of the aperture (default: a disc)"
    )
    parser.set_defaults(run=_synthesise, usage_error=parser.error)


def _synthesise(options):
    from bokeh_tf.data.scenes.run import synthesise
    from bokeh_tf.data.scenes.synthetic_pairs import PairOptions

    outputs.claim_in_folder(options.out)
    wanted = PairOptions(height_px=options.height, is_varied=options.varied, blades=options.blades)
    run = synthesise(
        options.photos, out=options.out, pairs=options.pairs, seed=options.seed, options=wanted
    )
    print(f"{run.made} made, {run.pairs} in {run.folder}")
    return _DONE


def _count(text):
    return _within(text, 1, 999_999)


def _seed(text):
    return _within(text, 0, 2**63 - 1)


def _height(text):
    return _within(text, 32, 2048)


def _blades(text):
    value = int(text)
    return 0 if value == 0 else _within(text, 3, 32)


def _within(text, least, most):
    value = int(text)
    if not least <= value <= most:
        raise ValueError
    return value


_count.__name__ = "whole number from 1 to 999999"
_seed.__name__ = "whole number from 0 on"
_height.__name__ = "whole number from 32 to 2048"
_blades.__name__ = "whole number from 3 to 32, or 0"

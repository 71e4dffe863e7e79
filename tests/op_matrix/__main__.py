"""`python -m tests.op_matrix FOLDER [--only GLOB]`: writes the models of the matrix
as FOLDER/<variant>.tflite.
"""

import argparse
import os
from fnmatch import fnmatch

from absl import logging

from tests.op_matrix import VERDICTS, build_all


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m tests.op_matrix", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument(
        "--only", default="*", metavar="GLOB", help="variants to write, such as 'conv*'"
    )
    parser.add_argument("--weights", default="float32", choices=("float32", "float16"))
    arguments = parser.parse_args(argv)
    names = [
        name
        for name, facts in VERDICTS.items()
        if fnmatch(name, arguments.only) and not facts.not_rebuilt
    ]
    if not names:
        parser.error(f"no variant that can be rebuilt matches {arguments.only!r}")
    paths = build_all(arguments.folder, names, weights=arguments.weights)
    print(f"{len(paths)} models in {arguments.folder}")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.ERROR)
    main()

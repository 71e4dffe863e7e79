"""`python -m tests.fakes FOLDER`: a fake phone to play with, until Ctrl-C; then
`adb connect` what it prints.
"""

import argparse
import contextlib
import signal
from pathlib import Path

from tests.fakes import benchmark_model
from tests.fakes.phone import Phone


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder",
        type=Path,
        help="where the phone's files lie; beside it stand-ins for benchmark_model",
    )
    parser.add_argument("--old", action="store_true", help="an Android 6 phone")
    options = parser.parse_args()
    folder = options.folder.resolve()
    with Phone(folder, old=options.old) as phone:
        for program in benchmark_model.FLAGS:
            print(benchmark_model.write(folder.parent / f"benchmark_model_{program}", program))
        print(f"adb connect {phone.serial}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()

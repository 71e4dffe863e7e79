"""`python -m tests.op_matrix.releases FOLDER [RELEASE ...]`: what each release of the runtime
makes of the op matrix, of every ML Drift rule's own graphs, and of its operators' versions.

By default every release from 2.1 on that pip can install. Each gets a Python of its own,
FOLDER/<release>/venv, made with pip on first use; an interrupted run goes on. The answers,
in float32, replace those of the same releases in `releases.json`, and `docs/releases.md` is
written anew (`--docs` does that alone).
"""

import argparse
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from absl import logging
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.errors import BokehError
from bokeh_tf.files import make_folder
from bokeh_tf.processes import run_command
from bokeh_tf.tflite.running import RUNTIME
from bokeh_tf.tflite.running.release import numbers
from tests.op_matrix import VERDICTS, asking, build_all, measured

OLDEST = (2, 1)
PRECISION = "float32"
# What runs a file in the release's Python; releases of 2.1 do not say that they need ml_dtypes.
_BESIDE_IT = ("ml_dtypes", "flatbuffers", "numpy", "opencv-python-headless", "pillow")
_OWN = ("absl-py", "msgspec", "rich")
_VERSIONS = re.compile(r"Available versions: (.+)")
_INSTALL_LIMIT_S = 1800
_CANNOT = (
    ("import ai_edge_litert.compiled_model", "it cannot be imported"),
    (
        "from pathlib import Path; import ai_edge_litert as a;"
        " assert list(Path(a.__path__[0]).glob('lib*Accelerator.so'))",
        "its wheel has no GPU delegate",
    ),
    (
        "from ai_edge_litert.compiled_model import GpuOptions",
        "from Python its GPU delegate cannot be told a precision",
    ),
)


_ALL = "*"
_ONLY = "files, such as 'conv*'; their answers are printed, and nothing is written"


def main(argv=None):
    """Measures, writes the record and the page; of some of the files alone it prints the answers,
    as a record has them all.
    """
    options = _parser().parse_args(argv)
    keeps = options.only == _ALL
    if not options.docs:
        names = options.releases or released()
        files = _files(make_folder(options.folder / "models"), options.only)
        for release in names:
            _measure(release, files, options.folder / release, keeps=keeps)
    if not keeps:
        return
    measured.write_page()
    print(f"written: {measured.PAGE}")


def _parser():
    parser = argparse.ArgumentParser(prog="python -m tests.op_matrix.releases", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("releases"))
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help="such as 2.1.5")
    parser.add_argument("--only", default=_ALL, metavar="GLOB", help=_ONLY)
    parser.add_argument("--docs", action="store_true", help="write the page alone")
    return parser


def released() -> list[str]:
    """The releases from `OLDEST` on that pip can install, the oldest first."""
    command = [sys.executable, "-m", "pip", "index", "versions", RUNTIME]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _VERSIONS.search(done.stdout)
    if found is None:
        raise BokehError(f"pip names no releases of {RUNTIME}. Name them: RELEASE ...")
    names = [name.strip() for name in found[1].split(",")]
    return sorted((name for name in names if numbers(name) >= OLDEST), key=numbers)


def _files(folder, pattern):
    """The files to ask about, by name: rule.<id>, version.<operator>.<n>, else of the matrix."""
    from tests.op_matrix.rule_files import write_rule_files
    from tests.op_matrix.version_files import write_version_files

    names = [name for name, verdict in VERDICTS.items() if not verdict.not_rebuilt]
    every = build_all(folder, names) | write_rule_files(folder)
    every |= write_version_files(folder, every)
    return {name: path for name, path in every.items() if fnmatch(name, pattern)}


def _measure(release, files, folder, *, keeps):
    console = Console(stderr=True)
    python = _python_of(release, folder / "venv")
    reason = next((words for code, words in _CANNOT if not _runs(python, code)), None)
    if reason:
        console.print(f"{release}: not measured, {reason}")
        if keeps:
            measured.keep(release, reason=reason)
        return
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"{RUNTIME} {release}", total=len(files))
        answers = asking.ask(
            python,
            files,
            folder / PRECISION,
            precision=PRECISION,
            on_progress=lambda done, count: progress.update(bar, completed=done, total=count),
        )
    if keeps:
        measured.keep(release, answers=answers)
    else:
        for name, one in answers.items():
            console.print(f"{release} {name}: {one.verdict}", markup=False, highlight=False)
    counts = {v: sum(one.verdict is v for one in answers.values()) for v in Verdict}
    console.print(release, ", ".join(f"{count} {v}" for v, count in counts.items() if count))


def _python_of(release, venv):
    """The interpreter of the release's own environment, made where it is not there yet."""
    python = venv / "bin" / "python"
    is_it = f"from importlib.metadata import version; assert version('{RUNTIME}') == '{release}'"
    if _runs(python, is_it):
        return python
    install = [str(python), "-m", "pip", "install", "--quiet", f"{RUNTIME}=={release}"]
    for command in ([sys.executable, "-m", "venv", str(venv)], [*install, *_BESIDE_IT, *_OWN]):
        done = run_command(command, timeout_s=_INSTALL_LIMIT_S)
        if done.return_code:
            raise BokehError(f"{release}: cannot be installed ({done.ending}).")
    return python


def _runs(python, code):
    if not python.exists():
        return False
    return run_command([str(python), "-I", "-c", code], timeout_s=60).return_code == 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.ERROR)
    main()

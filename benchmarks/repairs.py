"""What becomes of a folder of files that delegates refuse: each is repaired, and the result runs on
every engine that is asked for.

A file that is unchanged and still refused runs nowhere. One that an engine does not compute right
is asked of that engine as it was before, too: "made worse" is where that went better, and a wrong
picture is worse than a file that is left to the CPU. Files are taken by size, the smallest first; a
run that was interrupted goes on where the same command is given again.
"""

import csv
import math
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks import repairs_journal, repairs_tables
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.result import utc_now, write_document
from bokeh_tf.delegate import engines
from bokeh_tf.delegate.check import Steps, check_paths, find_models
from bokeh_tf.delegate.classic_gl.engine import default_python
from bokeh_tf.delegate.findings import TargetVerdict
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.errors import BokehError, CheckError, DataError
from bokeh_tf.repairing.outcome import RANKS
from bokeh_tf.repairing.recipes import ALSO
from bokeh_tf.repairing.repair import repair

SCHEMA_VERSION = 1
_ENGINES = (engines.ML_DRIFT, engines.CLASSIC_GL, engines.OPENVINO)
_MOST_REASONS = 3
_TIMEOUT_S = 600.0


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument(
        "--files", type=Path, nargs="+", required=True, help=".tflite files, or folders of them"
    )
    parser.add_argument(
        "--sizes",
        type=Path,
        metavar="CSV",
        help="a table with the columns file and static_input, such as 1x48x64x3; 1x4: sizes of the"
        " inputs of files that leave them free",
    )
    parser.add_argument(
        "--engines",
        default=engines.ML_DRIFT,
        metavar="LIST",
        help=f"names of engines, or none: {', '.join(_ENGINES)} (default: %(default)s)",
    )
    parser.add_argument(
        "--also",
        default="",
        metavar="LIST",
        help=f"what else to repair for, as bokeh-tf repair does: {', '.join(ALSO)}",
    )
    parser.add_argument(
        "--classic-gl-python",
        type=Path,
        metavar="FILE",
        help="a Python with mediapipe (or BOKEH_CLASSIC_GL_PYTHON)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=_TIMEOUT_S,
        metavar="SECONDS",
        help="for each repair, and for each engine on each file (default: %(default)g)",
    )


def run(options):
    """Runs the suite, prints its tables, writes the JSON and returns its path."""
    if not 0 < options.timeout < math.inf:
        raise CheckError("--timeout takes a number of seconds above 0.")
    also = tuple(name for name in options.also.split(",") if name)
    if set(also) - set(ALSO):
        raise CheckError(f"--also takes {', '.join(ALSO)}.")
    examination = Examination(_asked(options), _python(options), options.timeout, also)
    sizes = read_sizes(options.sizes) if options.sizes else {}
    paths = sorted(find_models(options.files), key=lambda path: (_size_bytes(path), path.name))
    environment, created_utc = read_environment(), utc_now()
    plan = {
        "suite": "repairs",
        "schema_version": SCHEMA_VERSION,
        "engines": sorted(one.name for one in examination.engines),
        "timeout_s": options.timeout,
        "also": sorted(also),
        "git_commit": environment.git_commit,
        "runtime": environment.runtime,
    }
    with repairs_journal.Journal(options.out, plan) as journal:
        rows = [
            journal.row(path, sizes.get(path.name), examination.row)
            for path in track(paths, "repairs", console=Console(stderr=True), transient=True)
        ]
        content = {
            **plan,
            "created_utc": created_utc,
            "environment": asdict(environment),
            "files": rows,
        }
        path = write_document(repairs_journal.as_json(content), options.out, "repairs", created_utc)
        journal.remove()
    repairs_tables.show(rows, examination.engines)
    return path


def read_sizes(path):
    """The sizes of the inputs by a file's name, from a table; files without one are left out."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["file"], row["static_input"]) for row in csv.DictReader(file)]
            return {name: _shapes(text) for name, text in rows if text}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(
            f"{path}: no table with the columns file and static_input, of sizes such as"
            f" 1x48x64x3; 1x4 ({error})."
        ) from error


def _shapes(text):
    return [tuple(map(int, shape.split("x"))) for shape in text.split("; ")]


def _asked(options):
    try:
        names = engines.asked(options.engines) - {engines.NONE}
    except ValueError as error:
        raise CheckError(str(error)) from error
    # Of whatever is there, results cannot be compared, and a compiler alone computes nothing.
    if names - set(_ENGINES):
        raise CheckError(f"Name engines of these: {', '.join(_ENGINES)}.")
    return names


def _python(options):
    python = options.classic_gl_python or default_python()
    if engines.CLASSIC_GL in _asked(options) and python is None:
        raise CheckError(f"{engines.CLASSIC_GL} needs --classic-gl-python FILE.")
    return python if engines.CLASSIC_GL in _asked(options) else None


def _size_bytes(path):
    try:
        return path.stat().st_size
    except OSError:
        return 0


class Examination:
    """What is done with each file: `engines` are asked, each for at most `timeout_s`."""

    def __init__(self, names, classic_gl_python, timeout_s, also=()):
        self.engines = tuple(one for one in engines.ENGINES if one.name in names)
        self._python = classic_gl_python
        self._timeout_s = timeout_s
        self._also = also

    def row(self, path, shapes):
        """All that became of one file; `error` where it could not be repaired at all."""
        is_probed = any(one.name == engines.ML_DRIFT for one in self.engines)
        try:
            repaired = repair(
                path,
                input_shapes=shapes,
                probe=is_probed,
                timeout_s=self._timeout_s,
                also=self._also,
            )
        except BokehError as error:
            return {"error": str(error)}
        row = _what_was_repaired(repaired)
        if repaired.content is None and not row["is_whole_by_rules"]:
            return {**row, "engines": {}}
        content = repaired.content or path.read_bytes()
        others = [one for one in self.engines if one.name != engines.ML_DRIFT]
        answers = self._ask(content, others)
        if is_probed:
            answers[engines.ML_DRIFT] = _entry(repaired.probe)
        bad = [one for one in self.engines if answers[one.name]["verdict"] != Verdict.FULL]
        before = self._ask(path.read_bytes(), bad) if bad and repaired.content else {}
        found = {name: compared(answer, before.get(name)) for name, answer in answers.items()}
        return {**row, "engines": found}

    def _ask(self, content, asked):
        """What some engines say of a file, by the engine's name."""
        names = {one.name for one in asked}
        steps = Steps(
            probe=engines.ML_DRIFT in names,
            classic_gl_python=self._python if engines.CLASSIC_GL in names else None,
            openvino=engines.OPENVINO in names,
            timeout_s=self._timeout_s,
        )
        with tempfile.TemporaryDirectory(prefix="bokeh_tf_repairs_") as folder:
            file = Path(folder) / "model.tflite"
            file.write_bytes(content)
            (report,) = check_paths([file], steps)
        return {one.name: _entry(one.answer(report)) for one in asked}


def _what_was_repaired(repaired):
    """The part of a row that no engine is asked for."""
    return {
        "error": None,
        "is_whole_by_rules": all(
            report.verdict is TargetVerdict.COMPATIBLE for report in repaired.after
        ),
        "is_changed": repaired.content is not None,
        "size_before_bytes": repaired.size_before_bytes,
        "size_bytes": repaired.size_bytes,
        "targets": {
            before.target: {
                "before": len(before.findings),
                "after": len(after.findings),
                "rules_without_opencl": sorted({one.rule for one in after.without_opencl}),
            }
            for before, after in zip(repaired.before, repaired.after, strict=True)
        },
        "recipes": list(dict.fromkeys(one.recipe for one in repaired.applied)),
        "largest_relative_difference": repaired.proof.largest if repaired.proof else None,
        "left": list(dict.fromkeys(f"{one.op}: {one.why}" for one in repaired.left)),
        "rolled_back": [f"{one.recipe}: {one.why}" for one in repaired.rolled_back],
        "notes": list(repaired.notes),
    }


def _entry(answer):
    """An engine's answer as plain objects; a verdict of None is none at all."""
    if answer is None or isinstance(answer, Unchecked):
        why = answer.reason if answer else "not asked"
        return {"verdict": None, "reasons": [why], "precisions": {}, "figure": ""}
    parts = getattr(answer, "precisions", ())
    reasons = [text for part in parts for text in part.reasons] or list(
        getattr(answer, "reasons", ())
    )
    return {
        "verdict": str(answer.verdict),
        "reasons": list(dict.fromkeys(reasons))[:_MOST_REASONS],
        "precisions": {part.precision: str(part.verdict) for part in parts},
        "figure": getattr(answer, "figure", ""),
    }


def compared(after, before):
    """The answer to a repaired file beside that to the file as it was, None where nobody asked."""
    ranks = [RANKS.index(one["verdict"]) for one in (before, after) if one and _is_told(one)]
    return {**after, "before": before, "is_worse": len(ranks) == 2 and ranks[0] < ranks[1]}


def _is_told(entry):
    return entry["verdict"] in RANKS

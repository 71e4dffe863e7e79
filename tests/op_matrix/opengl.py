"""`python -m tests.op_matrix.opengl FOLDER`: what the classic engine on OpenGL makes of the op matrix.

The engine lives in another Python, which the environment or `--python` names. Each answer goes to
FOLDER/opengl.jsonl at once, so that an interrupted run goes on; when all are there they replace
`opengl.json`: "engine", and verdict -> {variant: words, or for "full" the PSNR in dB}.

The rules agree where the engine computes exactly those right to which none objects.
`EXCEPTIONS` are the others, with the reason.
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from absl import logging
from rich.progress import track

from bokeh_tf.delegate.classic_gl import engine
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.files import make_folder, write_text
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.subject import subject_of
from tests.op_matrix import VERDICTS, build_all

RECORD = Path(__file__).with_name("opengl.json")
BUILT = tuple(name for name, verdict in VERDICTS.items() if not verdict.not_rebuilt)
_ENGINE = "mediapipe 1.2.3 on OpenGL ES 3.2, Mesa's llvmpipe"
_SCHEMA_VERSION = 1
_LIMIT_S = 300.0

EXCEPTIONS = {
    "floormod": "it jumps from 2 to 0, and half precision puts some numbers on the other side: 17 of"
    " 18,432 where the inputs alone are rounded, 30 dB, and the engine computes with such",
    "rng_softplus_big": "log(exp(x) + 1) is infinite on the CPU too, from 89, and in half precision"
    " from 11; right where the same engine computes in float32",
}


@dataclass(frozen=True)
class OpenGLAnswer:
    """What the engine made of a variant; `words` are its reason, and `psnr_db` is of what it
    computed right.
    """

    verdict: Verdict
    words: str = ""
    psnr_db: float | None = None


def read() -> dict[str, OpenGLAnswer]:
    """The recorded answers by variant."""
    verdicts = json.loads(RECORD.read_text(encoding="utf-8"))["verdicts"]
    return {
        name: OpenGLAnswer(Verdict(verdict), *(("", told) if verdict == "full" else (told, None)))
        for verdict, told_of in verdicts.items()
        for name, told in told_of.items()
    }


def ask(variant: str, path: Path, python: Path) -> OpenGLAnswer:
    """Asks the engine that an interpreter has about one variant's file."""
    from tests.op_matrix.feeding import fed_by_a_picture

    fed = fed_by_a_picture(path.read_bytes(), variant)
    report = engine.run(subject_of(fed), python=python, timeout_s=_LIMIT_S)
    psnr_db = round(report.psnr_db, 1) if report.verdict is Verdict.FULL else None
    return OpenGLAnswer(report.verdict, "; ".join(report.reasons), psnr_db)


def is_objected_to(path: Path) -> bool:
    """Whether a rule of the classic delegate, or one about OpenGL, speaks against a file."""
    report = lint(inspect(path), "v2")
    return bool(report.findings or report.without_opencl)


def differs(answer: OpenGLAnswer, path: Path) -> bool:
    """Whether rules and engine disagree; nothing is said of what the engine was not fed."""
    if answer.verdict is Verdict.UNAVAILABLE:
        return False
    return (answer.verdict is Verdict.FULL) is is_objected_to(path)


def main(argv=None):
    """Asks about every variant that the folder's journal does not hold, and writes the record."""
    parser = argparse.ArgumentParser(prog="python -m tests.op_matrix.opengl", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", type=Path, default=engine.default_python())
    options = parser.parse_args(argv)
    if options.python is None:
        parser.error(f"no Python with mediapipe: name one, --python or {engine.VARIABLE}")
    journal = make_folder(options.folder) / "opengl.jsonl"
    paths = build_all(options.folder / "models", BUILT)
    known = _journal(journal)
    for name in track([name for name in BUILT if name not in known], "classic GL"):
        answer = ask(name, paths[name], options.python)
        with journal.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps([name, answer.verdict, answer.words, answer.psnr_db]) + "\n")
    keep(_journal(journal))
    print(f"written: {RECORD}")


def _journal(path):
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {name: OpenGLAnswer(Verdict(verdict), *more) for name, verdict, *more in lines}


def keep(answers: dict[str, OpenGLAnswer]) -> None:
    """Writes the record."""
    verdicts: dict[str, dict[str, str | float | None]] = {}
    for name, answer in sorted(answers.items()):
        told = answer.psnr_db if answer.verdict is Verdict.FULL else answer.words
        verdicts.setdefault(str(answer.verdict), {})[name] = told
    document = {
        "schema_version": _SCHEMA_VERSION,
        "engine": _ENGINE,
        "verdicts": dict(sorted(verdicts.items())),
    }
    write_text(RECORD, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.ERROR)
    main()

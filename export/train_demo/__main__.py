"""`python -m export.train_demo OUT`: from photographs to a checked `.tflite`, by a training
that is killed on the way.

Fabricates labelled photographs, trains the flagship on them for a few minutes by its plan, kills
the training and resumes it, exports and checks the result, and compares its pictures of scenes
that it never saw with those of the fresh weights. All of it depends on fixed seeds alone. An
earlier demo in OUT is replaced.

Exit status: 0 done; 1 something could not be done, or the pictures are not better than before; 2
wrong usage; 3 the file failed its check; 130 interrupted.
"""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

import bokeh_tf.quiet_start  # noqa: F401 (before what takes time to import)
from bokeh_tf import exporting
from bokeh_tf.delegate.writers.summary import WORDS, lines_of
from bokeh_tf.delegate.writers.text import print_file
from bokeh_tf.escaping import printable, printable_lines
from bokeh_tf.files import make_folder, write_bytes
from bokeh_tf.models.weights import load_weights
from bokeh_tf.program import DONE, NOT_DONE, guarded, run_program
from export.train_demo import held_out
from export.train_demo.interrupted_run import MODEL, VARIANT, train_interrupted
from export.train_demo.photographs import write_photographs

_ANEW = "stopped; the same command begins anew"
_PRECISION = "float16"
_IMAGE_SHAPE = (512, 768)
_SUBJECTS, _BACKDROPS, _HELD_OUT = 48, 24, 4
_PHOTOGRAPHS_SEED, _HELD_OUT_SEED = 1, 2
_STEPS, _BATCHES_PER_CHECKPOINT = 240, 40


def main(arguments=None) -> int:
    """Runs the demo; returns the exit status."""
    options = _parse(arguments)
    return guarded("train_demo", lambda: _demo(options, Console()), when_interrupted=_ANEW)


def _demo(options, console):
    out = make_folder(options.out)
    console.print("Fabricating photographs")
    photos = write_photographs(
        out / "photographs", subjects=_SUBJECTS, backdrops=_BACKDROPS, seed=_PHOTOGRAPHS_SEED
    )
    scenes = held_out.make_scenes(_HELD_OUT, shape=_IMAGE_SHAPE, seed=_HELD_OUT_SEED)
    console.print("Exporting the network as it is before training")
    before = write_model(out / "before", convert_network())
    start_s = time.monotonic()
    run = train_interrupted(
        photos,
        out / "interrupted_run",
        steps=options.steps,
        batches_per_checkpoint=options.checkpoint_every,
        console=console,
    )
    minutes = (time.monotonic() - start_s) / 60
    console.print("Exporting and checking the network as it is after training")
    content = convert_network(run.weights)
    judged = exporting.check_and_judge(content, label=_file_name())
    if judged.code:
        print_file(judged, console)
        _complain(f"{_file_name()}: not written, it did not pass its check")
        return judged.code
    after = write_model(out / "after", content)
    rows = {
        "photographs": f"{photos}: {_SUBJECTS} with a subject in focus, {_BACKDROPS} without",
        "training": f"{options.steps} batches a phase in {minutes:.1f} min, killed and resumed"
        f" from batch {run.resumed_from}",
        "weights": run.weights,
        "model before": before,
        "model after": after,
        "check": "\n".join([WORDS[judged.code], *lines_of(judged)]),
    }
    return _compare(scenes, before, after, rows, out / "pictures", console)


def _compare(scenes, before, after, rows, folder, console):
    """Renders the scenes by both files, prints the table that `rows` begins,
    and returns the exit status.
    """
    pictures = [held_out.render_scenes(scenes, path) for path in (before, after)]
    joined = held_out.write_pictures(folder, scenes, before=pictures[0], after=pictures[1])
    scores = [held_out.score(rendered, scenes) for rendered in pictures]
    table = Table(
        "what", Column("result", overflow="fold"), title="bokeh-tf train demo", title_justify="left"
    )
    rows = {
        **rows,
        "untouched": held_out.score([scene.photo for scene in scenes], scenes),
        "before": scores[0],
        "after": scores[1],
        "before | after | truth": joined,
    }
    for what, result in rows.items():
        table.add_row(what, printable_lines(result))
    console.print(table, markup=False, highlight=False)
    return conclude(*scores)


def convert_network(weights=None) -> bytes:
    """The bytes of the `.tflite`, with the weights file `weights` or those
    that a training begins with.
    """
    model = exporting.build_model(MODEL, variant=VARIANT, image_shape=_IMAGE_SHAPE)
    if weights is not None:
        load_weights(model, weights)
    return exporting.convert_model(model, precision=_PRECISION)


def write_model(folder, content):
    """Writes the file's bytes into `folder`; returns its path."""
    path = make_folder(folder) / _file_name()
    write_bytes(path, content)
    return path


def conclude(before, after) -> int:
    """The exit status of two `held_out.Score`s; says on stderr what is wrong
    where `after` is not better.
    """
    if after.is_better_than(before):
        return DONE
    _complain(
        f"the pictures are not better than before the training: {after} after, {before} before."
        " Train for longer."
    )
    return NOT_DONE


def _file_name():
    return f"{exporting.artifact_name(MODEL, VARIANT, _PRECISION, _IMAGE_SHAPE)}.tflite"


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m export.train_demo",
        description="Trains the flagship on fabricated photographs, through a kill, to a checked"
        " file.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for all that the demo writes")
    parser.add_argument(
        "--steps",
        type=int,
        default=_STEPS,
        metavar="N",
        help=f"batches of each phase (default: {_STEPS})",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=int,
        default=_BATCHES_PER_CHECKPOINT,
        metavar="N",
        help=f"batches between checkpoints (default: {_BATCHES_PER_CHECKPOINT})",
    )
    options = parser.parse_args(arguments)
    # The kill comes with the checkpoint after two rounds, and must leave something to resume.
    if not 1 <= options.checkpoint_every <= options.steps // 3:
        parser.error("--checkpoint-every must be positive and at most a third of --steps.")
    return options


def _complain(message):
    text = f"train_demo: {printable(str(message))}"
    Console(stderr=True).print(text, soft_wrap=True, markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(run_program("train_demo", lambda: main))

"""Writing an app's folder: the templates of its kind, filled in for one file."""

import string
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from bokeh_tf import __version__
from bokeh_tf.apps import android_java, android_kotlin, cpp, swift, web
from bokeh_tf.apps.ports import Facts, facts_of
from bokeh_tf.apps.target import Target
from bokeh_tf.errors import ModelFileError
from bokeh_tf.folders import write_files
from bokeh_tf.tflite.subject import Model

TARGETS = {one.TARGET.name: one.TARGET for one in (android_kotlin, android_java, cpp, swift, web)}


class _Template(string.Template):
    # `$` means something in Kotlin, JavaScript and shells.
    delimiter = "@@"


def write_app(
    model: Model,
    target: Target,
    folder: Path,
    *,
    input_range: Sequence[float] | None = None,
    output_range: Sequence[float] | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Writes source code that runs a file, and a copy of the file beside it.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`.
        folder: made where it does not exist.
        input_range: (lowest, highest) of its photo, where the file does not say.
        output_range: the same of its picture.
        overwrite: whether files of the same names there may be replaced that are not as an
            earlier run wrote them.

    Returns:
        What was written; the model comes last.

    Raises:
        ModelFileError: the file cannot be read, or has a type that the runtime has no arrays of.
        OutputError: such a file is there, or nothing can be written there.
    """
    facts = facts_of(model, input_range=input_range, output_range=output_range)
    texts = app_texts(facts, target)
    content = {name: text.encode() for name, text in texts.items()}
    return write_files(folder, {**content, facts.asset: facts.content}, overwrite=overwrite)


def app_texts(facts: Facts, target: Target) -> dict[str, str]:
    """The files of an app, by their name in its folder.

    Raises:
        ModelFileError: an input or output has a type that the runtime has no arrays of.
    """
    _check_types(facts, target)
    has_pictures = facts.photo is not None and facts.picture is not None
    values = {**_common(facts, target), **target.lines(facts)}
    if has_pictures:
        values |= _of_pictures(facts)
    names = (*target.always, *(target.for_photos if has_pictures else ()))
    folder = files("bokeh_tf.apps") / "templates" / target.name.replace("-", "_")
    return {
        name: _Template((folder / name).read_text(encoding="utf-8")).substitute(values)
        for name in names
    }


def _check_types(facts, target):
    for port in (*facts.inputs, *facts.outputs):
        if port.dtype not in target.types:
            raise ModelFileError(
                f"{facts.asset}: {port.name} is {port.dtype}, which {target.title} has no arrays"
                " of."
                f" Known: {', '.join(target.types)}. bokeh-tf repair --allow-interface may change"
                " it."
            )


def _common(facts, target):
    return {
        "asset": facts.asset,
        "sha256": facts.sha256,
        "version": __version__,
        "tried": target.tried,
        "inputs": "\n".join(f"//   {port.described}" for port in facts.inputs),
        "outputs": "\n".join(f"//   {port.described}" for port in facts.outputs),
        "ports": "\n".join(
            f"- {side} {number}, {port.described}"
            for side, ports in (("input", facts.inputs), ("output", facts.outputs))
            for number, port in enumerate(ports)
        ),
        "pictures": _pictures(facts),
    }


def _pictures(facts):
    """What the README says of photos."""
    if facts.beside_photo:
        others = " and ".join(port.name for port in facts.beside_photo)
        return f"Beside the photo it takes what no photo holds, {others}, so you fill the arrays."
    if facts.photo is None:
        return (
            "No input is a photo of floats whose range is known, so you fill the arrays. If one is"
            " a photo, say what"
            " its values are: `bokeh-tf app --input-range 0 1`."
        )
    if facts.picture is None:
        return (
            "No output is a picture whose range is known, so you read the arrays. If one is a"
            " picture, say what its"
            " values are: `bokeh-tf app --output-range 0 1`."
        )
    text = (
        "`render` takes a photo of any size, cuts its centre to the model's proportions, and"
        " gives the picture."
    )
    if facts.focus is None:
        return text
    return (
        f"{text} Tap to focus: give it the row and the column of the tap, each from 0 to 1"
        " (negative: the model"
        " decides), and the aperture from 0, all sharp, to 1 (negative: the model's own)."
    )


def _of_pictures(facts):
    low, high = facts.photo.value_range
    picture_low, picture_high = facts.picture.value_range
    return {
        "height": str(facts.photo.shape[1]),
        "width": str(facts.photo.shape[2]),
        "low": f"{low:.9g}",
        "high": f"{high:.9g}",
        "picture_height": str(facts.picture.shape[1]),
        "picture_width": str(facts.picture.shape[2]),
        "picture_channels": str(facts.picture.shape[3]),
        "picture_low": f"{picture_low:.9g}",
        "picture_high": f"{picture_high:.9g}",
    }

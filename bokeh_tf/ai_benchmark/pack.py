"""Writing a pack: the model under the app's name, the settings card as text and as a
picture, and the result sheet.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.ai_benchmark.card import (
    DEFAULT_ITERATIONS,
    MODEL_NAME,
    Card,
    is_card,
    make_card,
    to_markdown,
)
from bokeh_tf.ai_benchmark.requirements import accept
from bokeh_tf.ai_benchmark.sheet import SHEET_NAME, blank_sheet, is_blank
from bokeh_tf.errors import CheckError, OutputError
from bokeh_tf.files import make_folder, refuse_inputs, write_bytes
from bokeh_tf.paths import exists

CARD_NAME = "card.md"
PICTURE_NAME = "card.png"
# As large as a .tflite can be.
_LIMIT_BYTES = 2**31


@dataclass(frozen=True)
class Pack:
    """A pack as written: its folder's files, in the order in which a person needs them."""

    card: Card
    model: Path
    files: tuple[Path, ...]


def write_pack(
    path, folder, *, input_range=None, iterations=DEFAULT_ITERATIONS, app_release=None
) -> Pack:
    """Makes the pack of the model at `path` in `folder`; the same file gives the
    same pack, byte for byte.

    Args:
        path: a `.tflite` file.
        folder: made if needed. What is no earlier pack's, and a sheet in which
            anything is filled in, is kept.
        input_range: see `accept`.
        iterations: how many runs the app is told to make.
        app_release: see `accept`.

    Raises:
        ModelFileError: the app would not take the file.
        OutputError: the folder cannot be written, or holds what is not ours to replace.
    """
    from bokeh_tf.ai_benchmark.card_picture import to_png

    accepted = accept(path, input_range=input_range, app_release=app_release)
    card = make_card(accepted, iterations=iterations)
    picture = to_png(card)
    folder = make_folder(folder)
    files = tuple(folder / name for name in (MODEL_NAME, CARD_NAME, PICTURE_NAME, SHEET_NAME))
    refuse_inputs(files, [path])
    _keep_others(folder, accepted.content)
    contents = (accepted.content, to_markdown(card).encode(), picture, blank_sheet(card).encode())
    for file, content in zip(files, contents, strict=True):
        write_bytes(file, content)
    return Pack(card, files[0], files)


def _keep_others(folder, content):
    """Raises where a file that is not ours to replace lies under a name of the pack's."""
    sheet, model = folder / SHEET_NAME, folder / MODEL_NAME
    card, picture = folder / CARD_NAME, folder / PICTURE_NAME
    if exists(sheet):
        _require_blank(sheet)
    if exists(card) and not is_card(_bytes_of(card)):
        raise OutputError(f"{card}: is not a card of ours. Choose a new folder for the pack.")
    if exists(picture) and not _is_our_picture(_bytes_of(picture)):
        raise OutputError(f"{picture}: is not a picture of ours. Choose a new folder for the pack.")
    if exists(model) and (old := _bytes_of(model)) != content and not _is_ours(old, card):
        raise OutputError(
            f"{model}: is another model, and no pack's. Choose a new folder for the pack."
        )


def _require_blank(sheet):
    try:
        if is_blank(sheet):
            return
    except CheckError as error:
        raise OutputError(
            f"{sheet}: is not a blank sheet of ours. Choose a new folder for the pack."
        ) from error
    raise OutputError(
        f"{sheet}: holds results or notes. Import them, then choose a new folder for the pack."
    )


def _is_our_picture(content):
    from bokeh_tf.ai_benchmark.card_picture import is_card_picture

    return is_card_picture(content)


def _is_ours(content, card):
    """Whether the card beside a model is this model's, so that both are from an earlier pack."""
    return exists(card) and hashlib.sha256(content).hexdigest().encode() in _bytes_of(card)


def _bytes_of(path):
    try:
        return paths.read_bytes(path, limit_bytes=_LIMIT_BYTES)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be read ({error.strerror}). Choose a new folder for the pack."
        ) from error

"""Writing a pack: the model under the app's name, the settings card as text and as a picture, and the result sheet."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.ai_benchmark.card import DEFAULT_ITERATIONS, MODEL_NAME, Card, make_card, to_markdown
from bokeh_tf.ai_benchmark.requirements import accept
from bokeh_tf.ai_benchmark.sheet import SHEET_NAME, blank_sheet, read_sheet
from bokeh_tf.errors import CheckError, OutputError
from bokeh_tf.files import make_folder, write_bytes

CARD_NAME = "card.md"
PICTURE_NAME = "card.png"


@dataclass(frozen=True)
class Pack:
    """A pack as written: its folder's files, in the order in which a person needs them."""

    card: Card
    model: Path
    files: tuple[Path, ...]


def write_pack(path, folder, *, input_range=None, iterations=DEFAULT_ITERATIONS, app_release=None) -> Pack:
    """Makes the pack of the model at `path` in `folder`; the same file gives the same pack, byte for byte.

    Args:
        path: a `.tflite` file.
        folder: made if needed. Results and other models in it are never overwritten.
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
    _keep_others(folder, accepted.content)
    files = tuple(folder / name for name in (MODEL_NAME, CARD_NAME, PICTURE_NAME, SHEET_NAME))
    contents = (accepted.content, to_markdown(card).encode(), picture, blank_sheet(card).encode())
    for file, content in zip(files, contents, strict=True):
        write_bytes(file, content)
    return Pack(card, files[0], files)


def _keep_others(folder, content):
    """Raises where a file that is not ours to replace lies under a name of the pack's."""
    sheet, model = folder / SHEET_NAME, folder / MODEL_NAME
    try:
        if sheet.exists() and read_sheet(sheet):
            raise OutputError(f"{sheet}: holds results. Import them, then choose a new folder for the pack.")
    except CheckError as error:
        raise OutputError(f"{sheet}: is not a blank sheet of ours. Choose a new folder for the pack.") from error
    if model.exists() and (old := _bytes_of(model)) != content and not _is_ours(old, folder / CARD_NAME):
        raise OutputError(f"{model}: is another model, and no pack's. Choose a new folder for the pack.")


def _is_ours(content, card):
    """Whether the card beside a model is this model's, so that both are from an earlier pack."""
    return card.exists() and hashlib.sha256(content).hexdigest().encode() in _bytes_of(card)


def _bytes_of(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror}). Choose a new folder for the pack.") from error

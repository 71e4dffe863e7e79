"""Names of an output's classes: read from a text file with one a line, and fitted to the output."""

from collections.abc import Sequence
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.errors import ConversionError, ModelFileError
from bokeh_tf.tflite.standard_metadata import Labels

# A list of every English word is smaller.
_LARGEST_BYTES = 2**22


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels of a file, in its order.

    Raises:
        ModelFileError: it cannot be read, or is no such list.
    """
    label = paths.printable(path)
    try:
        text = paths.read_bytes(path, limit_bytes=_LARGEST_BYTES).decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(f"{label}: cannot read these labels ({reason}).") from error
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{label}: not text in UTF-8. Labels are one name a line.") from error
    names = tuple(line.strip() for line in text.rstrip().splitlines())
    for place, name in enumerate(names, start=1):
        if not name or not name.isprintable():
            raise ModelFileError(f"{label}: line {place} is no name. Labels are one name a line.")
    if not names:
        raise ModelFileError(f"{label}: empty. Labels are one name a line.")
    return names


def labels_of(
    wanted: Sequence[tuple[str | None, Sequence[str]]],
    label: str,
    outputs: Sequence,
    names: Sequence[str],
) -> dict[str, Labels]:
    """Labels by the output that they belong to.

    Args:
        wanted: (output, its labels); None stands for the only output.
        label: what messages call the model.
        outputs: the model's outputs as Keras tensors, `names` what they are called.

    Raises:
        ConversionError: there is no such output, it is named twice, or has not as many classes.
    """
    found: dict[str, Labels] = {}
    for name, classes in wanted:
        if name is None and len(names) > 1:
            raise ConversionError(
                f"{label}: has {len(names)} outputs. Say whose labels these are: --labels"
                f" OUTPUT=FILE, OUTPUT being one of {', '.join(names)}."
            )
        name = names[0] if name is None else name
        if name not in names:
            raise ConversionError(
                f"{label}: --labels names {name}, which is no output. Known: {', '.join(names)}."
            )
        if name in found:
            raise ConversionError(f"{label}: --labels of {name} is given twice. Give one of them.")
        file = "labels.txt" if len(wanted) == 1 else f"labels_{len(found) + 1}.txt"
        found[name] = _fitted(label, name, outputs[names.index(name)], file, tuple(classes))
    return found


def _fitted(label, name, output, file, classes):
    """Labels of channels, or of the numbers that an output of whole numbers may hold."""
    if "int" in output.dtype:
        return Labels(file, classes, are_of_values=True)
    if output.shape[-1] != len(classes):
        raise ConversionError(
            f"{label}: output {name} has {output.shape[-1]} channels and its labels are"
            f" {len(classes)}. Give one label for each channel."
        )
    return Labels(file, classes)

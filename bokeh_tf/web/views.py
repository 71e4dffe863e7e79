"""What a page is told of outputs that are shown one at a time, for files that make no picture of a
photo but maps or numbers.
"""

from collections.abc import Sequence

from bokeh_tf.apps.ports import RGB_CHANNELS, Facts, Port, is_picture

_BATCHED_RANKS = (3, 4)


def is_colour_picture(port: Port) -> bool:
    """Whether an output is shown as a picture beside the photo."""
    return is_picture(port, channels=(RGB_CHANNELS,))


def views_of(facts: Facts, labels: Sequence[tuple[str, ...] | None]) -> list[dict]:
    """Of each output its name, `kind` ("picture", "grey", "classes" or "numbers"), sizes and labels.

    Args:
        facts: of a file with a photo.
        labels: names of each output's classes, as `output_labels` returns them.
    """
    assert facts.photo is not None
    photo_size = facts.photo.shape[1:3]
    return [
        _view(port, names, photo_size) for port, names in zip(facts.outputs, labels, strict=True)
    ]


def _view(port, names, photo_size):
    size = _map_size(port.shape, photo_size)
    channels = port.shape[3] if len(port.shape) == 4 else 1
    view = {"name": port.camel, "title": port.name, "labels": names and list(names)}
    if size is None:
        return {**view, "kind": "numbers", "size": port.size}
    view |= {"height": size[0], "width": size[1], "channels": channels}
    if is_colour_picture(port):
        low, high = port.value_range
        return {**view, "kind": "picture", "low": low, "high": high}
    # One channel is of classes that the file itself has chosen if it has whole numbers, or names.
    # Of floats without names the page sees by their values whether they are whole numbers.
    are_classes = channels > 1 or port.dtype == "int32" or names is not None
    # A picture whose range nobody said looks like three classes.
    may_be_picture = channels == RGB_CHANNELS and names is None and port.dtype == "float32"
    return {**view, "kind": "classes" if are_classes else "grey", "mayBePicture": may_be_picture}


def _map_size(shape, photo_size):
    """(height, width) of an output that is a map, else None.

    Three dimensions, or two without a batch, are a map without channels only where it has the
    photo's proportions: a list of boxes has as many.
    """
    is_batched = len(shape) in _BATCHED_RANKS and shape[0] == 1
    size = shape[1:3] if is_batched else shape
    if len(size) != 2 or min(size) < 2:
        return None
    height, width = size
    has_proportions = height * photo_size[1] == width * photo_size[0]
    return (height, width) if len(shape) == 4 or has_proportions else None

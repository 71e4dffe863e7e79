"""TensorFlow Lite's own metadata, `TFLITE_METADATA`, beside ours: MediaPipe Tasks
and Android's tools read it.

Written from our description of a file, and only what that knows: a name for each input and output,
the range of its values, that an input is a picture, how pixels from 0 to 255 become its values, and
which list names an output's classes. The lists themselves lie behind the model. The buffer is a
FlatBuffer of the schema `metadata_schema.fbs` 1.5 with the identifier M001; the numbers below are
the places of fields in its tables.
"""

from dataclasses import dataclass

import flatbuffers

from bokeh_tf.tflite.associated_files import with_files
from bokeh_tf.tflite.inspection import STANDARD_METADATA_NAME
from bokeh_tf.tflite.metadata import PHOTO_ENCODING, with_metadata

_IDENTIFIER = b"M001"
# The first parser that knows all that is written here.
_LEAST_PARSER = "1.0.0"
_MODEL_NAME, _MODEL_VERSION, _MODEL_SUBGRAPHS, _MODEL_LEAST_PARSER, _MODEL_FIELDS = 0, 2, 3, 7, 8
_GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_FIELDS = 2, 3, 10
_TENSOR_NAME, _TENSOR_CONTENT, _TENSOR_UNITS, _TENSOR_STATS, _TENSOR_FILES = 0, 3, 4, 5, 6
_TENSOR_FIELDS = 7
_FILE_NAME, _FILE_KIND, _FILE_FIELDS = 0, 2, 5
_AXIS_LABELS, _VALUE_LABELS = 2, 3
_CONTENT_KIND, _CONTENT_VALUE, _CONTENT_FIELDS = 0, 1, 3
_FEATURE, _IMAGE = 1, 2
_IMAGE_COLOURS, _IMAGE_SIZE, _RGB = 0, 1, 1
_UNIT_KIND, _UNIT_VALUE, _NORMALISATION = 0, 1, 1
_MEAN, _STANDARD_DEVIATION = 0, 1
_STATS_MAX, _STATS_MIN = 0, 1
_LARGEST_PIXEL = 255.0
_RGB_CHANNELS = 3


@dataclass(frozen=True)
class Labels:
    """Names of an output's classes: one for each channel, or, with `are_of_values`, for each number
    that its elements may be. `file` is what their list is called behind the model.
    """

    file: str
    names: tuple[str, ...]
    are_of_values: bool = False


def with_standard_metadata(
    content: bytes, description: dict, *, labels: dict[str, Labels] | None = None
) -> bytes:
    """A file of ours with the standard's metadata added; `description` is what
    `ModelFile.metadata` holds, `labels` those of outputs by their names.
    """
    labels = labels or {}
    described = with_metadata(
        content, STANDARD_METADATA_NAME, standard_metadata(description, labels=labels)
    )
    lists = {one.file: ("\n".join(one.names) + "\n").encode() for one in labels.values()}
    return with_files(described, lists)


def standard_metadata(description: dict, *, labels: dict[str, Labels] | None = None) -> bytes:
    """The standard's buffer for a file with this description and these `labels`."""
    labels = labels or {}
    builder = flatbuffers.Builder(1024)
    inputs = [_tensor(builder, one, is_input=True) for one in description["inputs"]]
    outputs = [
        _tensor(builder, one, is_input=False, labels=labels.get(one["name"]))
        for one in description["outputs"]
    ]
    graph = {_GRAPH_INPUTS: _vector(builder, inputs), _GRAPH_OUTPUTS: _vector(builder, outputs)}
    subgraphs = _vector(builder, [_table(builder, _GRAPH_FIELDS, graph)])
    model = {
        _MODEL_NAME: builder.CreateString(f"{description['model']}.{description['variant']}"),
        _MODEL_VERSION: builder.CreateString(description["package_version"]),
        _MODEL_SUBGRAPHS: subgraphs,
        _MODEL_LEAST_PARSER: builder.CreateString(_LEAST_PARSER),
    }
    builder.Finish(_table(builder, _MODEL_FIELDS, model), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _tensor(builder, entry, *, is_input, labels=None):
    fields = {_TENSOR_NAME: builder.CreateString(entry["name"])}
    is_picture = (
        is_input and entry.get("encoding") == PHOTO_ENCODING and entry["shape"][-1] == _RGB_CHANNELS
    )
    fields[_TENSOR_CONTENT] = _content(builder, entry["shape"], is_picture)
    if entry["range"]:
        low, high = map(float, entry["range"])
        if is_picture:
            fields[_TENSOR_UNITS] = _vector(builder, [_normalisation(builder, low, high)])
        stats = {_STATS_MAX: _floats(builder, [high]), _STATS_MIN: _floats(builder, [low])}
        fields[_TENSOR_STATS] = _table(builder, 2, stats)
    if labels is not None:
        fields[_TENSOR_FILES] = _vector(builder, [_list_of_labels(builder, labels)])
    return _table(builder, _TENSOR_FIELDS, fields)


def _content(builder, shape, is_picture):
    if not is_picture:
        properties = _table(builder, 0, {})
    else:
        builder.StartObject(2)
        builder.PrependUint32Slot(0, shape[2], 0)
        builder.PrependUint32Slot(1, shape[1], 0)
        size = builder.EndObject()
        builder.StartObject(2)
        builder.PrependInt8Slot(_IMAGE_COLOURS, _RGB, 0)
        builder.PrependUOffsetTRelativeSlot(_IMAGE_SIZE, size, 0)
        properties = builder.EndObject()
    builder.StartObject(_CONTENT_FIELDS)
    builder.PrependUint8Slot(_CONTENT_KIND, _IMAGE if is_picture else _FEATURE, 0)
    builder.PrependUOffsetTRelativeSlot(_CONTENT_VALUE, properties, 0)
    return builder.EndObject()


def _normalisation(builder, low, high):
    """(pixel - mean) / deviation runs from `low` to `high` where a pixel runs from 0 to 255."""
    deviation = _LARGEST_PIXEL / (high - low)
    numbers = {
        _MEAN: _floats(builder, [0.0 - low * deviation]),
        _STANDARD_DEVIATION: _floats(builder, [deviation]),
    }
    options = _table(builder, 2, numbers)
    builder.StartObject(2)
    builder.PrependUint8Slot(_UNIT_KIND, _NORMALISATION, 0)
    builder.PrependUOffsetTRelativeSlot(_UNIT_VALUE, options, 0)
    return builder.EndObject()


def _list_of_labels(builder, labels):
    name = builder.CreateString(labels.file)
    builder.StartObject(_FILE_FIELDS)
    builder.PrependUOffsetTRelativeSlot(_FILE_NAME, name, 0)
    kind = _VALUE_LABELS if labels.are_of_values else _AXIS_LABELS
    builder.PrependInt8Slot(_FILE_KIND, kind, 0)
    return builder.EndObject()


def _table(builder, count, offsets):
    """A table of `count` fields, those of `offsets` set: strings, vectors and tables
    that are written already.
    """
    builder.StartObject(count)
    for place, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(place, offset, 0)
    return builder.EndObject()


def _vector(builder, offsets):
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _floats(builder, values):
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()

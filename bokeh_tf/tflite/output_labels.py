"""Names of the classes of a file's outputs, as TensorFlow Lite's metadata and the lists behind the
model say them.

The numbers below are the places of fields in the tables of `metadata_schema.fbs`.
"""

from bokeh_tf.paths import printable
from bokeh_tf.tflite.associated_files import files_of
from bokeh_tf.tflite.flatbuffer import Reader
from bokeh_tf.tflite.subject import Subject

_MODEL_SUBGRAPHS, _GRAPH_OUTPUTS, _TENSOR_FILES = 3, 3, 6
_FILE_NAME, _FILE_KIND = 0, 2
# Names of an axis's places, and of an element's possible values.
_LABELS = (2, 3)
_MOST_CHARACTERS = 60


def output_labels(subject: Subject) -> tuple[tuple[str, ...] | None, ...]:
    """The names of each output's classes, in the file's order; None where it lists none.

    Raises:
        ModelFileError: the metadata is damaged.
    """
    described = subject.model_file.standard_metadata
    outputs = () if described is None else _outputs(Reader(bytes(described), subject.label))
    if len(outputs) != len(subject.model_file.outputs):
        return (None,) * len(subject.model_file.outputs)
    lists = files_of(subject.content)
    return tuple(_of(output, lists) for output in outputs)


def _outputs(reader):
    graphs = reader.root().tables(_MODEL_SUBGRAPHS)
    return graphs[0].tables(_GRAPH_OUTPUTS) if graphs else ()


def _of(output, lists):
    for file in output.tables(_TENSOR_FILES):
        content = lists.get(file.text(_FILE_NAME))
        if content is not None and file.number(_FILE_KIND, "<b") in _LABELS:
            return _names(content.decode("utf-8-sig", "replace"))
    return None


def _names(text):
    # Not splitlines(), to which other characters of a name end a line too.
    *lines, unended = text.split("\n")
    # A blank line is a class without a name, so that the later ones keep their numbers.
    if unended:
        lines.append(unended)
    names = (printable(line.strip(), most_characters=_MOST_CHARACTERS) for line in lines)
    return tuple(names) or None

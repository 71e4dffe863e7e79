"""What this package writes into its `.tflite` files: names, one signature, and a JSON description.

The JSON lies in a metadata buffer named "bokeh_tf" and lists inputs and outputs in the file's own
order: `{"schema_version": 1, "model", "variant", "package_version", "precision", "inputs":
[{"name", "shape", "layout", "range", "encoding"}], "outputs": [{"name", "shape", "layout",
"range"}], "min_runtime_version"}`. Nothing is concluded from a name or a shape: `range` is null
where nobody said which values a tensor holds or where it is unbounded, `encoding` where nobody said
that an input is a photo, `layout` where a tensor is no picture or map. `inspection` reads it back.
"""

import json

import numpy as np
from ai_edge_litert import schema_py_generated as schema

import bokeh_tf
from bokeh_tf.tflite.inspection import METADATA_NAME
from bokeh_tf.tflite.rewriting import pack, unpack

SCHEMA_VERSION = 1
SIGNATURE_KEY = "serving_default"
# The encoding of an input that is a photo.
PHOTO_ENCODING = "sRGB RGB"
# Dimensions of a batch of pictures or maps.
_NHWC_RANK = 4


def describe(model_name, *, precision, file, input_names, output_names, facts):
    """The description of a converted model.

    Args:
        model_name: "<model>.<variant>"; without a dot the variant is "base".
        precision: of its weights.
        file: the `ModelFile` that the converter wrote.
        input_names: in the file's order.
        output_names: in the file's order.
        facts: what is known of tensors by their names, see `conversion.tensor_facts`.
    """
    model, _, variant = (
        model_name.rpartition(".") if "." in model_name else (model_name, "", "base")
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "variant": variant,
        "package_version": bokeh_tf.__version__,
        "precision": precision,
        "inputs": [
            _input(name, tensor, facts)
            for name, tensor in zip(input_names, file.inputs, strict=True)
        ],
        "outputs": [
            _output(name, tensor, facts)
            for name, tensor in zip(output_names, file.outputs, strict=True)
        ],
        "min_runtime_version": file.min_runtime_version,
    }


def _input(name, tensor, facts):
    return {**_output(name, tensor, facts), "encoding": facts.get(name, {}).get("encoding")}


def _output(name, tensor, facts):
    layout = "NHWC" if len(tensor.shape) == _NHWC_RANK else None
    pair = facts.get(name, {}).get("range")
    return {
        "name": name,
        "shape": list(tensor.shape),
        "layout": layout,
        "range": pair and list(pair),
    }


def embed(content, description):
    """Returns the `.tflite` bytes `content` with `description` and its names for
    inputs and outputs in them.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    inputs = _renamed(graph, graph.inputs, description["inputs"])
    outputs = _renamed(graph, graph.outputs, description["outputs"])
    model.signatureDefs = [_signature(inputs, outputs)]
    model.buffers.append(_buffer(json.dumps(description, sort_keys=True).encode("utf-8")))
    model.metadata.append(_metadata_entry(len(model.buffers) - 1))
    return pack(model, size_hint_bytes=len(content))


def with_metadata(content: bytes, name: str, data: bytes) -> bytes:
    """Returns the `.tflite` bytes `content` with one more metadata buffer."""
    model = unpack(content)
    model.buffers.append(_buffer(data))
    model.metadata = [*(model.metadata or ()), _metadata_entry(len(model.buffers) - 1, name)]
    return pack(model, size_hint_bytes=len(content))


def redescribed(content, *, precision):
    """Returns a file of ours whose weights were changed, with a description that
    says so; any other as it is.
    """
    model = unpack(content)
    for entry in model.metadata or ():
        if entry.name in (METADATA_NAME, METADATA_NAME.encode()):
            description = json.loads(bytes(model.buffers[entry.buffer].data))
            # The converter's word on the least runtime was for other operators.
            description |= {"precision": precision, "min_runtime_version": None}
            model.buffers[entry.buffer] = _buffer(
                json.dumps(description, sort_keys=True).encode("utf-8")
            )
            graph = model.subgraphs[0]
            _free_names(graph, [output["name"] for output in description["outputs"]])
            _renamed(graph, graph.outputs, description["outputs"])
            return pack(model, size_hint_bytes=len(content))
    return content


def _free_names(graph, names):
    """Takes the outputs' names from the tensors that had them before more nodes were appended."""
    for tensor in graph.tensors:
        name = tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name
        if name in names:
            tensor.name = f"{name}_inner"


def _renamed(graph, indices, descriptions):
    """Gives the tensors the names from `descriptions`; returns their signature
    entries, in the same order.
    """
    entries = []
    is_output = indices is graph.outputs
    for index, description in zip(indices, descriptions, strict=True):
        # An output that is an input has one tensor, called as the input.
        if not (is_output and index in graph.inputs):
            graph.tensors[index].name = description["name"]
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = description["name"], int(index)
        entries.append(entry)
    return entries


def _signature(inputs, outputs):
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE_KEY, 0
    signature.inputs, signature.outputs = inputs, outputs
    return signature


def _buffer(data):
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    return buffer


def _metadata_entry(buffer_index, name=METADATA_NAME):
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, buffer_index
    return entry

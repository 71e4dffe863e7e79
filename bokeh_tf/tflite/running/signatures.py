"""What a file's signatures run, for feeding them: inputs and outputs in the file's own order.

Read with the generated schema code, which trusts the file: for child processes only.
"""

import struct
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite import rewriting
from bokeh_tf.tflite.model_file import is_quantisation
from bokeh_tf.tflite.running.integer_bounds import integer_bounds
from bokeh_tf.tflite.running.runtime import UNNAMED

_INTEGER_TYPES = frozenset(
    getattr(schema.TensorType, name)
    for name in ("INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64")
)
# What the generated code raises where tables or indices lead nowhere.
DAMAGE = (struct.error, ValueError, TypeError, LookupError, AttributeError, OverflowError)


@dataclass(frozen=True)
class Port:
    """An input or output. `name` is the signature's, or the tensor's where there is none.

    `bounds` are the smallest and largest integer that the graph can take there, None for other
    types and for quantised tensors, which take all that their type holds. `shape_signature` has -1
    where a dimension is dynamic.
    """

    name: str
    index: int
    bounds: tuple[int, int] | None
    is_quantised: bool
    shape_signature: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """One signature; `key` is None for a file without signatures, which has one such graph.

    `passed_through` are the tensors that are an input and an output at once:
    no operation computes them.
    """

    key: str | None
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    passed_through: frozenset[int]

    @property
    def has_unique_names(self) -> bool:
        """Whether no two inputs, and no two outputs, are called the same."""
        return all(
            len({port.name for port in ports}) == len(ports)
            for ports in (self.inputs, self.outputs)
        )


def find_graphs(content: bytes) -> tuple[Graph, ...]:
    """The graphs of a file, in the order of its signatures.

    Raises:
        ModelFileError: its tables or indices lead nowhere.
    """
    try:
        return _find_graphs(rewriting.unpack(content))
    except DAMAGE as error:
        raise ModelFileError(f"{UNNAMED}: its tables are damaged ({error}).") from error


def _find_graphs(model):
    if not model.signatureDefs:
        graph = model.subgraphs[0]
        return (
            _graph(
                model,
                None,
                graph,
                _own_names(graph, graph.inputs),
                _own_names(graph, graph.outputs),
            ),
        )
    found = []
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        inputs = _in_file_order(signature.inputs, graph.inputs)
        outputs = _in_file_order(signature.outputs, graph.outputs)
        found.append(_graph(model, _text(signature.signatureKey), graph, inputs, outputs))
    return tuple(found)


def _graph(model, key, graph, inputs, outputs):
    return Graph(
        key,
        tuple(_port(model, graph, name, index) for name, index in inputs),
        tuple(_port(model, graph, name, index) for name, index in outputs),
        frozenset(index for _, index in outputs) & frozenset(index for _, index in inputs),
    )


def _port(model, graph, name, index):
    tensor = graph.tensors[index]
    is_quantised = _is_quantised(tensor.quantization)
    bounds = (
        None
        if is_quantised or tensor.type not in _INTEGER_TYPES
        else integer_bounds(model, graph, index)
    )
    signature = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return Port(
        name, index, bounds, is_quantised, tuple(map(int, () if signature is None else signature))
    )


def _is_quantised(quantisation):
    if quantisation is None:
        return False
    scale_count = 0 if quantisation.scale is None else len(quantisation.scale)
    return is_quantisation(scale_count, quantisation.detailsType)


def _own_names(graph, tensors):
    return [(_text(graph.tensors[tensor].name), int(tensor)) for tensor in tensors]


def _in_file_order(ports, tensors):
    """A signature lists its ports in any order; those of the main graph's own list
    come first and in its order.
    """
    place = {int(tensor): number for number, tensor in enumerate(tensors)}
    entries = [(_text(port.name), int(port.tensorIndex)) for port in ports or ()]
    return sorted(entries, key=lambda entry: place.get(entry[1], len(place)))


def _text(raw):
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)

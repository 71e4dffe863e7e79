"""The main graph of a `.tflite` as something that recipes can rewrite, and back to bytes.

Nodes are values that never change: a rewriting puts new ones in their place. The tensors of the
file keep their indices, so that ports, signatures and metadata stay true; new ones come behind
them. The file goes through the generated schema code, which trusts it: only what `inspect` has read
comes here, and only in a child process.
"""

import dataclasses
from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.errors import ModelFileError
from bokeh_tf.repairing.nodes import (
    BUILTIN_NAMES,
    NUMPY_TYPES,
    TYPE_CODES,
    TYPE_NAMES,
    Declined,
    Node,
    builtin_code,
    listed,
    text,
)
from bokeh_tf.repairing.operators import option_place
from bokeh_tf.tflite.rewriting import pack, unpack
from bokeh_tf.tflite.running.signatures import DAMAGE

# The old field for codes holds one byte; larger ones write this there.
_LARGEST_OLD_CODE = 127


class Graph:
    """The main graph of one file.

    Raises:
        ModelFileError: its tables lead nowhere.
    """

    def __init__(self, content, label="the model"):
        self._size_hint_bytes = len(content)
        try:
            self.model = unpack(content)
            self._main = self.model.subgraphs[0]
            self.tensors = list(self._main.tensors or ())
            self.nodes = [
                self._node(operator, content) for operator in listed(self._main.operators)
            ]
            self.inputs = tuple(map(int, listed(self._main.inputs)))
            self.outputs = tuple(map(int, listed(self._main.outputs)))
        except DAMAGE as error:
            raise ModelFileError(
                f"{label}: its tables are damaged ({error}). Use another copy of the file."
            ) from error
        if not self._is_in_order():
            raise ModelFileError(
                f"{label}: its nodes are in no order that can run. Use another copy of the file."
            )
        self._content = content
        self.own_tensors = len(self.tensors)
        self.buffers = list(self.model.buffers)
        self._constants = {}
        self.evaluated = {}

    def _node(self, operator, content):
        code = self.model.operatorCodes[operator.opcodeIndex]
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        if operator.largeCustomOptionsSize:
            start, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            operator.customOptions = np.frombuffer(content, np.uint8, size, start)
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
        is_custom = builtin == schema.BuiltinOperator.CUSTOM
        name = (
            text(code.customCode) if is_custom else BUILTIN_NAMES.get(builtin, f"BUILTIN_{builtin}")
        )
        options = operator.builtinOptions or operator.builtinOptions2
        inputs, outputs = (
            tuple(map(int, listed(operator.inputs))),
            tuple(map(int, listed(operator.outputs))),
        )
        return Node(name, inputs, outputs, code.version, options, operator, is_custom)

    def _is_in_order(self):
        """Whether every tensor is made once, before it is read, and by nothing where it is an input
        or stored.
        """
        outputs = [tensor for node in self.nodes for tensor in node.outputs if tensor >= 0]
        made_later = set(outputs)
        if len(made_later) < len(outputs) or made_later.intersection(self.inputs):
            return False
        for node in self.nodes:
            if made_later.intersection(node.inputs):
                return False
            made_later.difference_update(node.outputs)
        return not any(
            self.tensors[tensor].buffer and self._has_values(tensor) for tensor in outputs
        )

    def _has_values(self, tensor):
        data = self.model.buffers[self.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def snapshot(self):
        """What `restore` brings back."""
        return (
            list(self.nodes),
            list(self.tensors),
            list(self.buffers),
            dict(self._constants),
            list(self.subgraphs),
        )

    def restore(self, snapshot):
        """Undoes everything since the snapshot."""
        self.nodes, self.tensors, self.buffers = (list(part) for part in snapshot[:3])
        self._constants = dict(snapshot[3])
        self.model.subgraphs = list(snapshot[4])

    @property
    def subgraphs(self):
        """The file's subgraphs, the main one first."""
        return self.model.subgraphs

    # What is known of a tensor.

    def shape(self, tensor) -> tuple[int, ...]:
        """A tensor's fixed shape.

        Raises:
            Declined: its size is not known before it runs.
        """
        entry = self.tensors[tensor]
        if any(size < 0 for size in listed(entry.shapeSignature)):
            raise Declined("a size is not fixed")
        return tuple(map(int, listed(entry.shape)))

    def rank(self, tensor) -> int:
        """How many dimensions a tensor has."""
        return len(listed(self.tensors[tensor].shape))

    def dtype(self, tensor) -> str:
        """The schema's name of a tensor's type, in lower case."""
        return TYPE_NAMES.get(self.tensors[tensor].type, "unknown")

    def name(self, tensor) -> str:
        """A tensor's name."""
        return text(self.tensors[tensor].name)

    def is_stored(self, tensor) -> bool:
        """Whether its values lie in the file."""
        data = self.buffers[self.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def stored(self, tensor) -> np.ndarray | None:
        """The values of a constant of the file; None where it is none, or sparse, or of a type
        NumPy lacks.
        """
        dtype = NUMPY_TYPES.get(self.dtype(tensor))
        if (
            tensor < 0
            or not self.is_stored(tensor)
            or dtype is None
            or self.tensors[tensor].sparsity is not None
        ):
            return None
        data = np.asarray(self.buffers[self.tensors[tensor].buffer].data, np.uint8)
        shape = tuple(map(int, listed(self.tensors[tensor].shape)))
        if data.size != prod(shape) * dtype.itemsize:
            raise Declined("a constant has another size than its shape says")
        return np.frombuffer(data.tobytes(), dtype).reshape(shape)

    def unpacked_from(self, tensor) -> int | None:
        """The stored float16 constant that a DEQUANTIZE makes this tensor of, None for any other
        tensor.
        """
        node = self.producer(tensor)
        if node is None or node.name != "DEQUANTIZE" or not self.is_stored(node.inputs[0]):
            return None
        return node.inputs[0] if self.dtype(node.inputs[0]) == "float16" else None

    def constant(self, tensor) -> np.ndarray | None:
        """The values of a constant as the graph reads it: float16 ones as the float32 that a
        DEQUANTIZE makes.
        """
        packed = self.unpacked_from(tensor)
        values = self.stored(tensor if packed is None else packed)
        return values if packed is None or values is None else values.astype(np.float32)

    def is_constant(self, tensor) -> bool:
        """Whether `constant` knows its values."""
        return tensor >= 0 and (self.is_stored(tensor) or self.unpacked_from(tensor) is not None)

    def is_quantised(self, tensor) -> bool:
        """Whether real values stand behind its integers."""
        quantisation = self.tensors[tensor].quantization
        return quantisation is not None and bool(
            len(listed(quantisation.scale)) or quantisation.details is not None
        )

    def scales(self, tensor) -> tuple[list[float], list[int]]:
        """(scales, zero points) of a tensor, both empty for none."""
        quantisation = self.tensors[tensor].quantization
        if quantisation is None:
            return [], []
        scales = [float(scale) for scale in listed(quantisation.scale)]
        return scales, [int(point) for point in listed(quantisation.zeroPoint)]

    # How tensors and nodes hang together.

    def producer(self, tensor) -> Node | None:
        """The node that makes a tensor, None for inputs and constants."""
        return next((node for node in self.nodes if tensor in node.outputs), None)

    def readers(self, tensor) -> tuple[Node, ...]:
        """The nodes that read a tensor, in order."""
        return tuple(node for node in self.nodes if tensor in node.inputs)

    def read_once(self, tensor) -> bool:
        """Whether one node reads a tensor and nothing else does."""
        return len(self.readers(tensor)) == 1 and tensor not in self.outputs

    def depends_on_input(self) -> set[int]:
        """The tensors that change with the inputs."""
        reached = set(self.inputs)
        for node in self.nodes:
            if reached.intersection(node.inputs):
                reached.update(node.outputs)
        return reached

    # Rewriting.

    def new_tensor(self, shape, *, like=None, dtype=None) -> int:
        """Appends a tensor of `shape`, with type and quantisation of the tensor `like`, or a plain
        one of `dtype`.
        """
        tensor = schema.TensorT()
        tensor.shape, tensor.name = np.array(shape, np.int32), f"repaired_{len(self.tensors)}"
        tensor.type = self.tensors[like].type if dtype is None else TYPE_CODES[dtype]
        tensor.hasRank = len(shape) > 0
        if like is not None:
            tensor.quantization = self.tensors[like].quantization
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def new_constant(self, values, *, like=None, quantization=None) -> int:
        """The tensor with these values (an array); an equal one that was made before is used again.

        Args:
            like: a tensor whose quantisation it takes.
            quantization: the schema's object instead.
        """
        # Engines tell a scalar from a vector of one: OpenVINO wants the axis of CUMSUM as a scalar.
        values = np.asarray(values)
        if like is not None:
            quantization = self.tensors[like].quantization
        key = (values.dtype.str, values.shape, values.tobytes(), id(quantization))
        if key not in self._constants:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor = self.new_tensor(values.shape, dtype=values.dtype.name)
            self.tensors[tensor].hasRank = True
            self.tensors[tensor].buffer = len(self.buffers) - 1
            self.tensors[tensor].quantization = quantization
            self._constants[key] = tensor
        return self._constants[key]

    def change_tensor(self, tensor, **fields):
        """Puts a copy with other fields in a tensor's place."""
        changed = schema.TensorT(**{**vars(self.tensors[tensor]), **fields})
        self.tensors[tensor] = changed

    def store(self, tensor, values):
        """Makes a tensor a constant with these values; nodes that made it are gone."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.buffers.append(buffer)
        self.change_tensor(
            tensor, buffer=len(self.buffers) - 1, shape=np.array(values.shape, np.int32)
        )
        self.nodes = [node for node in self.nodes if tensor not in node.outputs]

    def read_subgraph(self, number):
        """(nodes, tensors, inputs, outputs) of another of the file's subgraphs, by its own tensor
        indices.
        """
        graph = self.subgraphs[number]
        nodes = [self._node(operator, self._content) for operator in listed(graph.operators)]
        ports = (tuple(map(int, listed(part))) for part in (graph.inputs, graph.outputs))
        return (nodes, listed(graph.tensors), *ports)

    def adopt(self, tensor) -> int:
        """Appends a copy of a tensor of another subgraph; values stay shared."""
        self.tensors.append(schema.TensorT(**vars(tensor)))
        return len(self.tensors) - 1

    def rows_of_quantization(self, tensor, rows):
        """A constant's quantisation for some rows (a slice of the first axis), None for none."""
        quantization = self.tensors[tensor].quantization
        if quantization is None or len(listed(quantization.scale)) < 2:
            return quantization
        if quantization.quantizedDimension != 0 or quantization.details is not None:
            raise Declined("its weights have scales along another axis")
        parts = {"scale": quantization.scale[rows], "zeroPoint": quantization.zeroPoint[rows]}
        return schema.QuantizationParametersT(
            **{**vars(quantization), "min": None, "max": None, **parts}
        )

    def replace(self, node, made):
        """Puts the nodes `made` in the place of `node`."""
        place = next(index for index, other in enumerate(self.nodes) if other is node)
        self.nodes[place : place + 1] = made

    def rewire(self, old, new):
        """Every reader of the tensor `old` reads `new`."""
        self.nodes = [
            dataclasses.replace(
                node, inputs=tuple(new if tensor == old else tensor for tensor in node.inputs)
            )
            if old in node.inputs
            else node
            for node in self.nodes
        ]

    def rewire_reader(self, node, old, new):
        """One reader of the tensor `old` reads `new`."""
        inputs = tuple(new if tensor == old else tensor for tensor in node.inputs)
        self.replace(node, [dataclasses.replace(node, inputs=inputs)])

    # Back to bytes.

    def content(self) -> bytes:
        """The file's bytes; buffers that nothing refers to any more are left empty."""
        graph = self.model.subgraphs[0]
        graph.tensors, graph.operators = self.tensors, [self._operator(node) for node in self.nodes]
        graph.inputs, graph.outputs = (
            np.array(self.inputs, np.int32),
            np.array(self.outputs, np.int32),
        )
        self.model.buffers = self._kept_buffers()
        return pack(self.model, size_hint_bytes=self._size_hint_bytes)

    def compact(self) -> None:
        """Drops new tensors that nothing reads or writes, the values of the file's own, and
        uncalled subgraphs.

        The last step: tensors get other indices, but for the file's own.
        """
        self._drop_uncalled_subgraphs()
        used = {tensor for node in self.nodes for tensor in (*node.inputs, *node.outputs)}
        used.update(self.inputs + self.outputs)
        kept = [
            index for index in range(len(self.tensors)) if index < self.own_tensors or index in used
        ]
        place = {old: new for new, old in enumerate(kept)} | {-1: -1}
        self.tensors = [self.tensors[index] for index in kept]
        self._constants = {
            key: place[tensor] for key, tensor in self._constants.items() if tensor in place
        }
        self.nodes = [_renumbered(node, place) for node in self.nodes]
        for index in range(self.own_tensors):
            if index not in used and self.tensors[index].buffer:
                self.change_tensor(index, buffer=0, sparsity=None)

    def _drop_uncalled_subgraphs(self):
        """The runtime compiles a composite that was written out as well, and refuses the file for a
        node in it.
        """
        called = {0, *(signature.subgraphIndex for signature in listed(self.model.signatureDefs))}
        options = [node.options for node in self.nodes]
        for graph in self.subgraphs[1:]:
            options += [
                one.builtinOptions or one.builtinOptions2 for one in listed(graph.operators)
            ]
        for one in options:
            for name, value in vars(one).items() if one is not None else ():
                if "subgraph" in name.lower() or name == "calledComputations":
                    called.update(
                        int(index) for index in np.atleast_1d(value if value is not None else ())
                    )
        # Only from the end: those before keep their numbers.
        self.model.subgraphs = self.subgraphs[: max(called) + 1]

    def _kept_buffers(self):
        tables = [self.tensors, *(graph.tensors or () for graph in self.model.subgraphs[1:])]
        used = {tensor.buffer for tensors in tables for tensor in tensors}
        used.update(entry.buffer for entry in listed(self.model.metadata))
        used.update(map(int, listed(self.model.metadataBuffer)))
        return [
            buffer if index in used else schema.BufferT()
            for index, buffer in enumerate(self.buffers)
        ]

    def _operator(self, node):
        source = schema.OperatorT() if node.source is None else node.source
        operator = schema.OperatorT(**vars(source))
        operator.opcodeIndex = self._code(node)
        operator.inputs, operator.outputs = (
            np.array(node.inputs, np.int32),
            np.array(node.outputs, np.int32),
        )
        if node.source is None and node.options is not None:
            place, number = option_place(node.options)
            setattr(operator, f"{place}Type", number)
            setattr(operator, place, node.options)
        return operator

    def _code(self, node):
        """The position of the node's operator code, with exactly its version."""
        builtin = schema.BuiltinOperator.CUSTOM if node.is_custom else builtin_code(node.name)
        for index, code in enumerate(self.model.operatorCodes):
            is_same = (
                max(code.builtinCode, code.deprecatedBuiltinCode) == builtin
                and code.version == node.version
            )
            if is_same and (not node.is_custom or text(code.customCode) == node.name):
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = builtin, node.version
        code.deprecatedBuiltinCode = min(builtin, _LARGEST_OLD_CODE)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


def _renumbered(node, place):
    inputs, outputs = (
        tuple(place[tensor] for tensor in part) for part in (node.inputs, node.outputs)
    )
    if (inputs, outputs) == (node.inputs, node.outputs):
        return node
    return dataclasses.replace(node, inputs=inputs, outputs=outputs)

"""Operators of a SavedModel that reach files, the network or code: found in its graph, which is read
and not run.

TensorFlow runs parts of a graph while it loads it, and any part when it traces or folds it. Written
without TensorFlow: the caller brings the protobuf and the word on each operator.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

# A deny-list of all operators would miss the next release's, and an allow-list of all would refuse
# its sound models: nobody lists what a converter takes. So what TensorFlow registers with effects
# is allowed by name, where they end in memory (variables, tables, random numbers, calls), and the
# rest, which only computes, is refused by name where it opens what an argument names all the same.
IN_MEMORY = frozenset(
    {
        "AnonymousHashTable",
        "AnonymousMutableDenseHashTable",
        "AnonymousMutableHashTable",
        "AnonymousMutableHashTableOfTensors",
        "Assert",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "AssignVariableOp",
        "Case",
        "CheckNumerics",
        "CheckNumericsV2",
        "DestroyResourceOp",
        "DeviceIndex",
        "DisableCopyOnRead",
        "Empty",
        "GuaranteeConst",
        "HashTable",
        "HashTableV2",
        "If",
        "InitializeTableV2",
        "Multinomial",
        "NonDeterministicInts",
        "ParameterizedTruncatedNormal",
        "RandomCrop",
        "RandomGamma",
        "RandomPoisson",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "ReadVariableOp",
        "RngReadAndSkip",
        "RngSkip",
        "SampleDistortedBoundingBox",
        "SampleDistortedBoundingBoxV2",
        "StatelessRandomGetAlg",
        "TemporaryVariable",
        "TruncatedNormal",
        "VarHandleOp",
        "VarIsInitializedOp",
        "Variable",
        "VariableShape",
        "VariableV2",
        "While",
    }
)
_IN_MEMORY_FAMILIES = (
    *("CudnnRNN", "LookupTable", "MutableDenseHashTable", "MutableHashTable", "ResourceApply"),
    *("ResourceGather", "ResourceScatter", "ResourceSparseApply", "ResourceStridedSlice"),
    *("StackC", "StackP", "StackV", "Stateful", "TensorArray"),
)
_OPENS = frozenset(
    {
        "Copy",
        "CopyHost",
        "DecodeProtoV2",
        "EncodeProto",
        "GenerateVocabRemapping",
        "ImmutableConst",
        "InitializeTableFromTextFile",
        "MatchingFiles",
        "PyFuncStateless",
        "ReadFile",
    }
)
_OPENING_FAMILIES = ("Dataset", "Debug", "Reader", "XlaCustomCall")
# Every SavedModel writes and reads its own weights by these.
_SAVING = frozenset({"MergeV2Checkpoints", "Save", "SaveSlices", "SaveV2"})
_RESTORING = frozenset({"Restore", "RestoreSlice", "RestoreV2"})
_PRINTING, _STREAM, _TO_A_FILE = "PrintV2", "output_stream", b"file:"


class Reaching(NamedTuple):
    """An operator that reaches out, and the name of its node."""

    operator: str
    node: str


class _Place(NamedTuple):
    """A node of the outer graph, or a function."""

    is_function: bool
    name: str


def reaching_out(saved_model, has_effects: Callable[[str], bool | None]) -> Iterator[Reaching]:
    """The operators of a `SavedModel` protobuf that may reach out of it.

    Args:
        has_effects: whether TensorFlow registers an operator as one that does more than compute;
            None for one that it does not know: it cannot run, or is a function's name.
    """
    for meta_graph in saved_model.meta_graphs:
        graph = _Graph(meta_graph)
        saving, restoring = graph.saver_places()
        for place, node in graph.placed_nodes():
            operator = node.op
            if operator in _SAVING:
                is_inside = place in saving
            elif operator in _RESTORING:
                is_inside = place in restoring
            else:
                is_inside = _stays_inside(node, has_effects)
            if not is_inside:
                yield Reaching(operator, node.name)


def _stays_inside(node, has_effects):
    name = node.op
    is_known_for_effects = has_effects(name)
    if is_known_for_effects is None:
        return True
    if name == _PRINTING:
        return not node.attr[_STREAM].s.startswith(_TO_A_FILE)
    if name in _OPENS or any(word in name for word in _OPENING_FAMILIES):
        return False
    return name in IN_MEMORY or name.startswith(_IN_MEMORY_FAMILIES) or not is_known_for_effects


class _Graph:
    """The nodes of one graph and its functions, and what running some of them runs."""

    def __init__(self, meta_graph):
        self._meta_graph = meta_graph
        definition = meta_graph.graph_def
        self._nodes = {node.name: node for node in definition.node}
        self._functions = {one.signature.name: one for one in definition.library.function}
        self._gradients = {
            one.function_name: one.gradient_func for one in definition.library.gradient
        }

    def placed_nodes(self):
        """Every node, with its place."""
        for node in self._meta_graph.graph_def.node:
            yield _Place(False, node.name), node
        for function in self._meta_graph.graph_def.library.function:
            for node in function.node_def:
                yield _Place(True, function.signature.name), node

    def saver_places(self) -> tuple[set[_Place], set[_Place]]:
        """(what runs only when the model is saved, what only when its weights are read)."""
        meta = self._meta_graph
        outputs = [
            tensor.name for one in meta.signature_def.values() for tensor in one.outputs.values()
        ]
        outputs += [name for one in meta.collection_def.values() for name in one.node_list.value]
        running = self._run_by(outputs, meta.object_graph_def.concrete_functions)
        saving = self._run_by([meta.saver_def.save_tensor_name])
        restoring = self._run_by([meta.saver_def.restore_op_name])
        return saving - restoring - running, restoring - running

    def _run_by(self, tensors: Iterable[str], functions: Iterable[str] = ()) -> set[_Place]:
        found: set[_Place] = set()
        waiting = [_Place(False, _node_of(one)) for one in tensors]
        waiting += [_Place(True, name) for name in functions]
        while waiting:
            place = waiting.pop()
            if place in found or place.name not in self._all(place):
                continue
            found.add(place)
            nodes = (
                self._functions[place.name].node_def
                if place.is_function
                else (self._nodes[place.name],)
            )
            if not place.is_function:
                waiting += [_Place(False, _node_of(one)) for one in nodes[0].input]
            called = [name for node in nodes for name in (node.op, *_functions_in(node.attr))]
            called += [self._gradients[name] for name in called if name in self._gradients]
            waiting += [_Place(True, name) for name in called]
        return found

    def _all(self, place):
        return self._functions if place.is_function else self._nodes


def _node_of(tensor):
    """The node's name in that of a tensor ("node:0") or of a mere dependency ("^node")."""
    return tensor.removeprefix("^").partition(":")[0]


def _functions_in(attributes) -> Iterator[str]:
    waiting = [*attributes.values()]
    while waiting:
        value = waiting.pop()
        for one in (value.func, *value.list.func):
            if one.name:
                yield one.name
                waiting += one.attr.values()

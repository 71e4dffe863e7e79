"""Changes of a file's inputs and outputs, made only where they are asked for: the app must then be
changed too.

What is written here computes the same numbers in other clothes: floats instead of bytes, flags or
indices, or what the last operator would read instead of what it makes. Everything else is left to
the recipes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined, Node, listed, text
from bokeh_tf.repairing.recipes.largest import place_of_largest
from bokeh_tf.repairing.recipes.masks import as_float
from bokeh_tf.repairing.tidying import tidy
from bokeh_tf.repairing.writer import Writer
from bokeh_tf.tflite.inspection import METADATA_NAME, STANDARD_METADATA_NAME

INT64, UINT8, BOOL, CUT = KINDS = ("int64", "uint8", "bool", "cut-postprocessing")
_VIEWS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_POSTPROCESSING = frozenset(
    {
        "TFLite_Detection_PostProcess",
        "TOPK_V2",
        "ARG_MAX",
        "ARG_MIN",
        "NON_MAX_SUPPRESSION_V4",
        "NON_MAX_SUPPRESSION_V5",
    }
)


@dataclass(frozen=True)
class PortChange:
    """A changed port and what the app must do; tensor `after` claims the numbers of `before`."""

    kind: str
    port: str
    was: str
    now: str
    app: str
    is_input: bool
    before: int
    after: int


# Metadata that describes ports one by one.
_DESCRIPTIONS = (METADATA_NAME, STANDARD_METADATA_NAME)


def change_interface(graph: Graph, kinds: Iterable[str]) -> tuple[PortChange, ...]:
    """Changes the ports that stand in a delegate's way, as far as `kinds` (of `KINDS`) allow; in
    place.
    """
    changes: list[PortChange] = []
    if CUT in kinds:
        changes += _cut(graph)
    if UINT8 in kinds:
        changes += _float_inputs(graph)
    for place, tensor in enumerate(graph.outputs):
        change = _float_output(graph, place, tensor, kinds)
        changes += [] if change is None else [change]
    tidy(graph)
    return tuple(changes)


def leave_out_descriptions(graph: Graph) -> tuple[str, ...]:
    """Takes out the metadata that describes ports as they no longer are; returns their names."""
    entries = listed(graph.model.metadata)
    gone = tuple(name for entry in entries if (name := text(entry.name)) in _DESCRIPTIONS)
    graph.model.metadata = [entry for entry in entries if text(entry.name) not in gone]
    return gone


def _cut(graph):
    """Ends the graph before its last operators, where all of their outputs are outputs of the
    model.
    """
    changes = []
    for node in list(graph.nodes):
        is_last = node.name in _POSTPROCESSING and not any(
            graph.readers(tensor) for tensor in node.outputs
        )
        if not is_last or not set(node.outputs) <= set(graph.outputs):
            continue
        sources = [
            tensor for tensor in node.inputs if tensor >= 0 and not graph.is_constant(tensor)
        ]
        sources = [
            tensor
            for tensor in dict.fromkeys(sources)
            if tensor not in graph.outputs + graph.inputs
        ]
        if not sources:
            continue
        was = ", ".join(_described(graph, tensor) for tensor in node.outputs)
        for tensor in sources:
            app = f"run {node.name} on this output, on the CPU"
            now = _described(graph, tensor)
            changes.append(
                PortChange(CUT, graph.name(tensor), was, now, app, False, tensor, tensor)
            )
        graph.nodes = [other for other in graph.nodes if other is not node]
        outputs = [tensor for tensor in graph.outputs if tensor not in node.outputs] + sources
        _set_outputs(graph, tuple(outputs), dropped=node.outputs, added=sources)
    return changes


def _float_inputs(graph):
    """Inputs of unquantised bytes that are cast to floats at once: floats."""
    changes = []
    for tensor in graph.inputs:
        readers = graph.readers(tensor)
        casts = [
            node
            for node in readers
            if node.name == "CAST" and graph.dtype(node.outputs[0]) == "float32"
        ]
        is_bytes = (
            graph.dtype(tensor) == "uint8"
            and not graph.is_quantised(tensor)
            and tensor not in graph.outputs
        )
        if not is_bytes or not casts or len(casts) < len(readers):
            continue
        was = _described(graph, tensor)
        after = graph.new_tensor(graph.shape(tensor), dtype="float32")
        _take_name(graph, tensor, after)
        for cast in casts:
            if cast.outputs[0] in graph.outputs:
                raise Declined("an input is an output as well")
            graph.rewire(cast.outputs[0], after)
        made = {cast.outputs[0] for cast in casts}
        graph.nodes = [node for node in graph.nodes if not made.intersection(node.outputs)]
        graph.inputs = tuple(after if one == tensor else one for one in graph.inputs)
        _rename_port(graph, tensor, after)
        app = "give floats from 0 to 255 instead of bytes"
        name = graph.name(after)
        changes.append(
            PortChange(UINT8, name, was, _described(graph, after), app, True, tensor, after)
        )
    return changes


def _float_output(graph, place, tensor, kinds):
    """The change that makes an output of indices, bytes or flags one of floats; None where there is
    none.
    """
    kind = {"int64": INT64, "int32": INT64, "uint8": UINT8, "bool": BOOL}.get(graph.dtype(tensor))
    if kind not in kinds or graph.is_quantised(tensor):
        return None
    origin = _origin(graph, tensor)
    if origin is None:
        return None
    writer = Writer(graph, origin)
    try:
        if origin.name == "ARG_MAX":
            made = writer.view(place_of_largest(writer, origin), graph.shape(tensor))
            app = "read whole numbers from floats (the index, of equal ones the first)"
        elif graph.dtype(tensor) == "bool":
            made = writer.view(as_float(writer, origin.outputs[0]), graph.shape(tensor))
            app = "read 0 and 1 from floats"
        else:
            return None
    except Declined:
        return None
    if graph.is_constant(made) or made == tensor:
        return None
    was = _described(graph, tensor)
    writer.made.insert(0, origin)
    writer.finish()
    _take_name(graph, tensor, made)
    graph.outputs = (*graph.outputs[:place], made, *graph.outputs[place + 1 :])
    _rename_port(graph, tensor, made)
    return PortChange(
        kind, graph.name(made), was, _described(graph, made), app, False, tensor, made
    )


def _origin(graph, tensor) -> Node | None:
    """The ARG_MAX or comparison whose result an output is, perhaps cast and in another shape."""
    for _ in range(len(graph.nodes)):
        node = graph.producer(tensor)
        if node is None or node.is_custom:
            return None
        is_view = node.name in _VIEWS or (
            node.name == "CAST" and graph.dtype(node.inputs[0]) in ("int64", "int32")
        )
        if not is_view:
            return node
        tensor = node.inputs[0]
    return None


def _take_name(graph, before, after):
    """The new port is called as the old one; the old tensor no longer is."""
    graph.change_tensor(after, name=graph.name(before))
    graph.change_tensor(before, name=f"{graph.name(before)}_before_repair")


def _rename_port(graph, before, after):
    """Signatures name the new tensor."""
    for signature in _signatures(graph):
        for port in (*listed(signature.inputs), *listed(signature.outputs)):
            port.tensorIndex = after if port.tensorIndex == before else port.tensorIndex


def _set_outputs(graph, outputs, *, dropped, added):
    graph.outputs = outputs
    for signature in _signatures(graph):
        kept = [port for port in listed(signature.outputs) if port.tensorIndex not in dropped]
        for tensor in added:
            port = schema.TensorMapT()
            port.name, port.tensorIndex = graph.name(tensor), tensor
            kept.append(port)
        signature.outputs = kept


def _signatures(graph):
    return [one for one in listed(graph.model.signatureDefs) if one.subgraphIndex == 0]


def _described(graph, tensor):
    shape = "x".join(map(str, listed(graph.tensors[tensor].shape))) or "scalar"
    return f"{graph.dtype(tensor)} {shape}"

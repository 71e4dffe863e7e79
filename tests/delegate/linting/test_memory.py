"""The memory estimate of graphs small enough to be added up by hand."""

import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.linting import memory
from bokeh_tf.delegate.linting.memory import MemoryEstimate, estimate_memory, memory_text
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.rule_graphs import build_graph
from tests.model_writer import FLOAT16, FileWriter

PIXELS = 4 * 6
# Bytes of PIXELS pixels of one slice of four channels in half precision.
SLICE_BYTES = PIXELS * 4 * 2


def file_of(tensors, nodes, *, inputs=("image",), outputs=("out",), constants=None):
    """A graph of tensors (name: channels) of 4x6 pixels, and nodes (operator,
    names read, names written).
    """
    writer = FileWriter()
    index = {name: writer.tensor(name, [1, 4, 6, channels]) for name, channels in tensors.items()}
    for name, (shape, dtype) in (constants or {}).items():
        index[name] = writer.tensor(name, shape, constant=True, dtype=dtype)
    for operator, read, written in nodes:
        writer.operator(
            getattr(schema.BuiltinOperator, operator),
            [index[name] for name in read],
            [index[name] for name in written],
        )
    writer.graph.inputs, writer.graph.outputs = (
        [index[name] for name in inputs],
        [index[name] for name in outputs],
    )
    return inspect(writer.finish())


def test_channels_are_padded_to_slices_of_four():
    file = file_of({"image": 3, "out": 5}, [("TANH", ["image"], ["out"])])
    # Three channels take one slice, five take two.
    assert estimate_memory(file).peak_bytes == 3 * SLICE_BYTES


def test_a_chain_holds_two_tensors_at_a_time():
    nodes = [("TANH", ["image"], ["a"]), ("TANH", ["a"], ["b"]), ("TANH", ["b"], ["out"])]
    estimate = estimate_memory(file_of({"image": 4, "a": 8, "b": 12, "out": 4}, nodes))
    # image + a = 3, a + b = 5, b + out = 4 slices.
    assert (estimate.peak_bytes, estimate.node, estimate.weights_bytes) == (5 * SLICE_BYTES, 1, 0)
    assert estimate.place.startswith("node 1, TANH")


def test_a_skip_is_held_until_it_is_read():
    nodes = [
        ("TANH", ["image"], ["a"]),
        ("TANH", ["a"], ["b"]),
        ("TANH", ["b"], ["c"]),
        ("ADD", ["a", "c"], ["out"]),
    ]
    estimate = estimate_memory(file_of(dict.fromkeys(("image", "a", "b", "c", "out"), 4), nodes))
    # While c is made from b, a waits for the sum; while out is made, a and c are there too.
    assert (estimate.peak_bytes, estimate.node) == (3 * SLICE_BYTES, 2)


def test_outputs_stay_to_the_end_and_results_that_nobody_reads_do_not():
    nodes = [
        ("TANH", ["image"], ["early"]),
        ("NEG", ["image"], ["unread"]),
        ("NEG", ["image"], ["out"]),
    ]
    estimate = estimate_memory(
        file_of(
            dict.fromkeys(("image", "early", "unread", "out"), 4), nodes, outputs=("early", "out")
        )
    )
    assert (estimate.peak_bytes, estimate.node) == (3 * SLICE_BYTES, 1)


def test_weights_count_apart_and_unpacking_them_takes_nothing():
    constants = {"packed": ([4, 1, 1, 4], FLOAT16)}
    nodes = [("DEQUANTIZE", ["packed"], ["kernel"]), ("MUL", ["image", "kernel"], ["out"])]
    file = file_of({"image": 4, "kernel": 4, "out": 4}, nodes, constants=constants)
    assert estimate_memory(file) == MemoryEstimate(
        2 * SLICE_BYTES, 1, estimate_memory(file).place, 2 * 16
    )


def test_unpacking_sparse_weights_takes_nothing_either():
    graph = """DENSIFY v1: sparse constant float32[1,4,6,4] -> kernel = float32[1,4,6,4]
MUL v1: float32[1,4,6,4], kernel -> float32[1,4,6,4]"""
    # Image and result; the weights are counted as such.
    assert estimate_memory(inspect(build_graph(graph))).peak_bytes == 2 * SLICE_BYTES


def test_a_graph_without_nodes_holds_its_inputs():
    estimate = estimate_memory(file_of({"image": 4}, [], outputs=("image",)))
    assert (estimate.peak_bytes, estimate.node, estimate.place) == (SLICE_BYTES, None, "no node")
    assert memory_text(estimate) == "about 0.0 MB of tensors, 0.0 MB of weights"


@pytest.mark.parametrize(("peak_bytes", "is_warned"), [(999_999_000, False), (1_000_000_000, True)])
def test_more_than_a_gigabyte_is_warned_of(peak_bytes, is_warned):
    text = memory.warning(MemoryEstimate(peak_bytes, 0, "node 0, ADD", 1000))
    assert (text is not None) == is_warned
    assert not is_warned or "about 1.0 GB" in text

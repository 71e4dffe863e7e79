"""Coverage of graphs small enough to be cut by hand, and of random ones against the split
that the delegate reports.
"""

import random
import subprocess
import sys
import time

import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.linting.coverage import find_coverage
from bokeh_tf.delegate.linting.partitioning import find_partitions
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running import gpu_log
from tests.model_writer import FLOAT16, INT32, FileWriter

SHAPE = [1, 4, 6, 8]
TENSOR_BYTES = 4 * 6 * 8 * 4
# No delegate takes this operator, and the CPU does.
REFUSED = "LOG_SOFTMAX"
MAX_SECONDS = 5.0
COMPILE = """
import sys
from bokeh_tf.tflite.running.gpu_runtime import compile_model
compile_model(sys.argv[1], is_float32=True, allows_cpu=True)
"""


def graph(nodes, outputs):
    """(file, refused nodes) of a graph with the input "image".

    Args:
        nodes: lines "result = OPERATOR input input". A DEQUANTIZE unpacks a
            float16 constant of its own.
        outputs: names of the outputs.
    """
    writer = FileWriter()
    tensors = {"image": writer.tensor("image", SHAPE)}
    refused = set()
    lines = [line.split() for line in nodes]
    for result, *_ in lines:
        tensors[result] = writer.tensor(result, SHAPE)
    for index, (result, _, operator, *inputs) in enumerate(lines):
        sources = [tensors[name] for name in inputs]
        if operator == "DEQUANTIZE":
            sources = [writer.tensor(f"{result}/float16", SHAPE, constant=True, dtype=FLOAT16)]
        if operator == REFUSED:
            refused.add(index)
        writer.operator(getattr(schema.BuiltinOperator, operator), sources, [tensors[result]])
    writer.graph.inputs, writer.graph.outputs = (
        [tensors["image"]],
        [tensors[name] for name in outputs],
    )
    return writer.finish(), refused


def partitions_of(nodes):
    content, refused = graph(nodes, [])
    file = inspect(content)
    return find_partitions(file, {node.index for node in file.operators} - refused)


PARTITIONED = [
    pytest.param(["a = TANH image", "b = NEG a", "c = ADD a b"], [(0, 1, 2)], id="whole"),
    pytest.param(["a = LOG_SOFTMAX image"], [], id="nothing"),
    pytest.param(
        ["a = MUL image image", "b = LOG_SOFTMAX a", "c = MUL b b"],
        [(0,), (2,)],
        id="cut in the middle",
    ),
    # Node 2 stands behind a refused one and does not need it.
    pytest.param(
        ["a = TANH image", "b = LOG_SOFTMAX image", "c = NEG image", "d = LOG_SOFTMAX b"],
        [(0, 2)],
        id="independent",
    ),
    # The same graph twice: whether the refused node comes first in the file decides
    # whether "b" can wait for it.
    pytest.param(
        ["x = LOG_SOFTMAX image", "a = TANH image", "b = NEG x"], [(1, 2)], id="refused first"
    ),
    pytest.param(
        ["a = TANH image", "x = LOG_SOFTMAX image", "b = NEG x"], [(0,), (2,)], id="refused second"
    ),
    # "d" could run with "a" but for "c", which waits for the CPU.
    pytest.param(
        ["a = TANH image", "b = LOG_SOFTMAX a", "c = NEG b", "d = ADD a c", "e = NEG a"],
        [(0, 4), (2, 3)],
        id="diamond",
    ),
    pytest.param(["a = NEG b", "b = NEG a", "c = NEG image"], [(2,)], id="cycle"),
    pytest.param(["a = NEG a"], [], id="self"),
    pytest.param([], [], id="empty"),
]


@pytest.mark.parametrize(("nodes", "expected"), PARTITIONED)
def test_partitions_by_hand(nodes, expected):
    assert partitions_of(nodes) == expected


def test_nodes_with_side_effects_keep_their_order():
    """Reading a variable must not overtake the refused node that writes it,
    although no tensor says so.
    """
    writer = FileWriter()
    handle = writer.tensor("handle", [1], dtype=schema.TensorType.RESOURCE)
    image, first, second = (writer.tensor(name, SHAPE) for name in ("image", "first", "second"))
    writer.operator(schema.BuiltinOperator.READ_VARIABLE, [handle], [first])
    writer.operator(schema.BuiltinOperator.ASSIGN_VARIABLE, [handle, image], [])
    writer.operator(schema.BuiltinOperator.READ_VARIABLE, [handle], [second])
    assert find_partitions(inspect(writer.finish()), {0, 2}) == [(0,), (2,)]


def test_only_the_largest_partition_is_delegated():
    nodes = [
        "a = TANH image",
        "b = LOG_SOFTMAX a",
        "c = NEG b",
        "d = TANH c",
        "e = LOG_SOFTMAX d",
        "f = NEG e",
    ]
    content, refused = graph(nodes, ["f"])
    coverage = find_coverage(inspect(content), refused, fails=False)
    assert (
        coverage.nodes,
        coverage.nodes_supported,
        coverage.nodes_delegated,
        coverage.partitions,
    ) == (6, 4, 2, 3)
    assert (coverage.output_bytes, coverage.output_bytes_delegated) == (
        6 * TENSOR_BYTES,
        2 * TENSOR_BYTES,
    )
    # "b" into the partition and "d" out of it; "a" stays on the CPU, where the other
    # partitions are as well.
    assert (coverage.copies, coverage.copied_bytes) == (2, 2 * TENSOR_BYTES)


def test_the_first_of_equal_partitions_is_delegated():
    content, refused = graph(["a = MUL image image", "b = LOG_SOFTMAX a", "c = MUL b b"], ["c"])
    coverage = find_coverage(inspect(content), refused, fails=False)
    assert (coverage.nodes_delegated, coverage.nodes - coverage.nodes_delegated) == (1, 2)
    assert coverage.copies == 1


def test_a_tensor_is_copied_once_and_the_file_s_own_never():
    nodes = [
        "a = TANH image",
        "b = NEG a",
        "c = LOG_SOFTMAX a",
        "d = LOG_SOFTMAX a",
        "e = LOG_SOFTMAX b",
    ]
    content, refused = graph(nodes, ["b", "c", "d", "e"])
    coverage = find_coverage(inspect(content), refused, fails=False)
    assert (coverage.nodes_delegated, coverage.copies, coverage.copied_bytes) == (
        2,
        1,
        TENSOR_BYTES,
    )


HALVED = ["w = DEQUANTIZE", "v = DEQUANTIZE", "a = ADD image w", "b = MUL a v", "c = TANH b"]


def test_float16_weights_vanish_where_all_else_is_supported():
    content, refused = graph(HALVED, ["c"])
    coverage = find_coverage(inspect(content), refused, fails=False)
    assert coverage.folds_float16
    assert (
        coverage.nodes,
        coverage.nodes_supported,
        coverage.nodes_delegated,
        coverage.partitions,
    ) == (3, 3, 3, 1)
    assert (coverage.output_bytes, coverage.output_bytes_delegated) == (
        3 * TENSOR_BYTES,
        3 * TENSOR_BYTES,
    )
    assert coverage.copies == 0


def test_one_refused_node_leaves_the_float16_weights_on_the_cpu():
    content, refused = graph([*HALVED, "d = LOG_SOFTMAX c"], ["d"])
    coverage = find_coverage(inspect(content), refused, fails=False)
    assert not coverage.folds_float16
    assert (
        coverage.nodes,
        coverage.nodes_supported,
        coverage.nodes_delegated,
        coverage.partitions,
    ) == (6, 3, 3, 1)
    # "c" alone: the delegate has the weights themselves.
    assert (coverage.copies, coverage.copied_bytes) == (1, TENSOR_BYTES)


def test_float16_weights_behind_the_first_node_split_it_off():
    """Unpacked where they are needed, the weights end the partition that began without them."""
    nodes = ["a = TANH image", "w = DEQUANTIZE", "b = MUL a w", "c = LOG_SOFTMAX b"]
    content, refused = graph(nodes, ["c"])
    assert find_coverage(inspect(content), refused, fails=False).partitions == 2
    content, refused = graph([nodes[1], nodes[0], *nodes[2:]], ["c"])
    assert find_coverage(inspect(content), refused, fails=False).partitions == 1


def test_a_graph_that_fails_is_wholly_the_cpu_s():
    content, refused = graph(["a = TANH image", "b = NEG a"], ["b"])
    coverage = find_coverage(inspect(content), refused, fails=True)
    assert (coverage.nodes, coverage.nodes_supported, coverage.nodes_delegated) == (2, 2, 0)
    assert (coverage.output_bytes_delegated, coverage.copies) == (0, 0)


def test_arithmetic_and_bytes_of_each_side():
    """A convolution of 3888 multiply-accumulates on the GPU, then one of
    720 behind a refused node.
    """
    writer = FileWriter()
    image = writer.tensor("image", [1, 4, 6, 3])
    kernels = [
        writer.tensor("large", [6, 3, 3, 3], constant=True),
        writer.tensor("small", [5, 1, 1, 6], constant=True),
    ]
    hidden, normal = writer.tensor("hidden", [1, 4, 6, 6]), writer.tensor("normal", [1, 4, 6, 6])
    output, found = (
        writer.tensor("output", [1, 4, 6, 5]),
        writer.tensor("found", [1, 4, 6], dtype=INT32),
    )
    writer.operator(schema.BuiltinOperator.CONV_2D, [image, kernels[0], -1], [hidden])
    writer.operator(schema.BuiltinOperator.LOG_SOFTMAX, [hidden], [normal])
    writer.operator(schema.BuiltinOperator.CONV_2D, [normal, kernels[1], -1], [output])
    writer.operator(schema.BuiltinOperator.ARG_MAX, [output], [found])
    writer.graph.inputs, writer.graph.outputs = [image], [found]
    coverage = find_coverage(inspect(writer.finish()), {1, 3}, fails=False)
    assert (coverage.macs, coverage.macs_delegated) == (24 * 6 * 27 + 24 * 5 * 6, 24 * 6 * 27)
    assert coverage.output_bytes == 4 * 24 * (6 + 6 + 5 + 1)
    assert (coverage.output_bytes_delegated, coverage.copied_bytes) == (4 * 24 * 6, 4 * 24 * 6)


def test_long_graphs_take_time_in_proportion():
    nodes = ["t0 = TANH image"]
    nodes += [f"t{i} = {REFUSED if i % 2 else 'TANH'} t{i - 1}" for i in range(1, 5000)]
    content, refused = graph(nodes, ["t4999"])
    file = inspect(content)
    started = time.process_time()
    assert find_coverage(file, refused, fails=False).partitions == 2500
    assert time.process_time() - started < MAX_SECONDS


def random_graph(seed, *, float16):
    """Fourteen nodes, each reading among the last five results, a quarter of them refused."""
    source = random.Random(seed)
    lines, values, unread = [], ["image"], set()
    weights = [f"w{i} = DEQUANTIZE" for i in range(3)] if float16 else []
    weights_at = source.choice([0, 4])
    for index in range(14):
        if index == weights_at:
            lines += weights
        first, second = source.choice(values[-4:]), source.choice(values[-5:])
        if source.random() < 0.25:
            line = [REFUSED, first]
        elif weights and index >= weights_at and source.random() < 0.4:
            line = ["MUL", first, f"w{source.randrange(3)}"]
        else:
            line = ["TANH", first] if first == second else ["ADD", first, second]
        lines.append(" ".join([f"v{index}", "=", *line]))
        unread = (
            (unread - {first, second} | {f"v{index}"})
            if line[0] == "ADD"
            else unread - {first} | {f"v{index}"}
        )
        values.append(f"v{index}")
    return graph(lines, sorted(unread))


@pytest.mark.gpu
@pytest.mark.parametrize("float16", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_split_is_the_real_delegate_s(gpu, tmp_path, seed, float16):
    content, refused = random_graph(seed, float16=float16)
    assert refused
    path = tmp_path / "random.tflite"
    path.write_bytes(content)
    child = subprocess.run(
        [sys.executable, "-c", COMPILE, str(path)], capture_output=True, text=True, timeout=600
    )
    log = gpu_log.parse(child.stderr)
    coverage = find_coverage(inspect(content), refused, fails=False)
    assert (coverage.nodes_delegated, coverage.nodes - coverage.nodes_delegated) == (
        log.on_gpu,
        log.on_cpu,
    )

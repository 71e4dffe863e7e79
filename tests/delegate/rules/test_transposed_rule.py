"""Where GPU delegates shift a transposed convolution with "same" padding:
the rules and the delegate.
"""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.probe import probe
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.mldrift_graphs import OP, Graph, ints, options, transposed

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
# Kernel, strides and size, all as (height, width), and the output's size where it is
# not size times strides.
SHIFTED = [
    ((3, 3), (2, 2), (1, 2)),
    ((3, 3), (2, 2), (4, 3)),
    ((5, 5), (2, 2), (7, 7)),
    ((3, 2), (2, 2), (5, 6)),
    ((5, 3), (2, 1), (9, 6)),
    ((3, 3), (3, 3), (4, 6)),
    ((4, 4), (3, 3), (5, 6)),
    ((7, 7), (5, 5), (6, 5)),
    ((3, 3), (2, 2), (4, 4), (7, 8)),
]
RIGHT = [
    ((3, 3), (2, 2), (4, 6)),
    ((2, 2), (2, 2), (3, 5)),
    ((4, 4), (2, 2), (3, 5)),
    ((2, 3), (2, 2), (5, 6)),
    ((3, 3), (1, 1), (5, 7)),
    ((5, 3), (2, 1), (10, 6)),
    ((3, 3), (3, 3), (5, 6)),
    ((4, 4), (3, 3), (6, 6)),
    ((2, 2), (3, 3), (4, 7)),
    ((3, 3), (2, 2), (3, 4), (5, 8)),
]


def rules_found(content, target):
    return [finding.rule for finding in lint(inspect(content), target).findings]


def node_of(case, **more):
    kernel, stride, size, *output = case
    return transposed(kernel, stride, size, output=output[0] if output else None, **more)


@pytest.mark.parametrize("target", ["v2", "mldrift"])
@pytest.mark.parametrize("case", SHIFTED)
def test_what_is_shifted_is_told(case, target):
    assert rules_found(node_of(case), target) == [f"{target}.transposed_convolution.shifted"]


@pytest.mark.parametrize("target", ["v2", "mldrift"])
@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_is_left_alone(case, target):
    assert rules_found(node_of(case), target) == []


@pytest.mark.parametrize("case", SHIFTED)
def test_without_padding_nothing_is_shifted(case):
    kernel, stride, size, *_ = case
    full = [(n - 1) * step + taps for n, step, taps in zip(size, stride, kernel, strict=True)]
    assert (
        rules_found(transposed(kernel, stride, size, output=full, padding=VALID), "mldrift") == []
    )


def test_the_reason_names_the_side_and_how_far():
    (finding,) = lint(inspect(node_of(((3, 9), (5, 5), (5, 6)))), "mldrift").findings
    assert "a width of 6, a kernel of 9 and a stride of 5: the output is 2 px off" in finding.reason


@pytest.mark.parametrize(("stride", "made"), [(0, (6, 8)), (-1, (6, 8)), (2, (0, 0))])
def test_a_node_that_makes_no_sense_is_not_called_shifted(stride, made):
    found = rules_found(transposed((3, 3), (stride, stride), (3, 4), output=made), "mldrift")
    assert "mldrift.transposed_convolution.shifted" not in found


@pytest.mark.gpu
def test_the_delegate_itself_shifts_those_and_no_others(gpu, tmp_path):
    graph, outputs = Graph(), []
    for kernel, stride, size, *output in (*SHIFTED, *RIGHT):
        made = (1, *(output[0] if output else np.multiply(size, stride).tolist()), 4)
        kept = options("TransposeConv", strideH=stride[0], strideW=stride[1], padding=SAME)
        # Every tap its own value, so that no shift goes unseen.
        weights = np.random.default_rng(0).standard_normal((4, *kernel, 4)).astype(np.float32)
        inputs = [ints(*made), weights, graph.input((1, *size, 4))]
        outputs.append(graph.node(OP.TRANSPOSE_CONV, inputs, made, kept=kept))
    path = tmp_path / "transposed.tflite"
    path.write_bytes(graph.file(*outputs))
    checks = probe(path, precisions=("float32",)).precisions[0].outputs
    names = [tensor.name for tensor in inspect(path).outputs]
    wrong = {names.index(check.name) for check in checks if not check.passed}
    assert wrong == set(range(len(SHIFTED)))

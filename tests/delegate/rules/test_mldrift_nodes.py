"""What ML Drift leaves to the CPU node by node, and what it takes."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.findings import TargetVerdict
from bokeh_tf.delegate.probing.verdicts import Verdict
from tests.delegate.rules.mldrift_graphs import (
    HALF,
    OP,
    ints,
    one,
    options,
    ramp,
)
from tests.delegate.rules.reports import probed, report_of

# What it leaves to the CPU


NODES = {
    "mldrift.op.log_softmax": one(OP.LOG_SOFTMAX, [HALF], HALF),
    "mldrift.op.bits": one(OP.BITWISE_XOR, [(HALF, np.int32)] * 2, HALF, dtype=np.int32),
    "mldrift.op_version": one(OP.SUB, [HALF, HALF], HALF, version=3, kept=options("Sub")),
    "mldrift.rank": one(OP.RESHAPE, [HALF, ints(1, 3, 2, 8, 4)], (1, 3, 2, 8, 4)),
    "mldrift.binary.inputs": one(OP.ADD_N, [HALF, HALF, HALF], HALF),
    "mldrift.binary.scalar": one(OP.ADD, [HALF, ()], HALF, kept=options("Add")),
    "mldrift.binary.constant_scalar": one(
        OP.LOGICAL_AND, [(HALF, np.bool_), np.asarray(True)], HALF, dtype=np.bool_
    ),
    "mldrift.batch_matmul.constant_left": one(
        OP.BATCH_MATMUL, [ramp(2, 5, 6), (2, 6, 8)], (2, 5, 8), kept=options("BatchMatMul")
    ),
    "mldrift.gather.indices": one(
        OP.GATHER, [HALF, np.asarray(1, np.int32)], (1, 6, 8), kept=options("Gather", axis=3)
    ),
    "mldrift.slice.inputs": one(
        OP.SLICE, [HALF, np.zeros(4, np.int64), np.ones(4, np.int64)], (1, 1, 1, 1)
    ),
    "mldrift.strided_slice.extent": one(
        OP.STRIDED_SLICE, [HALF, ints(0, 0, 0, 0), ints(1, 100, 8, 4), ints(1, 1, 1, 1)], HALF
    ),
    "mldrift.strided_slice.reverse": one(
        OP.STRIDED_SLICE, [HALF, ints(0, 0, 0, 3), ints(1, 6, 8, -5), ints(1, 1, 1, -1)], HALF
    ),
    "mldrift.softmax.beta": one(OP.SOFTMAX, [HALF], HALF, kept=options("Softmax", beta=2.0)),
    "mldrift.pad.shape": one(OP.PAD, [(6, 8), np.ones((2, 2), np.int32)], (8, 10)),
    "mldrift.prelu.alpha": one(OP.PRELU, [HALF, ramp(6, 8, 1)], HALF),
    "mldrift.transpose.rank": one(OP.TRANSPOSE, [(8,), ints(0)], (8,)),
    "mldrift.block_size": one(
        OP.DEPTH_TO_SPACE, [HALF], HALF, kept=options("DepthToSpace", blockSize=1)
    ),
    "mldrift.type.moving": one(
        OP.RESHAPE, [(HALF, np.int64), ints(24, 8)], (24, 8), dtype=np.int64
    ),
    "mldrift.type.arg_max": one(
        OP.ARG_MAX,
        [HALF, ints(3)],
        (1, 6, 8),
        kept=options("ArgMax", outputType=schema.TensorType.INT64),
        dtype=np.int64,
    ),
    "mldrift.type": one(OP.MEAN, [(HALF, np.int32), ints(3)], (1, 6, 8), dtype=np.int32),
    "mldrift.select.shape": one(OP.SELECT_V2, [(HALF, np.bool_), ramp(4), HALF], HALF),
}


@pytest.mark.parametrize("rule", NODES)
def test_a_node_is_left_to_the_cpu(rule):
    report = report_of(NODES[rule])
    assert ([finding.rule for finding in report.findings], report.verdict) == (
        [rule],
        TargetVerdict.INCOMPATIBLE,
    )
    assert report.coverage.nodes_supported == 0


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("rule", NODES)
def test_the_delegate_itself_leaves_it_to_the_cpu(rule, gpu, tmp_path):
    assert probed(NODES[rule], tmp_path) is Verdict.REFUSED


TAKEN = {
    "slice of one dimension": one(OP.SLICE, [(8,), ints(2), ints(3)], (3,)),
    "end counted back": one(
        OP.STRIDED_SLICE,
        [HALF, ints(0, 0, 0, -2), ints(1, -1, 8, 4), ints(1, 1, 1, 1)],
        (1, 5, 8, 2),
    ),
    "integers": one(OP.SUB, [(HALF, np.int32)] * 2, HALF, kept=options("Sub"), dtype=np.int32),
    "compared integers": one(OP.LESS, [(HALF, np.int32)] * 2, HALF, dtype=np.bool_),
    "chosen scalar": one(OP.SELECT_V2, [(HALF, np.bool_), HALF, np.asarray(1, np.float32)], HALF),
    "reshape to a scalar": one(OP.RESHAPE, [(1,), np.zeros(0, np.int32)], ()),
    "two shapes": one(OP.MUL, [(6, 1, 1), (1, 6, 8, 4)], HALF, kept=options("Mul")),
    "multiplied by itself": one(OP.SQUARE, [HALF], HALF),
    "alpha by pixel": one(OP.PRELU, [HALF, ramp(6, 8, 4)], HALF),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_node_is_taken(name):
    assert report_of(TAKEN[name]).findings == ()


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("name", TAKEN)
def test_the_delegate_itself_takes_it(name, gpu, tmp_path):
    assert probed(TAKEN[name], tmp_path) is Verdict.FULL

"""Graphs that a delegate refuses or computes wrongly, by the recipe that mends them."""

import numpy as np

from tests.delegate.rules.mldrift_graphs import (
    IMAGE,
    OP,
    ints,
    one,
    options,
    ramp,
    split_joined,
    weighted_sums,
)
from tests.repairing.graphs import (
    RELU,
    between_reshapes,
    broadcast_both_ways,
    bytes_of,
    coded_largest,
    composite,
    cumulated,
    dense_of_bytes,
    dense_of_four_bits,
    depthwise,
    dilated,
    gram,
    group_normalised,
    grouped,
    halves_added,
    heads_split,
    joined_constant,
    local_response,
    mask_cast,
    masked,
    matrices,
    noise,
    numbers_as_floats,
    packed,
    points_of_bytes,
    pooled_by_mean,
    reduced_sum,
    sparse_like,
    split_of_one,
    strided,
    summed,
    swapped,
    tiled,
    transposed,
    twice,
    unpacked,
    upsampled,
)

PAIRS = np.array([[0, 0], [1, 2], [2, 1], [0, 0]], np.int32)
# A recipe's name -> its graphs.
CASES = {
    "composite": [composite()],
    "dense-weights": [sparse_like()],
    "four-bit-weights": [dense_of_four_bits()],
    "squeeze": [
        one(OP.SQUEEZE, [(1, 1, 6, 8)], (6, 8), kept=options("Squeeze", squeezeDims=ints(0, 1)))
    ],
    "slices": [
        strided((1, 5, 6, 8), (5, 6), (0, 0, 0, 2), (1, 5, 6, 3), begin=7, end=7, shrinkAxis=9),
        strided((1, 5, 6, 8), (1, 5, 6), (0, -2), (0, 0), begin=0, end=0, ellipsis=1, shrinkAxis=2),
        strided(
            (1, 5, 6, 8), (1, 5, 6, 8), (0, 0, 0, 0), (0, 0, 0, 0), (1, 1, 1, -1), begin=15, end=15
        ),
        strided(
            (1, 5, 6, 8), (1, 5, 6, 3), (0, 0, 0, 6), (0, 0, 0, 0), (1, 1, 1, -2), begin=7, end=7
        ),
        strided(
            (1, 5, 6, 8),
            (1, 5, 1, 6),
            (0, 0, 0, 0, 0),
            (0, 0, 0, 0, 3),
            begin=31,
            end=15,
            newAxis=4,
            shrinkAxis=16,
        ),
        strided((10, 8), (4, 3), (1, 2), (9, 5), (2, 1)),
        one(OP.SLICE, [(10, 8), ints(1, 2), ints(4, -1)], (4, 6), kept=options("Slice")),
    ],
    "unstack": [unpacked(3), unpacked(1)],
    "stack": [packed()],
    "arithmetic": [
        group_normalised(),
        one(OP.ADD, [(2, 5, 6), ramp(2, 5, 6)], (2, 5, 6), kept=options("Add")),
        one(OP.SUB, [(2, 5, 6), ramp(2, 5, 1)], (2, 5, 6), kept=options("Sub")),
    ],
    "reductions": [packed(), group_normalised()],
    "reductions-in-steps": [pooled_by_mean()],
    "weighted-sums": [weighted_sums(join=True)],
    "strided-points": [points_of_bytes()],
    "sum-put-out": [reduced_sum()],
    "softmax-rank": [
        between_reshapes(
            OP.SOFTMAX,
            (1, 4, 6, 8),
            (1, 2, 2, 6, 8),
            (1, 2, 2, 6, 8),
            (1, 4, 6, 8),
            kept=options("Softmax", beta=1.0),
        )
    ],
    "matrix-batches": [
        matrices((1, 3, 4, 5), (1, 1, 5, 6), (1, 3, 4, 6)),
        matrices((3, 4, 5), (1, 5, 6), (3, 4, 6)),
        gram(),
    ],
    "pixel-shuffle": [
        swapped((0, 1, 3, 2, 4, 5), (1, 4, 6, 2, 2, 2), (1, 8, 12, 2)),
        swapped((0, 1, 3, 2, 4, 5), (1, 2, 2, 3, 2, 8), (1, 2, 3, 32)),
    ],
    "transpose": [
        swapped((0, 1, 2, 4, 3), (1, 4, 6, 2, 4), (1, 4, 6, 8)),
        swapped((0, 4, 2, 5, 1, 3), (1, 2, 2, 3, 2, 8), (1, 8, 2, 12)),
        swapped((5, 3, 1, 4, 2, 0), (2, 2, 3, 2, 4, 2), (1, 2, 2, 48)),
    ],
    "nearest": [upsampled()],
    "tile": [
        tiled(),
        one(
            OP.BROADCAST_TO,
            [(1, 1, 1, 8), ints(*IMAGE)],
            IMAGE,
            kept=options("BroadcastTo"),
            version=2,
        ),
        one(
            OP.BROADCAST_TO,
            [(1, 1, 1, 1), ints(*IMAGE)],
            IMAGE,
            kept=options("BroadcastTo"),
            version=2,
        ),
    ],
    "padding": [
        one(OP.PAD, [(5, 6), PAIRS[1:3].copy()], (8, 9), kept=options("Pad")),
        one(
            OP.PAD,
            [(4, 5, 6), np.array([[0, 0], [1, 2], [0, 1]], np.int32)],
            (4, 8, 7),
            kept=options("Pad"),
        ),
    ],
    "mirror": [
        one(OP.MIRROR_PAD, [IMAGE, PAIRS], (1, 9, 11, 8), kept=options("MirrorPad", mode=1)),
        one(
            OP.MIRROR_PAD,
            [(1, 20, 12, 3), PAIRS * 6],
            (1, 38, 30, 3),
            kept=options("MirrorPad", mode=1),
        ),
    ],
    "dense-rows": [
        between_reshapes(
            OP.FULLY_CONNECTED,
            (1, 4, 6, 4),
            (1, 2, 2, 6, 4),
            (1, 2, 2, 6, 5),
            (1, 4, 6, 5),
            noise(5, 4),
            noise(5),
            kept=options("FullyConnected", keepNumDims=True),
            version=5,
        )
    ],
    "dense-uint8": [dense_of_bytes()],
    "concatenation": [joined_constant()],
    "split-rank": [heads_split(2), heads_split(3)],
    "split-joined": [split_joined((1, 0), of_input=False)],
    "split-operands": [halves_added()],
    "split-of-one": [split_of_one()],
    "reverse": [
        one(OP.REVERSE_V2, [(1, 6, 8, 5), ints(axis)], (1, 6, 8, 5), kept=options("ReverseV2"))
        for axis in (1, 3)
    ],
    "gather": [
        one(
            OP.GATHER,
            [(1, 6, 8, 5), np.array([4, 0, 3], np.int64)],
            (1, 6, 8, 3),
            kept=options("Gather", axis=3),
        ),
        one(
            OP.GATHER,
            [(1, 6, 8, 5), np.asarray(2, np.int32)],
            (1, 6, 5),
            kept=options("Gather", axis=2),
        ),
    ],
    "gather-nd": [
        one(
            OP.GATHER_ND,
            [(1, 6, 8, 5), ints(0, 2, 0, 5, 0, 2).reshape(3, 2)],
            (3, 8, 5),
            kept=options("GatherNd"),
        )
    ],
    "embedding": [one(OP.EMBEDDING_LOOKUP, [((3,), np.int32), noise(16, 8)], (3, 8))],
    "cast-first": [numbers_as_floats()],
    "one-hot": [coded_largest()],
    "depth-multiplier": [depthwise(), depthwise(np.int8)],
    "grouped-convolution": [grouped()],
    "dilation": [dilated()],
    "full-operand": [
        broadcast_both_ways((1, 4, 6, 1), (1, 1, 1, 5)),
        broadcast_both_ways((1, 4, 1, 5), (1, 1, 6, 5)),
        broadcast_both_ways((1, 4, 3, 1), (1, 1, 3, 5)),
    ],
    "one-tensor-twice": [twice(OP.SUB, "Sub"), twice(OP.MAXIMUM, "MaximumMinimum")],
    "transposed-activation": [transposed(activation=RELU, version=4)],
    "transposed-same": [transposed(size=11)],
    "log-softmax": [
        one(OP.LOG_SOFTMAX, [(1, 6, 8, 5)], (1, 6, 8, 5), kept=options("LogSoftmax")),
        bytes_of(OP.LOG_SOFTMAX, "LogSoftmax", 16 / 256, 127),
    ],
    "l2-normalisation": [
        one(OP.L2_NORMALIZATION, [(1, 6, 8, 5)], (1, 6, 8, 5), kept=options("L2Norm")),
        bytes_of(OP.L2_NORMALIZATION, "L2Norm", 1 / 128),
    ],
    "local-response": [local_response()],
    "ceil": [one(OP.CEIL, [IMAGE], IMAGE)],
    "round": [one(OP.ROUND, [IMAGE], IMAGE)],
    "masks": [masked()],
    "mask-read-once": [
        mask_cast(),
        mask_cast((OP.RELU, None, 1), (OP.TANH, None, 1)),
        mask_cast((OP.MUL, "Mul", 2)),
        mask_cast((OP.ABS, None, 1), (OP.TANH, None, 1), is_output=True),
    ],
    "cumsum": [cumulated(reverse=True), cumulated(exclusive=True), cumulated()],
    "add-n": [summed()],
    "relu-0-to-1": [one(OP.RELU_0_TO_1, [IMAGE], IMAGE)],
    "softmax-beta": [one(OP.SOFTMAX, [IMAGE], IMAGE, kept=options("Softmax", beta=2.0))],
    "lower-version": [one(OP.LOGISTIC, [IMAGE], IMAGE, version=3)],
}
# By the name of the form that the real delegate computes right, whether a
# rule knows the case or not.
SECOND_CASES = {"split-slices": halves_added()}

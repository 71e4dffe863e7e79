"""Naming the node at which the delegate goes wrong, on networks whose wrong node is known."""

import numpy as np
import pytest

from bokeh_tf.delegate.bisecting.search import MIN_JUMP, NodeError, bisect, first_jump
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite import rewriting
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running import runtime
from tests.delegate.rules.mldrift_graphs import summed

# XNNPACK fuses an activation into the layer before it, an output in between undoes that.
CPU_FUSION_ERROR = 1e-6


@pytest.fixture(scope="module")
def grouped_in_the_middle(tiny_tflite):
    """Two right layers, a grouped convolution with two channels per group
    (wrong), two right layers.
    """

    def graph(image):
        import keras

        x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="before")(image)
        x = keras.layers.Conv2D(8, 3, groups=4, padding="same", activation="tanh", name="grouped")(
            x
        )
        x = keras.layers.Conv2D(8, 1, activation="relu", name="after")(x)
        return keras.layers.Conv2D(3, 3, padding="same", name="last")(x)

    return tiny_tflite("grouped_in_the_middle", graph)


@pytest.fixture(scope="module")
def two_branches(tiny_tflite):
    """Two slices times the same weights, summed over channels and joined: the second
    branch gets the first's value.
    """

    def graph(image):
        import keras

        x = keras.layers.Conv2D(8, 3, padding="same", name="features")(image)
        w = keras.layers.Conv2D(4, 1, name="weights")(image)
        branches = [
            keras.ops.sum(x[..., start : start + 4] * w, axis=-1, keepdims=True) for start in (0, 4)
        ]
        return keras.ops.concatenate(branches, axis=-1)

    return tiny_tflite("two_branches", graph)


@pytest.fixture(scope="module")
def arg_max_of_six(tiny_tflite):
    """ARG_MAX over 6 channels, all negative: the lanes that pad them to 8 win."""

    def graph(image):
        import keras
        import tensorflow as tf

        scores = -keras.ops.exp(keras.layers.Conv2D(6, 1, name="scores")(image))
        # Keras' own argmax adds operations that TFLite has no form of.
        return keras.layers.Lambda(lambda x: tf.argmax(x, axis=-1, output_type=tf.int32))(scores)

    return tiny_tflite("arg_max_of_six", graph)


@pytest.fixture(scope="module")
def wide_upsampling_in_the_middle(tiny_tflite):
    """Bilinear x2 from width 1024 between two layers: coordinates run out of
    digits in half precision only.
    """

    def graph(image):
        import keras

        x = keras.layers.Conv2D(4, 1, name="before")(image)
        x = keras.layers.UpSampling2D(2, interpolation="bilinear", name="wider")(x)
        return keras.layers.Conv2D(3, 1, name="after")(x)

    return tiny_tflite("wide_upsampling_in_the_middle", graph, image_shape=(4, 1024))


@pytest.mark.gpu
def test_a_right_network_has_no_node_that_differs(gpu, tiny_convolution):
    for precision in ("float32", "default"):
        bisection = bisect(tiny_convolution, precision=precision)
        assert bisection.verdict is Verdict.FULL and bisection.first is None
        assert str(bisection) == f"no node differs ({precision})"


@pytest.mark.gpu
def test_a_grouped_convolution_is_named_with_its_layer_and_error(gpu, grouped_in_the_middle):
    bisection = bisect(grouped_in_the_middle)
    assert bisection.verdict is Verdict.WRONG
    first = bisection.first
    # Second of the file's convolutions: its four groups have the bias and the
    # activation of one layer.
    assert (first.op, first.node) == ("CONV_2D", 1) and first.shape == (1, 16, 24, 8)
    assert first.max_share > 0.05 and first.reason
    assert "Validation error" in bisection.notes[0] and "\n" not in str(bisection)


@pytest.mark.gpu
def test_branches_that_are_merged_are_found_by_cutting(gpu, two_branches):
    bisection = bisect(two_branches)
    assert bisection.verdict is Verdict.WRONG
    assert bisection.first.op == "CONCATENATION"
    assert bisection.method == "cut" and not bisection.is_reproduced
    assert "not reproduced" in str(bisection) and "alone as an output" in str(bisection)


@pytest.mark.gpu
def test_a_sum_that_is_put_out_is_named_and_not_its_reader(gpu):
    bisection = bisect(summed(put_out=True))
    assert bisection.verdict is Verdict.WRONG
    assert (bisection.first.op, bisection.first.node) == ("ADD", 0)


def _grown(*growths):
    return [
        NodeError(node, "ADD", None, "sum", (1,), 1.0, None, None, growth)
        for node, growth in enumerate(growths)
    ]


@pytest.mark.parametrize(
    ("growths", "node"),
    [
        # MLPerf Tiny's ResNet in int8: two wrong convolutions, and a SOFTMAX
        # that makes much of them.
        ((0.0, 0.0, 0.1102, -0.0527, -0.0171, 0.0413, -0.0481, 0.1032, 0.4453), 2),
        # Every node adds a little.
        ((0.002, 0.02, 0.002, 0.3), 3),
        ((0.0, 0.2, float("inf")), 1),
        ((0.002, 0.009), None),
        ((), None),
    ],
)
def test_the_first_node_that_adds_much_is_named_where_all_add_a_little(growths, node):
    found = first_jump(_grown(*growths))
    assert (None if found is None else found.node) == node


@pytest.mark.gpu
def test_an_arg_max_over_six_channels_is_named(gpu, arg_max_of_six):
    bisection = bisect(arg_max_of_six)
    assert bisection.verdict is Verdict.WRONG and bisection.first.op == "ARG_MAX"


@pytest.mark.gpu
def test_the_largest_jump_is_named_in_half_precision(gpu, wide_upsampling_in_the_middle):
    bisection = bisect(wide_upsampling_in_the_middle, precision="default")
    assert bisection.verdict is Verdict.WRONG and bisection.first.op == "RESIZE_BILINEAR"
    assert bisection.first.growth > MIN_JUMP
    assert all(
        error.growth < MIN_JUMP for error in bisection.around if error.node < bisection.first.node
    )
    assert bisect(wide_upsampling_in_the_middle).verdict is Verdict.FULL


@pytest.mark.gpu
def test_the_node_that_ends_the_process_is_found(gpu, tiny_tflite):
    def graph(image):
        import keras

        wide = keras.layers.Conv2D(12, 1, activation="relu", name="wide")(image)
        x = keras.layers.Conv2D(12, 3, groups=2, padding="same", activation="tanh", name="deadly")(
            wide
        )
        return keras.layers.Conv2D(3, 1, name="last")(x)

    bisection = bisect(tiny_tflite("deadly", graph), precision="default")
    assert bisection.verdict is Verdict.CRASHED
    assert (bisection.first.op, bisection.first.node) == ("CONV_2D", 1)
    assert "SIGILL" in bisection.notes[0]


@pytest.mark.gpu
def test_the_refused_node_is_found(gpu, tiny_tflite):
    def graph(image):
        import keras

        x = keras.layers.Conv2D(4, 1, activation="relu", name="before")(image)
        x = keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
        return keras.layers.Conv2D(3, 1, name="after")(x)

    bisection = bisect(tiny_tflite("refused_in_the_middle", graph))
    assert bisection.verdict is Verdict.REFUSED and bisection.first.op == "MIRROR_PAD"
    assert bisection.first.difference is None and "nan" not in str(bisection)


def test_time_that_runs_out_is_said(grouped_in_the_middle):
    bisection = bisect(grouped_in_the_middle, timeout_s=0.05)
    assert bisection.verdict is Verdict.TIMED_OUT and bisection.first is None
    assert "time was up" in bisection.notes[0]


def test_wrong_arguments_and_files_are_named(tiny_convolution, tmp_path):
    with pytest.raises(ValueError, match="Known: float32, default"):
        bisect(tiny_convolution, precision="half")
    with pytest.raises(ValueError, match="timeout_s"):
        bisect(tiny_convolution, timeout_s=0)
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(tiny_convolution.read_bytes()[:1500])
    with pytest.raises(ModelFileError, match=r"cut\.tflite"):
        bisect(cut)


def _image(path):
    (spec,) = runtime.load(path).inputs
    return np.random.default_rng(3).random(spec.shape, np.float32)


def test_exposed_tensors_are_copies_and_the_outputs_keep_their_values(tiny_convolution):
    content, image = tiny_convolution.read_bytes(), _image(tiny_convolution)
    file = inspect(content)
    between = [node.outputs[0] for node in file.operators if node.name == "CONV_2D"][:1]
    exposed = rewriting.with_outputs(content, between)
    runner = runtime.load(exposed)
    assert [spec.name for spec in runner.outputs] == [
        file.outputs[0].name,
        rewriting.port_name(between[0]),
    ]
    (expected,) = runtime.load(content).run(image)
    rendered, hidden = runner.run(image)
    np.testing.assert_allclose(rendered, expected, atol=CPU_FUSION_ERROR)
    assert hidden.shape == file.tensors[between[0]].shape and hidden.min() >= 0


def test_a_cut_network_puts_out_what_the_whole_one_has_there(tiny_convolution):
    content, image = tiny_convolution.read_bytes(), _image(tiny_convolution)
    file = inspect(content)
    first = next(node for node in file.operators if node.name == "CONV_2D")
    cut = rewriting.cut_after(content, first.index)
    (head,) = runtime.load(cut).run(image)
    _, expected = runtime.load(rewriting.with_outputs(content, [first.outputs[0]])).run(image)
    np.testing.assert_allclose(head, expected, atol=CPU_FUSION_ERROR)
    assert len(inspect(cut).operators) < len(file.operators)


def test_a_cut_before_the_first_value_is_refused(tiny_convolution):
    with pytest.raises(ValueError, match="Received: node 0"):
        rewriting.cut_after(tiny_convolution.read_bytes(), 0)


def test_constants_stay_aligned_and_the_same(tiny_convolution):
    content = tiny_convolution.read_bytes()
    packed = rewriting.pack(rewriting.unpack(content), size_hint_bytes=len(content))
    before, after = rewriting.unpack(content), rewriting.unpack(packed)
    for old, new in zip(before.buffers, after.buffers, strict=True):
        if old.data is not None:
            np.testing.assert_array_equal(old.data, new.data)
            if len(np.unique(new.data)) > 16:
                assert packed.index(bytes(new.data)) % 16 == 0
    assert packed[4:8] == b"TFL3"

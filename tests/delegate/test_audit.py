"""The half-precision audit: every rule fires on a small network and is silent on its right twin;
where a GPU can be had, the same networks are wrong and right there. What cannot be audited is one
line.
"""

import dataclasses
import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.audit.audit import audit
from bokeh_tf.delegate.audit.findings import Severity, explanations
from bokeh_tf.delegate.writers.explanation import explanation_of
from bokeh_tf.errors import CheckError, ModelFileError, PhotoError
from bokeh_tf.tflite import rewriting
from bokeh_tf.tflite.inspection import inspect

SIZE = (48, 64)


def _conv(image, kernel, *, depthwise=False, padding="valid"):
    """A convolution with a fixed kernel [H, W, in, out]."""
    import keras

    kind = keras.layers.DepthwiseConv2D if depthwise else keras.layers.Conv2D
    options = {"depthwise_initializer": keras.initializers.Constant(kernel)} if depthwise else {}
    if not depthwise:
        options = {
            "filters": kernel.shape[3],
            "kernel_initializer": keras.initializers.Constant(kernel),
        }
    return kind(kernel_size=kernel.shape[:2], padding=padding, use_bias=False, **options)(image)


def _edges(size):
    """A vertical edge filter of 3x3 weights that cancel; its partial
    sums reach nine times `size`.
    """
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[0], kernel[2] = size, -size
    return kernel


def _mean_kernel(side):
    return np.full((side, side, 3, 1), 1 / side**2, np.float32)


def _graphs():
    """Rule -> (graph that breaks in half precision, its twin that does not, image
    shape). The photo is in [0, 1].
    """
    from keras import activations, layers, ops

    def variance(x):
        return ops.mean(x * x, axis=(1, 2), keepdims=True) - ops.square(
            ops.mean(x, axis=(1, 2), keepdims=True)
        )

    def upsampled(x):
        return layers.UpSampling2D(2, interpolation="bilinear")(x)

    return {
        "overflow": (
            lambda x: ops.relu(x * 300.0) * 300.0,
            lambda x: ops.relu(x * 30.0) * 300.0,
            SIZE,
        ),
        "near_overflow": (
            lambda x: ops.relu(x * 200.0) * 200.0,
            lambda x: ops.relu(x * 20.0) * 200.0,
            SIZE,
        ),
        "square": (
            lambda x: ops.sqrt(ops.square(400.0 * x) + 1.0),
            lambda x: ops.sqrt(ops.square(100.0 * x) + 1.0),
            SIZE,
        ),
        "exp": (
            lambda x: activations.softplus(30.0 * x),
            lambda x: activations.softplus(8.0 * x),
            SIZE,
        ),
        "sum": (
            lambda x: ops.sum(80.0 * x, axis=(1, 2), keepdims=True),
            lambda x: ops.mean(80.0 * x, axis=(1, 2), keepdims=True),
            SIZE,
        ),
        "partial_sum": (
            lambda x: _conv(ops.relu(0.1 * x + 1.0), _edges(20_000)),
            lambda x: _conv(x, _edges(200)),
            SIZE,
        ),
        "accumulation": (
            lambda x: _conv(x, _mean_kernel(75), depthwise=True),
            lambda x: _conv(x, _mean_kernel(5), depthwise=True),
            (96, 112),
        ),
        "epsilon": (
            lambda x: ops.rsqrt(ops.relu(x - 0.9) + 1e-8),
            lambda x: ops.rsqrt(ops.relu(x - 0.9) + 1e-3),
            SIZE,
        ),
        "underflow": (
            lambda x: ops.log(ops.square(ops.square(0.01 * x + 0.001))),
            lambda x: ops.log(ops.square(ops.square(0.5 * x + 0.1))),
            SIZE,
        ),
        "constant": (lambda x: ops.relu(x * 1e-8) * 3e4, lambda x: ops.relu(x * 1e-3) * 3e2, SIZE),
        "softmax": (
            lambda x: ops.softmax(1000.0 + 10.0 * x),
            lambda x: ops.softmax(10.0 * x),
            SIZE,
        ),
        "resize": (upsampled, upsampled, (4, 1024)),
        "cancellation": (
            lambda x: variance(0.02 * x + 0.5),
            lambda x: ops.mean(
                ops.square(x - ops.mean(x, axis=(1, 2), keepdims=True)), axis=(1, 2), keepdims=True
            ),
            SIZE,
        ),
        "threshold": (
            lambda x: ops.cast(0.002 * x + 0.5 > 0.501, "float32"),
            lambda x: ops.cast(x > 0.37, "float32"),
            SIZE,
        ),
        "angle": (lambda x: ops.sin(1000.0 * x), lambda x: ops.sin(3.0 * x), SIZE),
    }


RULES = [rule.removeprefix("fp16.") for rule in explanations()]


@pytest.fixture(scope="module")
def network(tiny_tflite):
    """`network(rule, "wrong" or "right")`: the path of that rule's network."""
    graphs = _graphs()
    assert set(graphs) == set(RULES), "every rule has a network"

    def build(rule, which):
        wrong, right, shape = graphs[rule]
        # The same layer at half the width is what is right about resizing.
        shape = (4, 512) if rule == "resize" and which == "right" else shape
        return tiny_tflite(
            f"audit_{rule}_{which}", wrong if which == "wrong" else right, image_shape=shape
        )

    return build


# Rules that only warn on these networks: about accuracy, or about other photographs.
WARNINGS = {"near_overflow", "softmax", "threshold", "angle"}


@pytest.mark.parametrize("rule", RULES)
def test_rule_fires_and_spares_the_twin(rule, network):
    report = audit(network(rule, "wrong"))
    finding = next((entry for entry in report.findings if entry.rule == f"fp16.{rule}"), None)
    assert finding is not None, report.findings
    assert finding.severity is (Severity.WARNING if rule in WARNINGS else Severity.ERROR)
    assert any(entry.severity is Severity.ERROR for entry in report.findings) is (
        rule not in WARNINGS
    )
    explanation = explanations()[finding.rule]
    assert finding.op in explanation.ops or explanation.ops == ("*",)
    assert finding.reason and finding.instead == explanation.instead
    assert finding.rule in report.predicted[0].rules and finding.node in report.predicted[0].nodes
    twin = audit(network(rule, "right"))
    assert twin.findings == () and twin.predicted[0].error < 5e-3, twin


# Of every kind of mechanism one; the delegate refuses or folds away none of these.
ON_THE_GPU = (
    "square",
    "exp",
    "sum",
    "partial_sum",
    "accumulation",
    "epsilon",
    "resize",
    "cancellation",
)


@pytest.mark.gpu
@pytest.mark.parametrize("rule", ON_THE_GPU)
def test_the_delegate_is_wrong_where_the_audit_says_so(rule, network, gpu):
    from bokeh_tf.delegate.probing.probe import Verdict, probe

    wrong, right = (
        probe(network(rule, which), precisions=("default",)) for which in ("wrong", "right")
    )
    if not wrong.adapter_has_float16:
        pytest.skip("this adapter computes in float32")
    assert wrong.verdict is Verdict.WRONG, wrong.precisions
    assert right.verdict is Verdict.FULL, right.precisions


@pytest.mark.gpu
def test_prediction_beside_measurement(network, gpu):
    """The predicted error of a resize is the measured one, that of a long
    sum within a factor four.
    """
    from bokeh_tf.delegate.probing.probe import probe

    for rule, factor in (("resize", 1.1), ("accumulation", 4.0)):
        path = network(rule, "wrong")
        check = next(
            check
            for check in probe(path, precisions=("default",)).precisions[0].outputs
            if check.trial == "photo"
        )
        measured = check.difference.max_abs / check.scale
        assert measured / factor < audit(path).predicted[0].error < measured * factor


def test_infinity_that_is_bounded_again_is_a_warning(tiny_tflite):
    def graph(image):
        from keras import ops

        return ops.sigmoid(ops.relu(image * 300.0) * 300.0)

    (finding,) = audit(tiny_tflite("audit_bounded", graph)).findings
    assert finding.rule == "fp16.overflow" and finding.severity is Severity.WARNING


def test_inside_of_a_file_that_only_xnnpack_runs(tiny_tflite, tmp_path):
    """A custom operator that plain kernels lack must not hide what the other nodes compute."""

    def graph(image):
        from keras import layers, ops

        return ops.square(
            layers.Conv2DTranspose(4, 2, strides=2, padding="same", name="up")(300.0 * image)
        )

    plain = tiny_tflite("audit_transposed", graph)
    model = rewriting.unpack(plain.read_bytes())
    index = next(node.index for node in inspect(plain).operators if node.name == "TRANSPOSE_CONV")
    node = model.subgraphs[0].operators[index]
    code = model.operatorCodes[node.opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = "Convolution2DTransposeBias", 1
    node.builtinOptionsType, node.builtinOptions = 0, None
    # Padding SAME and both strides.
    node.customOptions = np.frombuffer(np.array([1, 2, 2], np.int32).tobytes(), np.uint8)
    _, weights, image, *bias = map(int, node.inputs)
    node.inputs = np.array([image, weights, *(bias or [_zero_bias(model, 4)])], np.int32)
    path = tmp_path / "custom.tflite"
    path.write_bytes(rewriting.pack(model))
    expected, actual = audit(plain), audit(path)
    assert actual.nodes_unseen == 0 and actual.nodes == expected.nodes
    assert actual.peak.value == pytest.approx(expected.peak.value, rel=1e-4)
    assert (
        [entry.rule for entry in actual.findings]
        == [entry.rule for entry in expected.findings]
        == ["fp16.square"]
    )


def _zero_bias(model, channels):
    """Appends a constant of zeros to the main graph; returns its index."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.zeros(4 * channels, np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.shape, tensor.buffer = (
        "bias",
        np.array([channels], np.int32),
        len(model.buffers) - 1,
    )
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def test_bytes_that_are_squared(tiny_tflite):
    """An input that is divided by 255 is fed 0..255: here it is squared before that."""

    def graph(image):
        from keras import ops

        return ops.concatenate([ops.square(image), image / 255.0], axis=-1)

    report = audit(tiny_tflite("audit_bytes", graph))
    (finding,) = report.findings
    assert finding.rule == "fp16.square" and 16_376 < finding.value <= 65_025
    assert "0..255" in report.doubts[0]


def test_float16_weights_and_own_files_have_no_findings(tiny_convolution):
    report = audit(tiny_convolution)
    assert report.findings == () and report.doubts == () and report.nodes_unseen == 0
    assert report.samples == ("packaged",) and report.peak.value > 0
    assert 2**-12 < report.predicted[0].error < 2e-3
    json.dumps(dataclasses.asdict(report))


def test_samples_of_the_user(tiny_tflite, photo_file, tmp_path):
    def graph(image):
        from keras import ops

        return ops.square(image)

    path = tiny_tflite("audit_square_alone", graph)
    np.save(tmp_path / "größe 400.npy", np.full((16, 24, 3), 400.0))
    np.savez(tmp_path / "eins.npz", image=np.ones((1, 16, 24, 3), np.float32))
    assert audit(path, photo=photo_file).findings == ()
    report = audit(path, inputs=[tmp_path / "eins.npz", tmp_path / "größe 400.npy", photo_file])
    assert [finding.value for finding in report.findings] == [160_000.0]
    assert len(report.samples) == 3 and report.samples[1].endswith("größe 400.npy")


def test_samples_that_do_not_fit(tiny_convolution, tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((4, 4, 3), np.float32))
    with pytest.raises(
        CheckError, match=r"small\.npy: input .* must be float32 \[1, 16, 24, 3\], not float32 \[4,"
    ):
        audit(tiny_convolution, inputs=[tmp_path / "small.npy"])
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CheckError, match=r"broken\.npz: cannot read these arrays"):
        audit(tiny_convolution, inputs=[tmp_path / "broken.npz"])
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CheckError, match=r"objects\.npy: cannot read"):
        audit(tiny_convolution, inputs=[tmp_path / "objects.npy"])
    with pytest.raises(PhotoError, match=r"missing\.jpg"):
        audit(tiny_convolution, inputs=[tmp_path / "missing.jpg"])


def test_files_that_cannot_be_audited(tiny_convolution, tmp_path):
    with pytest.raises(ModelFileError, match=r"gone\.tflite"):
        audit(tmp_path / "gone.tflite")
    content = tiny_convolution.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFileError, match=r"cut\.tflite"):
        audit(tmp_path / "cut.tflite")
    with pytest.raises(CheckError, match=r"longer than 0\.01 s"):
        audit(tiny_convolution, timeout_s=0.01)
    with pytest.raises(ValueError, match="timeout_s"):
        audit(tiny_convolution, timeout_s=0)
    with pytest.raises(ValueError, match=r"Known: .*fp16\.\w+"):
        explanation_of("fp16.nothing")


def test_damaged_files_give_one_line(tiny_convolution, tmp_path):
    """Flipped bits may give numbers of any kind or end the child; never more than one line."""
    generator = np.random.default_rng(5)
    content = np.frombuffer(tiny_convolution.read_bytes(), np.uint8)
    for number in range(12):
        damaged = content.copy()
        damaged[generator.integers(8, content.size, 6)] ^= np.uint8(1 << number % 8)
        path = tmp_path / f"damaged {number}.tflite"
        path.write_bytes(damaged.tobytes())
        try:
            audit(path, timeout_s=20)
        except (ModelFileError, CheckError) as error:
            assert "\n" not in str(error) and path.name in str(error)

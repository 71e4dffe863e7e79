"""Conversion: what the file holds, that it computes what Keras does, and what mistakes of the
caller are told.
"""

import hashlib
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import bokeh_tf
from bokeh_tf import models
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

# Two runtimes add up the same float32 products in different orders.
FLOAT32_TOLERANCE = 1e-5
# Half precision keeps 11 bits of each weight; a few layers of them on values around one.
FLOAT16_WEIGHTS_TOLERANCE = 5e-3
# 5.36 million parameters at two bytes make 10.7; the rest are the graph's 560 nodes and tensors.
HOURGLASS_FLOAT16_MEGABYTES = 11.0
# The smallest that every model takes: the phone model works on a grid of 256 rows.
MODEL_SHAPE = (256, 64)


def small_model(*, name="small.wide"):
    """A photo [24, 32, 3] to two outputs, in an order that is not the alphabet's,
    with a constant used twice.
    """
    keras.utils.set_random_seed(3)
    image = keras.Input((24, 32, 3), name="image")
    shared = keras.layers.Conv2D(16, 7, padding="same", name="shared")
    features = keras.layers.BatchNormalization(name="norm")(shared(image))
    features = features + shared(image[:, ::1] * 0.5)
    rendered = keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="rendered")(
        features
    )
    weight = keras.layers.Conv2D(1, 1, activation="sigmoid", name="in_focus_weight")(features)
    return keras.Model(image, [rendered, weight], name=name)


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def files(model):
    """The two precisions of the small model."""
    return {precision: convert(model, precision=precision) for precision in ("float16", "float32")}


def run(content, image):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return [
        interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()
    ]


def photo(shape=(1, 24, 32, 3)):
    return np.random.default_rng(5).random(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", FLOAT32_TOLERANCE), ("float16", FLOAT16_WEIGHTS_TOLERANCE)],
)
def test_file_computes_what_the_model_does(model, files, precision, tolerance):
    expected = model(photo(), training=False)
    for actual, wanted in zip(run(files[precision], photo()), expected, strict=True):
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, np.asarray(wanted), atol=tolerance)


def test_names_order_and_signature_are_the_models(files):
    file = inspect(files["float16"])
    assert [tensor.name for tensor in file.inputs] == ["image"]
    assert [tensor.name for tensor in file.outputs] == ["rendered", "in_focus_weight"]
    assert [tensor.shape for tensor in file.outputs] == [(1, 24, 32, 3), (1, 24, 32, 1)]
    signatures = Interpreter(model_content=files["float16"]).get_signature_list()
    assert signatures["serving_default"]["inputs"] == ["image"]
    assert set(signatures["serving_default"]["outputs"]) == {"rendered", "in_focus_weight"}


def test_outputs_of_one_layer_get_names_of_their_own():
    image = keras.Input((8, 12, 3), name="image")
    two = keras.Model(image, keras.layers.Lambda(lambda x: [x * 2.0, x + 1.0], name="two")(image))
    assert [tensor.name for tensor in inspect(convert(two, precision="float32")).outputs] == [
        "two_0",
        "two_1",
    ]


def test_signature_runs_by_name(files):
    runner = Interpreter(model_content=files["float32"]).get_signature_runner("serving_default")
    outputs = runner(image=photo())
    expected = dict(
        zip(["rendered", "in_focus_weight"], run(files["float32"], photo()), strict=True)
    )
    assert set(outputs) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(outputs[name], value)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_metadata(files, precision):
    file = inspect(files[precision])
    expected = {
        "schema_version": 1,
        "model": "small",
        "variant": "wide",
        "package_version": bokeh_tf.__version__,
        "precision": precision,
        "inputs": [
            {
                "name": "image",
                "shape": [1, 24, 32, 3],
                "layout": "NHWC",
                "range": None,
                "encoding": None,
            }
        ],
        "outputs": [
            {"name": "rendered", "shape": [1, 24, 32, 3], "layout": "NHWC", "range": None},
            {"name": "in_focus_weight", "shape": [1, 24, 32, 1], "layout": "NHWC", "range": None},
        ],
        "min_runtime_version": file.min_runtime_version,
    }
    assert file.metadata == expected
    assert tuple(int(part) for part in file.min_runtime_version.split(".")) >= (1, 14)


def test_a_name_without_a_variant_is_the_base_variant():
    image = keras.Input((8, 8, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(1, 1, name="depth_m")(image), name="plain")
    metadata = inspect(convert(model, precision="float32")).metadata
    assert (metadata["model"], metadata["variant"]) == ("plain", "base")
    assert metadata["outputs"][0]["range"] is None


def test_what_the_caller_says_of_values_is_written(model):
    ranges = {"image": (0, 255), "rendered": (-1.5, 1)}
    metadata = inspect(convert(model, precision="float32", ranges=ranges)).metadata
    stated = {
        tensor["name"]: tensor["range"] for tensor in metadata["inputs"] + metadata["outputs"]
    }
    assert stated == {"image": [0, 255], "rendered": [-1.5, 1], "in_focus_weight": None}
    assert metadata["inputs"][0]["encoding"] is None


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (
            {"picture": (0, 1)},
            "must name .* Received: 'picture'. Known: image, rendered, in_focus_weight",
        ),
        ({"image": (1, 0)}, "two finite numbers"),
        ({"image": (0, float("nan"))}, "two finite numbers"),
        ({"image": 255}, "two finite numbers"),
    ],
)
def test_what_is_no_range_of_a_tensor_is_refused(model, ranges, message):
    with pytest.raises(ValueError, match=message):
        convert(model, precision="float32", ranges=ranges)


def test_models_of_this_package_state_their_values_and_what_is_made_of_them_does_not():
    ours = models.build("saliency_blend", variant="from_map", image_shape=(96, 128))
    metadata = inspect(convert(ours, precision="float32")).metadata
    stated = {
        tensor["name"]: tensor["range"] for tensor in metadata["inputs"] + metadata["outputs"]
    }
    assert stated == {name: [0, 1] for name in ("image", "saliency", "rendered", "in_focus_weight")}
    assert {tensor["name"]: tensor["encoding"] for tensor in metadata["inputs"]} == {
        "image": "sRGB RGB",
        "saliency": None,
    }
    brighter = keras.layers.Rescaling(255.0, name="brighter")(ours.outputs[0])
    foreign = keras.Model(ours.inputs, brighter, name=ours.name)
    metadata = inspect(convert(foreign, precision="float32")).metadata
    assert all(tensor["range"] is None for tensor in metadata["inputs"] + metadata["outputs"])


def test_what_is_no_picture_has_no_layout():
    vector = keras.Input((8,), name="features")
    dense = keras.Model(vector, keras.layers.Dense(3, name="scores")(vector))
    metadata = inspect(convert(dense, precision="float32")).metadata
    assert [tensor["layout"] for tensor in metadata["inputs"] + metadata["outputs"]] == [None, None]


def test_float16_stores_every_weight_once_in_two_bytes(model, files):
    constants = {
        t.buffer: t
        for t in inspect(files["float16"]).tensors
        if t.is_constant and "float" in t.dtype
    }
    assert {tensor.dtype for tensor in constants.values()} == {"float16"}
    # The shared kernel appears twice at most: as it is, and with the normalisation folded in.
    kernels = [tensor for tensor in constants.values() if tensor.shape == (16, 7, 7, 3)]
    assert 1 <= len(kernels) <= 2
    assert len(files["float16"]) < 0.75 * len(files["float32"])


def test_constants_lie_at_aligned_places(files):
    content = files["float16"]
    root = schema.Model.GetRootAs(content, 0)
    sizes_bytes = [root.Buffers(i).DataLength() for i in range(root.BuffersLength())]
    assert max(sizes_bytes) > 1000
    for index, size_bytes in enumerate(sizes_bytes):
        if size_bytes:
            data = root.Buffers(index)._tab
            assert data.Vector(data.Offset(4)) % 16 == 0


DIGEST_PROGRAM = """
import hashlib
from tests.tflite.test_conversion import small_model
from bokeh_tf.tflite.conversion import convert
print(hashlib.sha256(convert(small_model(), precision="float16")).hexdigest())
"""


def test_the_same_model_gives_the_same_bytes(model, files):
    assert convert(model, precision="float16") == files["float16"]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    child = subprocess.run(
        [sys.executable, "-c", DIGEST_PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert child.stdout.strip() == hashlib.sha256(files["float16"]).hexdigest()


def test_says_nothing_where_all_is_well(model, capfd):
    convert(model, precision="float32")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_callers_mistakes():
    with pytest.raises(ValueError, match=r"Received: 'int8'. Known: float16, float32"):
        convert(small_model(), precision="int8")
    with pytest.raises(TypeError, match=r"must be a Keras model. Received: str"):
        convert("model.keras", precision="float16")


JAX_PROGRAM = """
import sys
from pathlib import Path

import keras

from bokeh_tf import models
from bokeh_tf.errors import ConversionError
from bokeh_tf.tflite.conversion import convert

folder = Path(sys.argv[1])
model = models.build("dbsi", variant="tiny", image_shape=(64, 96))
model.save(folder / "model.keras")
(folder / "model.tflite").write_bytes(convert(model, precision="float16"))
image = keras.Input((16, 16, 3), name="image")
larger = keras.Model(image, keras.layers.UpSampling2D(2)(image), name="larger")
try:
    convert(larger, precision="float16")
except ConversionError as error:
    print(error)


class Unregistered(keras.layers.Layer):
    def call(self, inputs):
        return inputs + 1.0


try:
    convert(keras.Model(image, Unregistered()(image), name="own"), precision="float16")
except ConversionError as error:
    print(error)
"""


@pytest.mark.slow
def test_models_on_another_keras_backend_become_the_same_files(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", JAX_PROGRAM, str(tmp_path)]
    child = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert child.returncode == 0, child.stderr
    # Its layers are registered by the file that is imported here.
    assert "tiny" in models.variants("dbsi")
    model = keras.models.load_model(tmp_path / "model.keras", compile=False)
    # What is known of its tensors is no part of a `.keras` file.
    model.tensor_facts = models.build("dbsi", variant="tiny", image_shape=(64, 96)).tensor_facts
    assert (tmp_path / "model.tflite").read_bytes() == convert(model, precision="float16")
    refused, not_loaded = child.stdout.splitlines()
    assert (
        refused.startswith("larger: cannot become a phone-ready .tflite. Change: ")
        and "5 dimensions" in refused
    )
    assert (
        not_loaded.startswith("own: cannot be converted under TensorFlow")
        and "KERAS_BACKEND" in not_loaded
    )


HOURGLASSES = [pytest.param(name, marks=pytest.mark.slow) for name in ("megadepth", "dbsi")]


@pytest.fixture(scope="module", params=(*HOURGLASSES, "dbsi_mobile"))
def converted(request):
    """(name, model, float16 file) of whole models, with weights unlike each other;
    `test_zoo` has all the others.
    """
    model = models.build(request.param, image_shape=MODEL_SHAPE)
    random = np.random.default_rng(0)
    # Fresh biases are all alike and would be stored once; trained ones are not.
    model.set_weights(
        [weight + random.uniform(0, 1e-3, weight.shape) for weight in model.get_weights()]
    )
    return request.param, model, convert(model, precision="float16")


def test_whole_models_convert_and_compute_the_same(converted):
    name, model, content = converted
    file = inspect(content)
    assert (file.metadata["model"], file.metadata["variant"]) == (name, "base")
    assert [tensor.name for tensor in file.outputs] == list(model.output_names)
    # What Keras code most easily turns into and the delegate refuses.
    assert "BROADCAST_TO" not in {operator.name for operator in file.operators}
    image = photo((1, *MODEL_SHAPE, 3))
    for actual, wanted in zip(
        run(content, image), keras.tree.flatten(model(image, training=False)), strict=True
    ):
        scale = max(1.0, np.abs(np.asarray(wanted)).max())
        np.testing.assert_allclose(
            actual, np.asarray(wanted), atol=FLOAT16_WEIGHTS_TOLERANCE * scale
        )


def keras_convolution_macs(model):
    """Kernel elements times output pixels of every convolution, from the Keras layers."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return sum(
        int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3])) for layer in layers
    )


@pytest.mark.parametrize("converted", HOURGLASSES, indirect=True)
def test_size_and_multiply_accumulates_of_the_hourglass_files(converted):
    name, model, content = converted
    rows, columns = MODEL_SHAPE
    # Two passes per blur; the horizontal one, which comes first, also runs on the mirrored rows.
    blur_sizes_px = (25, 45, 75) if name == "dbsi" else ()
    blurs = sum(3 * k * columns * (2 * rows + 2 * (k // 2)) for k in blur_sizes_px)
    assert inspect(content).macs == keras_convolution_macs(model) + blurs
    assert len(content) / 1e6 == pytest.approx(HOURGLASS_FLOAT16_MEGABYTES, abs=0.1)


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
def test_the_real_delegate_takes_the_file_whole(converted, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict, probe

    path = tmp_path / "model.tflite"
    path.write_bytes(converted[2])
    report = probe(path)
    assert report.verdict is Verdict.FULL, report

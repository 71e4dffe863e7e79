"""What the child does with a model: loaded in safe mode, compared, its weights looked at."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from bokeh_tf.converting import builder, measurer
from bokeh_tf.converting.exchange import CONVERTED_NAME, FLOAT32_NAME, MEASURED_NAME
from bokeh_tf.converting.labelling import read_labels
from bokeh_tf.converting.parity import TOLERANCES, OutputParity
from bokeh_tf.converting.rounding import LOSES, SATURATES, VANISHES, rounded_weights
from bokeh_tf.errors import CheckError, ConversionError, ModelFileError
from bokeh_tf.processes import Job
from bokeh_tf.tflite.associated_files import files_of
from bokeh_tf.tflite.inspection import inspect
from tests.converting import own_nets

HERE = Path(__file__).parent
SIZE = own_nets.SIZE
DEFAULTS = {
    "kind": "keras",
    "label": "mine.keras",
    "path": None,
    "module": "",
    "name": "",
    "precision": "float16",
    "image_size": None,
    "shapes": None,
    "batch": None,
    "custom_objects": None,
    "search_folder": str(HERE),
    "ranges": {},
    "images": [],
    "labels": [],
    "inputs": [],
    "photo": None,
}


@pytest.fixture(autouse=True)
def module_path_stays(monkeypatch):
    import sys

    monkeypatch.setattr(sys, "path", list(sys.path))


def ask(folder, job, request):
    (folder / "request.json").write_text(json.dumps(request))
    return Job(folder, job), request


def saved(model, folder):
    path = folder / "mine.keras"
    model.save(path)
    return str(path)


def build(model, folder, **wishes):
    """What the child says of a model, and the folder as it leaves it."""
    work = folder / "work"
    work.mkdir()
    path = saved(model, folder) if isinstance(model, keras.Model) else model
    job, _ = ask(work, wishes.pop("job", "build"), {**DEFAULTS, "path": path, **wishes})
    return builder.work(job), work


def parity(built, work):
    (work / MEASURED_NAME).write_bytes((work / CONVERTED_NAME).read_bytes())
    job, _ = ask(work, "measure", built)
    return [OutputParity(**entry) for entry in measurer.work(job)["outputs"]]


def rounded(work):
    return rounded_weights(inspect((work / FLOAT32_NAME).read_bytes()))


def network(*layers_after, kernel=None):
    keras.utils.set_random_seed(2)
    image = keras.Input((*SIZE, 3), name="image")
    hidden = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    for layer in layers_after:
        hidden = layer(hidden)
    model = keras.Model(image, keras.layers.Conv2D(1, 1, name="last")(hidden), name="mine")
    if kernel is not None:
        model.get_layer("first").kernel.assign(np.full((3, 3, 3, 4), kernel, np.float32))
    return model


def test_a_sound_model_is_within_the_tolerance_on_every_sample(tmp_path):
    built, work = build(network(), tmp_path)
    found = parity(built, work)
    assert [one.sample for one in found] == ["packaged", "random"] and {
        one.output for one in found
    } == {"last"}
    # An independent calculation of the same error.
    model = keras.models.load_model(tmp_path / "mine.keras", compile=False)
    random = np.load(work / "inputs_1.npz")["arr_0"]
    with np.load(work / "expected_1.npz") as expected:
        np.testing.assert_allclose(expected["arr_0"], np.asarray(model(random)), atol=1e-6)
    assert all(one.failure(TOLERANCES["float16"]) is None and 0 < one.share < 5e-3 for one in found)
    assert not rounded(work)


def test_a_subclassed_model_of_half_precision_is_judged_in_float32(tmp_path):
    built, work = build(own_nets.doubling(), tmp_path, custom_objects="own_nets")
    assert built["computes_in_half"] and built["outputs"] == ["depth"]
    found = parity(built, work)
    assert all(one.own_max_abs > 0 and one.share < 5e-3 for one in found)


def test_values_beyond_half_precision_are_named_with_layer_and_value(tmp_path):
    _, work = build(network(kernel=1e5), tmp_path)
    [found] = rounded(work)
    assert (
        found.kind == SATURATES
        and found.is_severe
        and "first" in found.layer
        and found.value == 1e5
    )
    assert found.count == 108 and "65504" not in str(found.value)


def test_a_normalisation_of_tiny_variance_saturates_once_folded(tmp_path):
    normal = keras.layers.BatchNormalization(epsilon=1e-12, name="normal")
    model = network(normal)
    normal.moving_variance.assign(np.full(4, 1e-12, np.float32))
    _, work = build(model, tmp_path)
    assert any(one.kind == SATURATES and abs(one.value) > 65504 for one in rounded(work))


@keras.saving.register_keras_serializable("tests_converting")
class Disparity(keras.layers.Layer):
    """A constant that half precision has not: 1e-7 becomes 1.2e-7."""

    def call(self, depth):
        return 1e-3 / (keras.ops.relu(depth) + 1e-7)


def test_the_epsilon_of_a_division_is_named_and_its_error_measured(tmp_path):
    image = keras.Input((*SIZE, 3), name="image")
    model = keras.Model(
        image, Disparity(name="disparity")(keras.layers.Rescaling(1e-6)(image)), name="mine"
    )
    built, work = build(model, tmp_path)
    found = rounded(work)
    assert any(
        "disparity" in one.layer and one.kind in (LOSES, VANISHES) and one.loss > 0.1
        for one in found
    )
    assert any(one.failure(TOLERANCES["float16"]) for one in parity(built, work))


def test_the_first_layer_that_leaves_is_named(tmp_path):
    image = keras.Input((*SIZE, 3), name="image")
    hidden = keras.layers.Conv2D(3, 1, name="sound")(image)
    hidden = Disparity(name="disparity")(keras.layers.Rescaling(1e-6)(hidden))
    model = keras.Model(image, keras.layers.Conv2D(1, 1, name="after")(hidden), name="mine")
    found, _ = build(model, tmp_path, job="layers", tolerance=TOLERANCES["float16"])
    assert (found["first"]["layer"], found["first"]["kind"]) == ("disparity", "Disparity")


@pytest.mark.parametrize("kind", ["functional", pytest.param("sequential", marks=pytest.mark.slow)])
def test_the_first_layer_that_leaves_is_named_inside_a_model_in_the_model(kind, tmp_path):
    inner_layers = [
        keras.layers.Conv2D(3, 1, name="sound"),
        keras.layers.Rescaling(1e-6),
        Disparity(name="disparity"),
    ]
    part = keras.Input((*SIZE, 3))
    hidden = part
    for layer in inner_layers:
        hidden = layer(hidden)
    inner = (
        keras.Model(part, hidden, name="inner")
        if kind == "functional"
        else keras.Sequential([keras.Input((*SIZE, 3)), *inner_layers], name="inner")
    )
    image = keras.Input((*SIZE, 3), name="image")
    hidden = inner(keras.layers.Conv2D(3, 1, name="before")(image))
    model = keras.Model(image, keras.layers.Conv2D(1, 1, name="after")(hidden), name="mine")
    found, _ = build(model, tmp_path, job="layers", tolerance=TOLERANCES["float16"])
    assert (found["first"]["layer"], found["first"]["kind"]) == ("inner/disparity", "Disparity")


def test_sizes_that_the_layers_cannot_take_are_one_line(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    half = keras.layers.UpSampling2D(2)(keras.layers.MaxPool2D()(image))
    model = keras.Model(image, keras.layers.Concatenate()([image, half]), name="mine")
    with pytest.raises(
        ConversionError, match=r"mine\.keras: cannot be called with these sizes .*Concatenate"
    ) as caught:
        build(model, tmp_path, image_size=[15, 24])
    assert str(caught.value).isprintable()


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    with pytest.raises(ConversionError, match=r"not finite: .*first/kernel \(108 of 108\)"):
        build(network(kernel=np.nan), tmp_path)


def test_code_in_a_file_is_not_run(tmp_path):
    image = keras.Input((*SIZE, 3))
    model = keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(image))
    with pytest.raises(ModelFileError, match=r"holds a Lambda layer.*not run.*module:function"):
        build(model, tmp_path)


def test_classes_that_nobody_defines_are_asked_for(tmp_path):
    class Unknown(keras.layers.Layer):
        def call(self, image):
            return image

    image = keras.Input((*SIZE, 3))
    with pytest.raises(ModelFileError, match="--custom-objects"):
        build(keras.Model(image, Unknown()(image)), tmp_path)


def test_a_function_builds_and_a_size_fixes(tmp_path):
    built, _ = build(None, tmp_path, kind="function", module="own_nets", name="sequential")
    assert built["inputs"] == ["image"]
    with pytest.raises(ModelFileError, match="has no function absent"):
        build(None, tmp_path / "work", kind="function", module="own_nets", name="absent")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[None, ["sky", "hair"]]], "output last has 1 channels and its labels are 2"),
        ([["last", ["sky"]], [None, ["sky"]]], "--labels of last is given twice"),
        ([["absent", ["sky"]]], "--labels names absent, which is no output. Known: last"),
    ],
)
def test_labels_that_do_not_fit_are_one_line(labels, message, tmp_path):
    with pytest.raises(ConversionError, match=message):
        build(network(), tmp_path, labels=labels)


def test_a_class_for_each_channel_or_for_each_value_has_its_name_in_the_file(tmp_path):
    image = keras.Input((*SIZE, 3), name="image")
    scores = keras.layers.Conv2D(2, 1, name="scores")(image)
    mask = keras.ops.cast(scores[..., :1] > 0, "int32")
    model = keras.Model(image, {"scores": scores, "mask": mask})
    with pytest.raises(ConversionError, match=r"has 2 outputs\. Say whose"):
        build(model, tmp_path, labels=[[None, ["sky", "hair"]]])
    (tmp_path / "again").mkdir()
    names = [["scores", ["sky", "hair"]], ["mask", ["a", "b", "c"]]]
    _, work = build(model, tmp_path / "again", labels=names)
    content = (work / CONVERTED_NAME).read_bytes()
    assert files_of(content) == {"labels_1.txt": b"sky\nhair\n", "labels_2.txt": b"a\nb\nc\n"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"sky\n\nhair\n", "line 2 is no name"),
        (b"\xff\xfe", "not text in UTF-8"),
        (b"sky\x1b[2J\n", "line 1 is no name"),
    ],
)
def test_what_is_no_list_of_labels_is_one_line(content, message, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_labels(path)
    path.write_bytes(b"\xef\xbb\xbfsky\r\nhair \r\n\r\n")
    assert read_labels(path) == ("sky", "hair")
    with pytest.raises(ModelFileError, match="cannot read these labels"):
        read_labels(tmp_path / "absent.txt")


def test_a_saved_model_keeps_its_names(tmp_path):
    image = keras.Input((None, None, 3), name="photo")
    near = keras.layers.Conv2D(2, 3, padding="same")(image)
    keras.Model(image, {"near": near, "far": 1 - near}).export(tmp_path / "saved", verbose=False)
    built, work = build(str(tmp_path / "saved"), tmp_path, kind="saved model", image_size=[8, 12])
    assert built["inputs"] == ["photo"] and built["outputs"] == ["far", "near"]
    assert inspect((work / CONVERTED_NAME).read_bytes()).inputs[0].shape == (1, 8, 12, 3)
    assert all(one.failure(TOLERANCES["float16"]) is None for one in parity(built, work))
    graph = tmp_path / "saved" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes().replace(b"AssignVariableOp", b"Assig.VariableOp"))
    with pytest.raises(ModelFileError, match="TensorFlow cannot load this SavedModel") as caught:
        build(str(tmp_path / "saved"), work, kind="saved model", image_size=[8, 12])
    assert str(caught.value).isprintable()


def test_a_layer_larger_than_any_memory_is_one_line(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(tmp_path / "whole.keras")
    with (
        zipfile.ZipFile(tmp_path / "whole.keras") as whole,
        zipfile.ZipFile(tmp_path / "huge.keras", "w") as huge,
    ):
        for name in whole.namelist():
            changed = whole.read(name).replace(b'"units": 3', b'"units": %d' % 2**45)
            huge.writestr(name, changed)
    with pytest.raises(ModelFileError, match="Keras cannot load it") as caught:
        build(str(tmp_path / "huge.keras"), tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damaged_files_are_one_line(suffix, tmp_path):
    path = tmp_path / f"mine{suffix}"
    network().save(path)
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 3, len(content) // 2):
        content[place] ^= 0xFF
    path.write_bytes(content)
    kind = "keras" if suffix == ".keras" else "hdf5"
    with pytest.raises(ModelFileError) as caught:
        build(str(path), tmp_path, kind=kind)
    assert str(caught.value).startswith("mine.keras: ") and str(caught.value).isprintable()


def test_own_inputs_are_what_is_compared_on(tmp_path):
    np.savez(tmp_path / "mine.npz", image=np.full((*SIZE, 3), 0.25, np.float32))
    built, work = build(network(), tmp_path, inputs=[str(tmp_path / "mine.npz")])
    assert built["samples"] == [str(tmp_path / "mine.npz")] and len(parity(built, work)) == 1
    np.savez(tmp_path / "other.npz", image=np.zeros((3, 3), np.float32))
    with pytest.raises(CheckError, match="must be float32"):
        build(str(tmp_path / "mine.keras"), tmp_path / "work", inputs=[str(tmp_path / "other.npz")])

"""SavedModels that reach files, the network or code: refused before TensorFlow runs any of them."""

import re

import keras
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite import reaching_out
from bokeh_tf.tflite.saved_models import load_saved_model

SHAPE = (1, 4, 6, 3)
REGISTERED = {
    name: definition
    for name in dir(tf.raw_ops)
    if (definition := op_def_registry.get(name)) is not None
}
# Arguments that name what an operator opens.
OPENS = re.compile(
    r"file_?(name|pattern)s?|\w*_file|path|(debug_)?urls?|descriptor_source|\w*_region_name"
)


def parse(folder):
    return tf.__internal__.saved_model.parse_saved_model(str(folder))


def has_effects(operator):
    known = op_def_registry.get(operator)
    return None if known is None else known.is_stateful


def found_in(saved_model):
    return [one.operator for one in reaching_out.reaching_out(saved_model, has_effects)]


def of_one_node(operator):
    model = SavedModel()
    model.meta_graphs.add().graph_def.node.add(name="node", op=operator)
    return model


def saved(folder, compute):
    """A SavedModel of one variable and what `compute` does to the input and the folder's path."""

    class Scaled(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec(SHAPE, tf.float32, name="photo")])
        def __call__(self, photo):
            return {"scaled": compute(photo, str(folder / "evil")) * self.scale}

    module = Scaled()
    tf.saved_model.save(module, str(folder / "saved"), signatures=module.__call__)
    return folder / "saved"


def writes(photo, path):
    tf.io.write_file(path, "evil")
    return photo


def writes_in_a_loop(photo, path):
    return tf.map_fn(lambda row: writes(row, path), photo)


def writes_what_it_prints(photo, path):
    tf.print("evil", output_stream=f"file://{path}")
    return photo


def reads(photo, path):
    return photo + tf.cast(tf.strings.length(tf.io.read_file(path)), tf.float32)


def lists(photo, path):
    return photo + tf.cast(tf.size(tf.io.matching_files(path)), tf.float32)


def runs_python(photo, path):
    return tf.ensure_shape(tf.numpy_function(lambda one: one, [photo], tf.float32), SHAPE)


def runs_python_eagerly(photo, path):
    return tf.ensure_shape(tf.py_function(lambda one: one, [photo], tf.float32), SHAPE)


def prints(photo, path):
    tf.print("harmless")
    return photo


def loops(photo, path):
    for _ in tf.range(3):
        photo = tf.nn.dropout(photo, 0.5) + tf.random.uniform(SHAPE)
    return photo


@pytest.mark.parametrize(
    ("compute", "operator"),
    [
        (writes, "WriteFile"),
        (writes_in_a_loop, "WriteFile"),
        (writes_what_it_prints, "PrintV2"),
        (reads, "ReadFile"),
        (lists, "MatchingFiles"),
        (runs_python, "PyFunc"),
        (runs_python_eagerly, "EagerPyFunc"),
    ],
)
def test_what_reaches_out_is_refused_and_not_run(compute, operator, tmp_path):
    folder = saved(tmp_path, compute)
    with pytest.raises(
        ModelFileError, match=rf"not loaded, as it holds {operator} \(node "
    ) as error:
        load_saved_model(folder)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "evil").exists()


def test_what_is_refused_would_have_written(tmp_path):
    tf.saved_model.load(str(saved(tmp_path, writes))).signatures["serving_default"](tf.zeros(SHAPE))
    assert (tmp_path / "evil").read_bytes() == b"evil"


@pytest.mark.parametrize("compute", [prints, lambda photo, path: tf.nn.relu(photo)])
def test_what_stays_inside_is_loaded(compute, tmp_path):
    assert load_saved_model(saved(tmp_path, compute)).outputs[0].shape == SHAPE


def test_variables_loops_and_random_numbers_stay_inside(tmp_path):
    assert found_in(parse(saved(tmp_path, loops))) == []
    image = keras.Input((6, 3))
    keras.Model(image, keras.layers.Dropout(0.5)(keras.layers.LSTM(4)(image))).export(
        tmp_path / "keras", verbose=False
    )
    assert found_in(parse(tmp_path / "keras")) == []


def test_only_the_saver_may_save_and_restore(tmp_path):
    sound = parse(saved(tmp_path, lambda photo, path: tf.nn.relu(photo)))
    (meta,) = sound.meta_graphs
    saving, restoring = meta.saver_def.save_tensor_name, meta.saver_def.restore_op_name
    assert found_in(sound) == []
    # Now the weights are "read" by what writes them, so that loading would write a file.
    meta.saver_def.restore_op_name = saving.partition(":")[0]
    assert {"SaveV2", "RestoreV2"} <= set(found_in(sound))
    meta.saver_def.restore_op_name = restoring
    assert found_in(sound) == []
    # The signature gives what is written.
    (output,) = meta.signature_def["serving_default"].outputs.values()
    kept, output.name = output.name, saving
    assert "SaveV2" in found_in(sound)
    output.name = kept
    # An object of the file is the function that writes.
    (writer,) = (
        one.signature.name
        for one in meta.graph_def.library.function
        if any(node.op == "SaveV2" for node in one.node_def)
    )
    meta.object_graph_def.concrete_functions[writer].SetInParent()
    assert "SaveV2" in found_in(sound)
    del meta.object_graph_def.concrete_functions[writer]
    # A function that runs calls it, by an attribute inside of one.
    caller = next(iter(meta.object_graph_def.concrete_functions))
    (function,) = (one for one in meta.graph_def.library.function if one.signature.name == caller)
    call = function.node_def.add(name="call", op="StatefulPartitionedCall")
    call.attr["f"].func.name = "outer"
    call.attr["f"].func.attr["g"].list.func.add(name=writer)
    assert "SaveV2" in found_in(sound)


def test_whatever_opens_what_an_argument_names_is_refused():
    opening = [
        name
        for name, definition in REGISTERED.items()
        if any(OPENS.fullmatch(one.name) for one in (*definition.input_arg, *definition.attr))
    ]
    assert len(opening) > 30
    for name in opening:
        assert found_in(of_one_node(name)) == [name]


def test_what_is_allowed_by_name_is_registered_with_effects():
    for name in reaching_out.IN_MEMORY:
        assert REGISTERED[name].is_stateful, name
        assert found_in(of_one_node(name)) == []
    # Nobody knows what it is, so TensorFlow cannot run it.
    assert found_in(of_one_node("NobodysDataset")) == []

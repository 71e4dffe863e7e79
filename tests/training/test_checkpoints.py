"""Checkpoints: what comes back, what stays, and that damage costs one checkpoint
and never a wrong weight.
"""

import json

import keras
import numpy as np
import pytest
from absl import logging

from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import TrainingError
from bokeh_tf.training import checkpoints, handover


def variables(seed=0, shapes=((3, 5), (7,))):
    random = np.random.default_rng(seed)
    return [keras.Variable(random.random(shape, dtype=np.float32)) for shape in shapes]


def values_of(some):
    return [np.asarray(variable) for variable in some]


def test_a_checkpoint_brings_back_values_phase_and_batch(tmp_path):
    saved = variables()
    checkpoints.save(saved, tmp_path / "größe", phase=2, batch=40)
    checkpoint = checkpoints.newest(tmp_path / "größe")
    assert (checkpoint.phase, checkpoint.batch) == (2, 40)
    other = variables(seed=1)
    checkpoints.restore(other, checkpoint)
    for actual, expected in zip(values_of(other), values_of(saved), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_the_newest_few_stay(tmp_path):
    for batch in (5, 10, 15, 20, 100):
        checkpoints.save(variables(batch), tmp_path, phase=1, batch=batch)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"phase01_batch{batch:08d}.npz" for batch in (15, 20, 100)]
    checkpoints.save(variables(), tmp_path, phase=2, batch=0)
    assert checkpoints.newest(tmp_path).phase == 2


def flipped(path):
    """One weight changed, by somebody who knows how to write such an archive."""
    arrays = read_archive(path)
    arrays["00000"][0, 0] += 1e-3
    write_archive(path, arrays)


DAMAGES = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "a bit flipped": lambda path: path.write_bytes(
        path.read_bytes()[:300] + bytes([path.read_bytes()[300] ^ 1]) + path.read_bytes()[301:]
    ),
    "a weight changed": flipped,
    "not an archive": lambda path: path.write_bytes(b"nothing of the kind"),
    "without a header": lambda path: write_archive(path, {"00000": np.zeros(3)}),
    "a header of nonsense": lambda path: write_archive(
        path, {**read_archive(path), "header": np.array("[]")}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_one_falls_back_to_the_one_before_and_says_so(
    tmp_path, damage, monkeypatch
):
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *arguments: warnings.append(text % arguments)
    )
    for batch in (10, 20):
        checkpoints.save(variables(batch), tmp_path, phase=1, batch=batch)
    newest = tmp_path / "phase01_batch00000020.npz"
    DAMAGES[damage](newest)
    assert checkpoints.newest(tmp_path).batch == 10
    assert (
        len(warnings) == 1
        and str(newest) in warnings[0]
        and "the checkpoint before it" in warnings[0]
    )
    DAMAGES[damage](tmp_path / "phase01_batch00000010.npz")
    with pytest.raises(TrainingError, match="every checkpoint is damaged") as error:
        checkpoints.newest(tmp_path)
    assert "\n" not in str(error.value)


def test_leftovers_of_a_killed_writer_are_not_taken_for_checkpoints(tmp_path):
    (tmp_path / ".k2j3h.npz").write_bytes(b"half")
    assert checkpoints.newest(tmp_path) is None


def test_another_models_checkpoint_is_refused_and_changes_nothing(tmp_path):
    checkpoints.save(variables(), tmp_path, phase=1, batch=1)
    for shapes in (((3, 5), (8,)), ((3, 5),)):
        other = variables(1, shapes)
        before = values_of(other)
        with pytest.raises(TrainingError, match="another model"):
            checkpoints.restore(other, checkpoints.newest(tmp_path))
        for actual, expected in zip(values_of(other), before, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_another_versions_checkpoint_is_refused(tmp_path):
    checkpoints.save(variables(), tmp_path, phase=1, batch=1)
    path = tmp_path / "phase01_batch00000001.npz"
    arrays = read_archive(path)
    header = {**json.loads(str(arrays["header"])), "schema_version": 1}
    write_archive(path, {**arrays, "header": np.array(json.dumps(header))})
    with pytest.raises(TrainingError, match="another version"):
        checkpoints.newest(tmp_path)


def network(*, channels=4, head="head"):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(channels, 3, name="body")(image)
    return keras.Model(image, keras.layers.Conv2D(3, 1, name=head)(x), name="toy")


def test_weights_go_over_where_name_and_shape_agree(tmp_path):
    first, path = network(), tmp_path / "first.npz"
    handover.write_weights(first, path)
    second = network(head="new_head")
    fresh = np.asarray(second.get_layer("new_head").kernel)
    handover.take_weights(second, path)
    np.testing.assert_array_equal(second.get_layer("body").kernel, first.get_layer("body").kernel)
    np.testing.assert_array_equal(second.get_layer("new_head").kernel, fresh)
    # A head of another width keeps its own kernel and takes the bias, which fits.
    third = network(channels=5)
    handover.take_weights(third, path)
    assert third.get_layer("head").kernel.shape == (1, 1, 5, 3)


def test_weights_that_do_not_fit_or_cannot_be_read_are_refused(tmp_path):
    write_archive(tmp_path / "other.npz", {"somewhere/kernel": np.zeros(3)})
    with pytest.raises(TrainingError, match="none of these weights fits toy"):
        handover.take_weights(network(), tmp_path / "other.npz")
    (tmp_path / "damaged.npz").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"cannot be read. Run the phase before again"):
        handover.take_weights(network(), tmp_path / "damaged.npz")


def test_only_matching_layers_learn():
    model = network()
    handover.freeze_all_but(model, ("hea*",))
    assert {variable.path for variable in model.trainable_weights} == {"head/kernel", "head/bias"}
    handover.freeze_all_but(model, ("*",))
    assert len(model.trainable_weights) == 4
    with pytest.raises(ValueError, match="Received: tail_"):
        handover.freeze_all_but(model, ("tail_*",))

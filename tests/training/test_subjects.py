"""Labelled subjects: the folder, the examples drawn from it, the losses, and a
short training that goes on.
"""

import dataclasses
import shutil

import cv2
import keras
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.data.scenes import layers
from bokeh_tf.data.scenes.subjects import NO_TAP, SubjectMaker, load_subjects
from bokeh_tf.errors import DataError, PhotoError
from bokeh_tf.models import efficientnet_lite
from bokeh_tf.training import subjects
from bokeh_tf.training.handover import freeze_all_but
from bokeh_tf.training.plans import PLANS
from bokeh_tf.training.run import RunOptions
from bokeh_tf.training.session import Settings, train
from tests.labelled_subjects import ROWS, write_subjects

SHAPE = (64, 96)
PHASE = dataclasses.replace(
    PLANS["dbsi_mobile_focus"].phases[0], steps=4, batch_size=2, image_shape=SHAPE, average_steps=2
)
PLAN = dataclasses.replace(PLANS["dbsi_mobile_focus"], phases=(PHASE,))
WEIGHTS = "dbsi_mobile_focus.weights.h5"
FLOAT32_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_subjects(tmp_path_factory.mktemp("subjects") / "люди")


@pytest.fixture(scope="module")
def photos(folder):
    return load_subjects(folder)


@pytest.fixture(scope="module")
def examples(photos):
    maker = SubjectMaker(photos, shape=SHAPE)
    return [maker.draw(np.random.default_rng([0, number])) for number in range(60)]


@pytest.fixture(scope="module")
def tapped_examples(photos):
    maker = SubjectMaker(photos, shape=SHAPE, tapped_share=1.0)
    return [maker.draw(np.random.default_rng([2, number])) for number in range(20)]


def test_only_one_split_is_read(folder, photos):
    assert [photo.stem for photo in photos] == [row[0] for row in ROWS if row[3] == "train"]
    assert [photo.stem for photo in load_subjects(folder, split="dev")] == ["guest", "hill"]


def test_labels_are_trusted_as_far_as_their_source(photos):
    by_stem = {photo.stem: photo for photo in photos}
    weights = {stem: by_stem[stem].weight for stem in ("person", "vase", "view")}
    assert weights["person"] == 1 > weights["vase"] > weights["view"] > 0
    assert by_stem["person"].trust[0].max() == 0, (
        "below a quarter the teachers contradicted each other"
    )
    assert by_stem["person"].trust[-1].min() == 255
    assert [by_stem[stem].is_subject for stem in ("person", "view", "sea")] == [True, False, None]


def test_large_photos_are_reduced_with_their_labels(folder):
    photo = load_subjects(folder, long_side_px=48)[0]
    assert photo.photo.shape == (32, 48, 3) and photo.label.shape == photo.trust.shape == (32, 48)


@pytest.mark.parametrize("split", ["train", "nope"])
def test_folders_that_cannot_be_used(tmp_path, split):
    with pytest.raises(DataError, match=r"index\.csv"):
        load_subjects(tmp_path, split=split)
    (tmp_path / "index.csv").write_text("stem,group\na,b\n", encoding="utf-8")
    with pytest.raises(DataError, match="lacks label_source, split"):
        load_subjects(tmp_path, split=split)


def test_a_missing_label_is_named(tmp_path):
    folder = write_subjects(tmp_path / "data")
    (folder / "labels" / "cat.png").unlink()
    with pytest.raises(DataError, match=r"cat\.png: missing"):
        load_subjects(folder)
    with pytest.raises(DataError, match="no row of the split test"):
        load_subjects(folder, split="test")


def test_a_photo_may_lie_elsewhere_where_the_index_says_so(folder, photos, tmp_path):
    data = tmp_path / "pack" / "subjects"
    shutil.copytree(folder, data)
    elsewhere = tmp_path / "pack" / "photos" / "another.jpg"
    elsewhere.parent.mkdir()
    (data / "photos" / "cat.jpg").rename(elsewhere)
    with pytest.raises(PhotoError, match=r"cat\.jpg: no such file"):
        load_subjects(data)
    rows = (data / "index.csv").read_text(encoding="utf-8").splitlines()
    named = [row + (",photos/another.jpg" if row.startswith("cat,") else ",") for row in rows[1:]]
    (data / "index.csv").write_text("\n".join([f"{rows[0]},file", *named]), encoding="utf-8")
    for found, kept in zip(load_subjects(data), photos, strict=True):
        assert found.stem == kept.stem and np.array_equal(found.photo, kept.photo)


def test_examples_are_what_the_network_takes(examples):
    for example in examples:
        assert example.image.shape == (*SHAPE, 3) and example.image.dtype == np.float32
        assert example.focus.shape == example.trust.shape == (SHAPE[0] // 2, SHAPE[1] // 2, 1)
        for plane in (example.image, example.focus, example.trust):
            assert np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 1
    assert {example.presence for example in examples} == {0.0, 1.0}


def test_an_example_depends_on_its_generator_alone(photos, examples):
    again = SubjectMaker(photos, shape=SHAPE).draw(np.random.default_rng([0, 7]))
    for field in ("image", "focus", "trust", "tap"):
        np.testing.assert_array_equal(getattr(again, field), getattr(examples[7], field))


def test_photos_come_without_a_tap(examples):
    assert all((example.tap == NO_TAP).all() for example in examples)


def test_a_share_of_the_examples_has_a_tap(photos):
    maker = SubjectMaker(photos, shape=SHAPE, tapped_share=0.4)
    drawn = [maker.draw(np.random.default_rng([3, number])) for number in range(100)]
    tapped = sum((example.tap != NO_TAP).any() for example in drawn)
    # Three standard deviations of 100 draws.
    assert abs(tapped - 40) <= 15


def test_taps_lie_on_what_stays_sharp(tapped_examples):
    for example in tapped_examples:
        row, column, aperture, grade = example.tap.reshape(4)
        rows, columns = example.focus.shape[:2]
        assert example.focus[int(row * rows), int(column * columns)] > 0.5
        assert (aperture, grade) == (-1, 0)


def test_of_several_things_a_tap_means_one(photos):
    maker = SubjectMaker(photos, shape=SHAPE, tapped_share=1.0)
    several = 0
    for number in range(20):
        _, seen, _ = maker.scene(np.random.default_rng([1, number]))
        _, chosen, _, tap = maker.tapped_scene(np.random.default_rng([1, number]))
        assert any((chosen == mask).all() for mask in seen)
        row, column = tap.reshape(4)[:2]
        assert chosen[int(row * SHAPE[0]), int(column * SHAPE[1])] > 0.2
        # What is seen of things lies beside each other, not above.
        assert sum(seen).max() < 1 + FLOAT32_TOLERANCE
        several += len(seen) > 1
    assert several > 10


def test_scenes_need_something_to_cut_out(photos):
    with pytest.raises(DataError, match="a subject that can be cut out"):
        SubjectMaker(
            [photo for photo in photos if not photo.is_cut_out], shape=SHAPE, tapped_share=1.0
        )


@pytest.mark.parametrize("number", range(6))
def test_made_up_objects_are_one_thing_in_the_frame(photos, number):
    colour, coverage = layers.made_up(
        photos[0].photo, SHAPE, np.random.default_rng(number), height=0.5
    )
    assert colour.shape == (*SHAPE, 3) and coverage.shape == SHAPE
    for plane in (colour, coverage):
        assert plane.dtype == np.float32 and plane.min() >= 0 and plane.max() <= 1
    count, _ = cv2.connectedComponents((coverage > 0.5).astype(np.uint8))
    assert count == 2, "one object and what is around it"
    # Not more than its box, not less than a corner of it that lies in the frame.
    assert 0.01 < coverage.mean() < 0.5


def test_what_is_out_of_focus_keeps_its_colour_and_its_amount():
    coverage = np.zeros(SHAPE, np.float32)
    coverage[20:44, 30:60] = 1
    colour, soft = layers.softened(np.full((*SHAPE, 3), 0.7, np.float32), coverage, 2.0)
    np.testing.assert_allclose(colour[soft > 0.1], 0.7, atol=1e-3)
    assert soft.sum() == pytest.approx(coverage.sum(), rel=1e-3)
    assert 0.3 < soft[20, 45] < 0.7


def test_makers_need_photos_of_a_known_group(photos):
    with pytest.raises(ValueError, match="at least one of a known group"):
        SubjectMaker([dataclasses.replace(photos[0], group="ghosts")], shape=SHAPE)


def test_losses_by_hand():
    logits = np.float32([0.0, 2.0, -2.0, 30.0]).reshape(1, 2, 2, 1)
    wanted = np.float32([1, 1, 0, 0]).reshape(1, 2, 2, 1)
    trust = np.float32([1, 0.5, 1, 0]).reshape(1, 2, 2, 1)
    expected = np.concatenate([wanted, trust], axis=-1)
    entropy = np.mean([np.log(2), 0.5 * np.log1p(np.exp(-2)), np.log1p(np.exp(-2)), 0])
    actual = np.asarray(subjects.trusted_cross_entropy(expected, logits))
    np.testing.assert_allclose(actual, entropy, rtol=FLOAT32_TOLERANCE)
    focus = 1 / (1 + np.exp(-logits))
    shared, both = (focus * wanted * trust).mean(), ((focus + wanted) * trust).mean()
    lacking = 1 - (2 * shared + 1e-3) / (both + 1e-3)
    actual = np.asarray(subjects.focus_error(expected, logits))
    np.testing.assert_allclose(
        actual, entropy + 0.5 * trust.mean() * lacking, rtol=FLOAT32_TOLERANCE
    )


@pytest.mark.slow
def test_a_run_leaves_weights_and_goes_on_to_the_same(folder, tmp_path):
    settings = Settings(is_deterministic=True, run=RunOptions(batches_per_checkpoint=2))
    assert (
        train(PLAN, data=folder, out=tmp_path / "out", settings=settings)
        == tmp_path / "out" / WEIGHTS
    )
    model = models.build("dbsi_mobile", variant="focus", image_shape=SHAPE)
    model.load_weights(tmp_path / "out" / WEIGHTS)
    before = model.get_weights()
    assert all(np.isfinite(weight).all() for weight in before)
    (tmp_path / "out" / WEIGHTS).unlink()
    resumed = dataclasses.replace(settings, run=dataclasses.replace(settings.run, resume=True))
    train(PLAN, data=folder, out=tmp_path / "out", settings=resumed)
    model.load_weights(tmp_path / "out" / WEIGHTS)
    for actual, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.slow
def test_taps_are_learnt_without_changing_what_answers_without_one(photos):
    taps = next(phase for phase in PLANS["dbsi_mobile_focus"].phases if phase.name == "taps")
    model = models.build("dbsi_mobile", variant="focus", image_shape=SHAPE)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    freeze_all_but(model, taps.learning_layers)
    job = subjects.subjects_job(
        model, dataclasses.replace(taps, batch_size=2, steps=3), photos, seed=0
    )
    job.trainer.fit(job.batches(0, frozenset()), steps_per_epoch=3, verbose=0, shuffle=False)
    for layer in model.layers:
        if not layer.name.startswith("tap_"):
            for old, new in zip(before[layer.name], layer.get_weights(), strict=True):
                np.testing.assert_array_equal(new, old, err_msg=layer.name)
    assert np.abs(model.get_layer("tap_logit_conv").get_weights()[0]).max() > 0


@pytest.fixture(scope="module")
def published():
    """Random tensors under the names and in the shapes of the published encoder."""
    random = np.random.default_rng(0)
    network = models.build("dbsi_mobile", variant="focus", image_shape=SHAPE)
    tensors = {}
    for layer, (convolution, norm) in efficientnet_lite._published_names().items():
        kernel = network.get_layer(layer).kernel
        order = (2, 3, 0, 1) if "depthwise" in layer else (3, 2, 0, 1)
        tensors[f"{convolution}.weight"] = random.normal(
            size=[kernel.shape[axis] for axis in order]
        )
        channels = kernel.shape[2 if "depthwise" in layer else 3]
        for part in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{norm}.{part}"] = random.uniform(0.5, 1.5, channels)
    return network, tensors


def test_the_published_normalisation_is_folded_in(published):
    network, tensors = published
    efficientnet_lite.assign_published_weights(network, tensors)
    image = np.random.default_rng(1).random((1, *SHAPE, 3), dtype=np.float32)
    stem = keras.Model(network.inputs[0], network.get_layer("encoder_stem_conv").output)
    kernel = np.transpose(tensors["_conv_stem.weight"], (2, 3, 1, 0))
    plain = np.asarray(
        keras.ops.conv(
            (image * 255 - 127) / 128, kernel.astype(np.float32), strides=2, padding="same"
        )
    )
    scale, shift, mean, variance = (
        tensors[f"_bn0.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    expected = (plain - mean) / np.sqrt(variance + 1e-3) * scale + shift
    np.testing.assert_allclose(np.asarray(stem(image)), expected, rtol=1e-4, atol=1e-3)


def test_tensors_of_another_network_are_refused(published):
    network, tensors = published
    fewer = {name: tensor for name, tensor in tensors.items() if "_blocks.5" not in name}
    with pytest.raises(ValueError, match=r"Missing: _blocks\.5\._expand_conv"):
        efficientnet_lite.assign_published_weights(network, fewer)


def test_what_is_pretrained_changes_more_slowly():
    new, trained = (
        keras.Variable(np.zeros(3, np.float32), name=name)
        for name in ("head", "encoder_block5_conv")
    )
    optimizer = subjects.GentleAdamW(learning_rate=0.1, weight_decay=0.0)
    optimizer.apply([keras.ops.ones(3), keras.ops.ones(3)], [new, trained])
    # The first step of Adam is the learning rate itself.
    np.testing.assert_allclose(np.asarray(new), -0.1, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(trained), -0.1 * subjects.ENCODER_RATE, rtol=1e-4)


def test_subjects_need_the_optimiser_that_can_be_gentle(photos):
    model = models.build("dbsi_mobile", variant="focus", image_shape=SHAPE)
    with pytest.raises(ValueError, match="needs the optimizer adamw"):
        subjects.subjects_job(model, dataclasses.replace(PHASE, optimizer="adam"), photos, seed=0)

"""Batches of pairs: which pairs, in which order, framed how; the same wherever a run
starts and whoever reads.
"""

import dataclasses
import logging
import shutil

import cv2
import keras
import numpy as np
import pytest
from PIL import Image

from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.data.pairs.pipeline import (
    PairSettings,
    PipelineError,
    batch_pairs,
    pair_batches,
    pair_reader,
)
from bokeh_tf.errors import DataError
from bokeh_tf.training.plans.schedule import LearningRate, Phase, Term
from bokeh_tf.training.supervised import pair_settings, require_inputs
from tests.training_pairs import write_pairs

SHAPE = (48, 64)
PAIRS = 7
# Float32 roundings of values up to 1.
FLOAT_TOLERANCE = 1e-6
CROPS = PairSettings(image_shape=(16, 24), batch_size=3, augmentations=("horizontal", "vertical"))
WHOLE = PairSettings(image_shape=SHAPE, framing="resize", batch_size=3)


@pytest.fixture(autouse=True)
def opencv_threads():
    """`pair_batches` takes OpenCV's threads away; the other tests get them back."""
    count = cv2.getNumThreads()
    yield
    cv2.setNumThreads(count)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pairs(
        tmp_path_factory.mktemp("pairs") / "bilder – 写真",
        count=PAIRS,
        shape=SHAPE,
        maps=("saliency",),
    )


@pytest.fixture(scope="module")
def pairs(folder):
    return with_apertures(find_pairs(folder).pairs)


@pytest.fixture
def own_pairs(folder, tmp_path):
    """The same pairs in files that a test may spoil."""
    return with_apertures(find_pairs(shutil.copytree(folder, tmp_path / "copy")).pairs)


def with_apertures(pairs):
    return [
        dataclasses.replace(pair, conditions={"f_number": 1.4 + n}) for n, pair in enumerate(pairs)
    ]


def taken(pairs, settings, count, **options):
    """The first batches as a list of (inputs, target)."""
    return list(
        pair_batches(pairs, settings, **{"seed": 5, **options}).take(count).as_numpy_iterator()
    )


def assert_same(first, second):
    for (inputs, target), (other_inputs, other_target) in zip(first, second, strict=True):
        assert inputs.keys() == other_inputs.keys()
        for name, values in inputs.items():
            np.testing.assert_array_equal(values, other_inputs[name])
        np.testing.assert_array_equal(target, other_target)


def apertures(batches):
    return [round(float(value), 3) for inputs, _ in batches for value in inputs["f_number"][:, 0]]


def decoded(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.float32) / 255


CONDITIONED = dataclasses.replace(CROPS, conditions=("f_number",))


def test_every_pass_holds_every_pair_once_in_an_order_of_its_own(pairs):
    six = pairs[:6]
    passes = [apertures(taken(six, CONDITIONED, 2, first_batch=2 * number)) for number in range(5)]
    for one in passes:
        assert sorted(one) == [round(1.4 + n, 3) for n in range(6)]
    assert len({tuple(one) for one in passes}) == 5


def test_a_pass_leaves_out_what_fills_no_batch_but_over_time_no_pair(pairs):
    seen = apertures(taken(pairs, CONDITIONED, 40))
    for start in range(0, len(seen), 6):
        assert len(set(seen[start : start + 6])) == 6
    assert len(set(seen)) == PAIRS


def test_fewer_pairs_than_a_batch_are_repeated(pairs):
    assert sorted(apertures(taken(pairs[:2], CONDITIONED, 1)))[::2] == [1.4, 2.4]


def test_batch_pairs_names_what_a_batch_holds(pairs):
    for batch in (0, 3, 11):
        ids = [pair.conditions["f_number"] for pair in batch_pairs(pairs, 3, seed=5, batch=batch)]
        assert apertures(taken(pairs, CONDITIONED, 1, first_batch=batch)) == [
            round(value, 3) for value in ids
        ]


@pytest.mark.parametrize("parallel_calls", [1, 2, 5])
def test_batches_depend_on_seed_and_position_alone(pairs, parallel_calls):
    settings = dataclasses.replace(CONDITIONED, maps=("saliency",))
    expected = taken(pairs, settings, 6)
    assert_same(taken(pairs, settings, 6, parallel_calls=parallel_calls), expected)
    assert_same(
        taken(pairs, settings, 2, first_batch=4, parallel_calls=parallel_calls), expected[4:]
    )
    with pytest.raises(AssertionError):
        assert_same(taken(pairs, settings, 6, seed=6), expected)


def test_a_pair_is_cropped_elsewhere_in_every_pass(pairs):
    crops = [
        inputs["image"][0]
        for inputs, _ in taken(pairs[:1], dataclasses.replace(CROPS, batch_size=1), 8)
    ]
    assert len({crop.tobytes() for crop in crops}) >= 6


def test_skipped_batches_are_left_out_and_the_others_stay_as_they_are(pairs):
    expected = taken(pairs, CONDITIONED, 6)
    assert_same(
        taken(pairs, CONDITIONED, 4, skipped=frozenset({1, 4})), [expected[n] for n in (0, 2, 3, 5)]
    )
    assert_same(taken(pairs, CONDITIONED, 1, first_batch=4, skipped={4}), expected[5:6])


@pytest.mark.parametrize("count", [2, 3, 6])
def test_shares_of_several_workers_are_together_the_whole_batch(pairs, count):
    settings = dataclasses.replace(CONDITIONED, batch_size=6)
    shares = [
        taken(pairs, settings, 3, share=(index, count), skipped={1}) for index in range(count)
    ]
    for number, (inputs, target) in enumerate(taken(pairs, settings, 3, skipped={1})):
        for index in range(count):
            part_inputs, part_target = shares[index][number]
            np.testing.assert_array_equal(part_target, target[index::count])
            for name, values in part_inputs.items():
                np.testing.assert_array_equal(values, inputs[name][index::count])


@pytest.mark.parametrize("share", [(0, 2), (3, 3), (-1, 3), (0, 0)])
def test_shares_that_do_not_divide_a_batch_are_refused(pairs, share):
    with pytest.raises(ValueError, match=r"share must be one of equal parts.*Received"):
        pair_batches(pairs, CROPS, seed=0, share=share)


def test_no_pairs_and_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="pairs must hold at least one"):
        pair_batches([], CROPS, seed=0)
    for wrong in (
        {"framing": "zoom"},
        {"target": "depth"},
        {"augmentations": ("horizontal", "shear")},
    ):
        with pytest.raises(
            ValueError, match=rf"{next(iter(wrong))} must be known. Received: .*Known: "
        ):
            dataclasses.replace(CROPS, **wrong)


def test_whole_pictures_are_what_another_decoder_reads(pairs):
    settings = dataclasses.replace(WHOLE, batch_size=1, maps=("saliency",))
    (inputs, target), *_ = taken(pairs, settings, 1)
    (pair,) = batch_pairs(pairs, 1, seed=5, batch=0)
    np.testing.assert_allclose(inputs["image"][0], decoded(pair.source), atol=FLOAT_TOLERANCE)
    np.testing.assert_allclose(target[0], decoded(pair.target), atol=FLOAT_TOLERANCE)
    ramp = np.linspace(0, 255, SHAPE[1], dtype=np.uint8) / 255
    np.testing.assert_allclose(
        inputs["saliency"][0, ..., 0], np.tile(ramp, (SHAPE[0], 1)), atol=FLOAT_TOLERANCE
    )


def test_shapes_types_and_ranges(pairs):
    settings = dataclasses.replace(CONDITIONED, maps=("saliency",), target_shape=(8, 12))
    dataset = pair_batches(pairs, settings, seed=1)
    inputs, target = dataset.element_spec
    assert inputs["image"].shape == (3, 16, 24, 3) and inputs["saliency"].shape == (3, 16, 24, 1)
    assert inputs["f_number"].shape == (3, 1) and target.shape == (3, 8, 12, 3)
    inputs, target = next(dataset.as_numpy_iterator())
    for values in (inputs["image"], inputs["saliency"], target):
        assert values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1
    assert inputs["f_number"].dtype == np.float32


def test_a_target_of_another_size_is_the_mean_of_its_areas(pairs):
    full = taken(pairs, CROPS, 2)
    reduced = taken(pairs, dataclasses.replace(CROPS, target_shape=(8, 12)), 2)
    for (inputs, target), (same_inputs, small) in zip(full, reduced, strict=True):
        np.testing.assert_array_equal(inputs["image"], same_inputs["image"])
        means = target.reshape(3, 8, 2, 12, 2, 3).mean(axis=(2, 4))
        # Means of bytes are rounded to bytes.
        np.testing.assert_allclose(small, means, atol=1 / 255)


def test_a_saliency_target_is_a_map(pairs):
    maps = [dataclasses.replace(pair, target=pair.maps["saliency"]) for pair in pairs]
    settings = dataclasses.replace(WHOLE, target="saliency", maps=("saliency",))
    for inputs, target in taken(maps, settings, 2):
        assert target.shape == (3, *SHAPE, 1)
        np.testing.assert_array_equal(target, inputs["saliency"])


def remove_files(pairs):
    for pair in pairs:
        for path in (pair.source, pair.target, *pair.maps.values()):
            path.unlink()


def test_what_was_read_once_is_not_read_again(own_pairs):
    reader = pair_reader(own_pairs, CROPS)
    first = taken(own_pairs, CROPS, 12, reader=reader)
    remove_files(own_pairs)
    assert_same(taken(own_pairs, CROPS, 12, reader=reader), first)


@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_full_cache_takes_no_more(own_pairs, room):
    size_bytes = 2 * SHAPE[0] * SHAPE[1] * 3
    reader = pair_reader(own_pairs, CROPS, cache_bytes=room * size_bytes + size_bytes // 2)
    for index in (2, 5, 1, 2, 0, 5):
        reader.read(index)
    kept = (2, 5, 1)[:room]
    expected = {index: reader.read(index)["image"] for index in kept}
    remove_files(own_pairs)
    for index in kept:
        np.testing.assert_array_equal(reader.read(index)["image"], expected[index])
    # What was not kept has gone: the next kept one stands for it.
    for index in set(range(PAIRS)) - set(kept):
        if kept:
            substitute = min(kept, key=lambda other: (other - index) % PAIRS)
            np.testing.assert_array_equal(reader.read(index)["image"], expected[substitute])
        else:
            with pytest.raises(DataError, match="The pairs after it cannot be read either"):
                reader.read(index)


def test_transforms_leave_the_cache_as_it_is(pairs):
    settings = dataclasses.replace(
        WHOLE, maps=("saliency",), augmentations=("horizontal",), conditions=("f_number",)
    )
    reader = pair_reader(pairs, settings)
    before = {name: value.copy() for name, value in reader.read(0).items()}
    taken(pairs, settings, 10, reader=reader)
    for name, value in reader.read(0).items():
        np.testing.assert_array_equal(value, before[name])


def spoil_cut_short(path):
    path.write_bytes(path.read_bytes()[:-200])


def spoil_text(path):
    path.write_text("<html>not found</html>")


def spoil_empty(path):
    path.write_bytes(b"")


def spoil_missing(path):
    path.unlink()


def spoil_folder(path):
    path.unlink()
    path.mkdir()


SPOILERS = [spoil_cut_short, spoil_text, spoil_empty, spoil_missing, spoil_folder]


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("kind", ["source", "target", "saliency"])
def test_a_corrupt_file_is_named_once_and_the_next_pair_takes_its_place(
    own_pairs, spoil, kind, caplog
):
    six = own_pairs[:6]
    path = six[2].maps[kind] if kind == "saliency" else getattr(six[2], kind)
    spoil(path)
    settings = dataclasses.replace(CONDITIONED, maps=("saliency",))
    with caplog.at_level(logging.WARNING):
        seen = apertures(taken(six, settings, 8))
    (message,) = [
        record.getMessage() for record in caplog.records if str(path) in record.getMessage()
    ]
    assert "\n" not in message and "Another pair takes its place" in message
    assert sorted(set(seen)) == [1.4, 2.4, 4.4, 5.4, 6.4]
    # Four passes, in each of which pair 3 stands for itself and for pair 2.
    assert seen.count(4.4) == 8 and seen.count(5.4) == 4


def test_the_others_stay_where_they_were(own_pairs):
    before = taken(own_pairs, CONDITIONED, 4)
    spoil_text(own_pairs[3].target)
    after = taken(own_pairs, CONDITIONED, 4)
    for (inputs, target), (new_inputs, new_target) in zip(before, after, strict=True):
        sound = inputs["f_number"][:, 0] != np.float32(4.4)
        np.testing.assert_array_equal(inputs["image"][sound], new_inputs["image"][sound])
        np.testing.assert_array_equal(target[sound], new_target[sound])


def test_nothing_readable_ends_in_one_clear_error(own_pairs):
    for pair in own_pairs:
        spoil_text(pair.source)
    reader = pair_reader(own_pairs, CROPS)
    with pytest.raises(PipelineError):
        taken(own_pairs, CROPS, 1, reader=reader)
    assert isinstance(
        reader.error, DataError
    ) and "The pairs after it cannot be read either" in str(reader.error)
    assert "\n" not in str(reader.error) and ".jpg: " in str(reader.error)


def test_a_networks_further_inputs_are_maps_and_conditions():
    inputs = {
        "image": keras.Input((16, 24, 3), name="image"),
        "depth": keras.Input((16, 24, 1), name="depth"),
        "f_number": keras.Input((1,), name="f_number"),
    }
    scaled = keras.layers.Multiply()([inputs["image"], inputs["depth"]])
    trainer = keras.Model(inputs, keras.layers.AveragePooling2D(2)(scaled))
    phase = Phase(
        "one", losses=(Term("l1"),), learning_rate=LearningRate(1e-3), image_shape=(16, 24), steps=1
    )
    settings = pair_settings(phase, trainer)
    assert (settings.maps, settings.conditions, settings.target_shape) == (
        ("depth",),
        ("f_number",),
        (8, 12),
    )


def test_a_pair_without_a_map_or_condition_is_named_before_training(pairs):
    lacking = [*pairs[:2], dataclasses.replace(pairs[2], conditions={}, maps={}), *pairs[3:]]
    conditioned = dataclasses.replace(CROPS, conditions=("f_number",))
    mapped = dataclasses.replace(CROPS, maps=("saliency",))
    for settings in (conditioned, mapped):
        require_inputs(pairs, settings)
    with pytest.raises(
        DataError, match=r"^2: no f_number, .*\(1 of 7 pairs have none\).*id,f_number"
    ):
        require_inputs(lacking, conditioned)
    with pytest.raises(DataError, match=r"^2: no saliency map, .*\(1 of 7 pairs have none\)"):
        require_inputs(lacking, mapped)

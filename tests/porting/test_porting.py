"""Porting of PyTorch checkpoints, without PyTorch: names, shapes and
orientation, and what is refused.
"""

from collections import OrderedDict

import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.errors import ModelFileError
from bokeh_tf.models import dmshn, megadepth
from bokeh_tf.porting import PORTABLE
from bokeh_tf.porting.assignment import assign_weights, pytorch_shape, variables_by_name
from bokeh_tf.porting.modules import TABLES, dmshn_modules, megadepth_modules
from bokeh_tf.porting.state_dict import COUNTERS, unwrapped
from tests.porting.published import SHAPE, published_dmshn

# float32 sums of a few hundred products of order one.
LAYER_TOLERANCE = 1e-5


# Tensors of the published MegaDepth network, one of every kind of path
# through its nested sequences.
MEGADEPTH_TENSORS = {
    "0.weight": (128, 3, 7, 7),
    "1.weight": (128,),
    "1.running_var": (128,),
    "3.0.0.1.0.0.weight": (32, 128, 1, 1),
    "3.0.0.2.3.3.weight": (32, 32, 7, 7),
    "3.0.0.3.0.0.2.3.3.weight": (64, 32, 7, 7),
    "3.0.0.3.0.0.3.0.0.1.3.3.weight": (64, 64, 11, 11),
    "3.0.0.3.0.0.3.0.1.3.0.0.1.1.3.weight": (64, 32, 3, 3),
    "3.0.0.3.0.0.3.0.1.3.0.1.3.1.4.running_mean": (64,),
    "3.0.0.3.0.0.3.0.1.5.3.3.weight": (64, 64, 11, 11),
    "3.0.0.3.0.0.5.0.0.weight": (32, 256, 1, 1),
    "3.0.0.3.0.1.1.3.3.weight": (32, 64, 11, 11),
    "3.0.0.4.1.0.weight": (64, 128, 1, 1),
    "3.0.0.5.3.3.bias": (16,),
    "3.0.1.0.3.3.weight": (16, 64, 11, 11),
    "4.weight": (1, 64, 3, 3),
}


@pytest.fixture(scope="module")
def dmshn_model():
    return models.build("dmshn", image_shape=SHAPE)


@pytest.fixture(scope="module")
def megadepth_model():
    return models.build("megadepth", image_shape=SHAPE)


def assign_dmshn(model, tensors, **options):
    modules = dmshn_modules(dmshn.VARIANTS["base"])
    return assign_weights(model, tensors, modules=modules, label="dmshn.pth", **options)


def test_every_portable_model_has_a_table():
    assert tuple(TABLES) == PORTABLE


def test_all_published_dmshn_tensors_find_their_layer(dmshn_model):
    tensors = published_dmshn()
    assert len(tensors) == len(dmshn_model.weights) == 180
    assign_dmshn(dmshn_model, tensors)
    head = dmshn_model.get_layer("level2_decoder_head")
    np.testing.assert_array_equal(head.bias, tensors["decoder_lv2.layer24.bias"])
    second = dmshn_model.get_layer("level3_encoder_scale2_block2_conv2").kernel
    np.testing.assert_array_equal(
        second[1, 2, 5, 7], tensors["encoder_lv3.layer7.2.weight"][7, 5, 1, 2]
    )


def test_convolution_keeps_its_orientation(dmshn_model):
    tensors = published_dmshn()
    assign_dmshn(dmshn_model, tensors)
    image = np.random.default_rng(0).random((1, 8, 10, 3), dtype=np.float32)
    actual = np.asarray(dmshn_model.get_layer("level1_encoder_scale1_conv")(image))[0]
    # PyTorch's definition at one pixel: the sum over the window of kernel [out, in,
    # row, column] times input.
    kernel, bias = (tensors[f"encoder_lv1.layer1.{name}"] for name in ("weight", "bias"))
    expected = np.einsum("oikl,kli->o", kernel, image[0, 3:6, 4:7]) + bias
    np.testing.assert_allclose(actual[4, 5], expected, atol=LAYER_TOLERANCE)


def test_transposed_convolution_keeps_its_orientation(dmshn_model):
    tensors = published_dmshn()
    assign_dmshn(dmshn_model, tensors)
    features = np.random.default_rng(1).random((1, 3, 5, 64), dtype=np.float32)
    actual = np.asarray(dmshn_model.get_layer("level1_decoder_scale1_deconv")(features))[0]
    # PyTorch's definition: every input pixel adds its kernel [in, out, row, column];
    # padding 1 crops a margin of 1.
    kernel, bias = (tensors[f"decoder_lv1.layer20.{name}"] for name in ("weight", "bias"))
    spread = np.zeros((8, 12, 32))
    for row, column in np.ndindex(3, 5):
        patch = np.einsum("i,iokl->klo", features[0, row, column], kernel)
        spread[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += patch
    np.testing.assert_allclose(actual, spread[1:-1, 1:-1] + bias, atol=LAYER_TOLERANCE)


def test_megadepth_tensors_have_the_published_names_and_shapes(megadepth_model):
    variables = variables_by_name(megadepth_model, megadepth_modules(megadepth.VARIANTS["base"]))
    assert len(variables) == len(megadepth_model.weights)
    found = {name: pytorch_shape(variables[name]) for name in MEGADEPTH_TENSORS}
    assert found == MEGADEPTH_TENSORS


@pytest.mark.parametrize("name", PORTABLE)
def test_every_variant_is_covered_by_its_table(name):
    configs = {"dmshn": dmshn.VARIANTS, "megadepth": megadepth.VARIANTS}[name]
    for variant in models.variants(name):
        model = models.build(name, variant=variant, image_shape=(32, 32))
        assert len(variables_by_name(model, TABLES[name](configs[variant]))) == len(model.weights)


def test_step_counts_are_ignored_beside_statistics_only(megadepth_model):
    modules = megadepth_modules(megadepth.VARIANTS["base"])
    variables = variables_by_name(megadepth_model, modules)
    tensors = {
        name: np.ones(pytorch_shape(variable), np.float32) for name, variable in variables.items()
    }
    counts = {
        "1.num_batches_tracked": np.array(7.0),
        "3.0.1.0.1.4.num_batches_tracked": np.array(7.0),
    }
    assign_weights(megadepth_model, tensors | counts, modules=modules, label="m.pth")
    with pytest.raises(ModelFileError, match=r"1 tensors left over \('0.num_batches_tracked'\)"):
        strange = {"0.num_batches_tracked": np.array(7.0)}
        assign_weights(megadepth_model, tensors | strange, modules=modules, label="m.pth")


def without_one(tensors):
    return {name: value for name, value in tensors.items() if name != "decoder_lv1.layer24.bias"}


def with_a_wrong_shape(tensors):
    return tensors | {"decoder_lv1.layer24.weight": np.zeros((32, 3, 3, 3), np.float32)}


def with_nan(tensors):
    return tensors | {"decoder_lv1.layer24.bias": np.array([0, np.nan, 0], np.float32)}


FAULTS = [
    (without_one, r"1 tensors missing \('decoder_lv1.layer24.bias'\)\.$"),
    (lambda tensors: tensors | {"a\nb": np.zeros(1)}, r"1 tensors left over \('a\\nb'\)\.$"),
    (
        with_a_wrong_shape,
        r"\('decoder_lv1.layer24.weight' is \(32, 3, 3, 3\), not \(3, 32, 3, 3\)\)\.$",
    ),
    (with_nan, r"1 tensors not finite \('decoder_lv1.layer24.bias'\)\.$"),
    (
        lambda tensors: {f"net1.{n}": t for n, t in tensors.items()},
        r"180 tensors missing \(.*, …\); 180 tensors left",
    ),
]


@pytest.mark.parametrize(("damage", "message"), FAULTS)
def test_faults_are_named_and_change_nothing(dmshn_model, damage, message):
    before = [np.asarray(weight) for weight in dmshn_model.weights]
    with pytest.raises(ModelFileError, match=message) as raised:
        assign_dmshn(dmshn_model, damage(published_dmshn()))
    assert str(raised.value).startswith("dmshn.pth: these are not the weights of dmshn.base: ")
    assert "\n" not in str(raised.value)
    for weight, value in zip(dmshn_model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


TENSOR = np.zeros(2)


@pytest.mark.parametrize(
    "content",
    [
        {"conv.weight": TENSOR},
        OrderedDict({"module.conv.weight": TENSOR}),
        {"state_dict": {"conv.weight": TENSOR}, "epoch": 7},
        {"model": {"state_dict": {"module.module.conv.weight": TENSOR}}},
        {"params": {"conv.weight": None}, "params_ema": {"conv.weight": TENSOR}},
        {
            "state_dict": {"conv.weight": None},
            "state_dict_ema": {"module.conv.weight": TENSOR},
            "epoch": 3,
        },
        {"netG": {"_orig_mod.module.conv.weight": TENSOR}, "netD": {"conv.weight": None}},
        {"state_dict": {"model.net.conv.weight": TENSOR}},
    ],
)
def test_usual_wrappers_are_taken_off(content):
    assert unwrapped(content, label="a.pth").tensors == {"conv.weight": TENSOR}


def test_a_prefix_that_only_some_names_have_stays():
    names = {"module.a": TENSOR, "b": TENSOR}
    assert unwrapped(names, label="a.pth").tensors == names


def test_what_was_chosen_is_said_and_can_be_chosen_otherwise():
    content = {
        "params": {"module.a": TENSOR},
        "params_ema": {"module.a": TENSOR + 1, "total_ops": TENSOR},
    }
    chosen = unwrapped(content, label="a.pth")
    # A profiler's counter beside the wrapped model does not hide its prefix.
    assert chosen.choices == ("the entry 'params_ema' (not 'params')", "names without 'module.'")
    assert list(chosen.tensors) == ["a", "total_ops"]
    asked = unwrapped(content, label="a.pth", key="params")
    assert asked.choices[0] == "the entry 'params' (not 'params_ema')"
    np.testing.assert_array_equal(asked.tensors["a"], TENSOR)
    with pytest.raises(ModelFileError, match="has no entry 'nope'"):
        unwrapped(content, label="a.pth", key="nope")


def test_counters_of_a_profiler_are_named_and_ignored_on_request(dmshn_model):
    tensors = published_dmshn() | {
        "total_ops": np.zeros(1),
        "encoder_lv1.total_params": np.zeros(1),
    }
    with pytest.raises(
        ModelFileError,
        match=r"2 tensors left over .*--ignore total_ops total_params leaves them out",
    ):
        assign_dmshn(dmshn_model, tensors)
    assert assign_dmshn(dmshn_model, tensors, ignore=COUNTERS) == [
        "total_ops",
        "encoder_lv1.total_params",
    ]
    # Never a weight that the network has.
    assert assign_dmshn(dmshn_model, published_dmshn(), ignore=("bias", "weight")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no state dict but 'list'"),
        ({}, "holds no state dict"),
        ({"a": TENSOR, "epoch": 3}, "'epoch' is no tensor"),
        ({3: TENSOR}, "3 is no tensor"),
        ({"x\n" * 200: None}, "… is no tensor"),
    ],
)
def test_what_is_no_state_dict_is_refused(content, message):
    with pytest.raises(ModelFileError, match=message) as raised:
        unwrapped(content, label="a.pth")
    assert "\n" not in str(raised.value)

"""The rebuilt models of the op matrix are those whose verdicts were measured."""

import math
from collections import Counter

import pytest
from tensorflow.lite.python.convert import ConverterError

from bokeh_tf.tflite.inspection import inspect
from tests.op_matrix import VERDICTS, __main__, build_all
from tests.op_matrix.building import NAMES, UNCONVERTIBLE_NAMES, build

REBUILT = [name for name, verdict in VERDICTS.items() if not verdict.not_rebuilt]
EVERY = 29
SAMPLE = sorted(
    {*REBUILT[::EVERY], "batch2_conv", "cond", "conv3x3_int8_full", "groupnorm", "mha", "u8_output"}
)


def ops_of(model):
    return tuple(
        sorted(f"{operator.name}.v{operator.version}" for operator in inspect(model).operators)
    )


def weights_restored(ops):
    """Float16 weights come with one DEQUANTIZE each, which the matrix does not list."""
    return tuple(op for op in ops if not op.startswith("DEQUANTIZE"))


def test_every_verdict_has_a_builder():
    assert set(VERDICTS) == NAMES
    assert {
        name for name, verdict in VERDICTS.items() if verdict.not_rebuilt
    } == UNCONVERTIBLE_NAMES


def test_verdicts_are_whole():
    assert len(VERDICTS) == 541
    assert Counter(verdict.mldrift for verdict in VERDICTS.values()) == {
        "gpu": 486,
        "refused": 40,
        "crash": 5,
        None: 10,
    }
    for verdict in (VERDICTS[name] for name in REBUILT):
        assert verdict.ops and verdict.input_shapes
        assert (
            bool(verdict.classic_messages)
            == bool(verdict.classic_nodes)
            == (verdict.classic is False)
        )
        assert bool(verdict.mldrift_reason) or verdict.mldrift == "gpu"


def test_wrong_ones_are_told_from_coarse_ones():
    assert VERDICTS["grp_in6_g2_out6"].is_wrong and not VERDICTS["grp_in8_g2_out8"].is_wrong
    assert not VERDICTS["cast_f16"].is_wrong
    assert (
        math.isinf(VERDICTS["rng_square_255"].error_float16)
        and not VERDICTS["rng_square_255"].is_wrong
    )
    assert (
        VERDICTS["f16c_concat"].is_wrong_with_float16_weights
        and not VERDICTS["f16c_concat"].is_wrong
    )


@pytest.mark.parametrize("name", SAMPLE)
def test_sample_has_the_measured_operators(name):
    assert ops_of(build(VERDICTS[name])) == VERDICTS[name].ops


def test_other_operators_are_seen():
    assert ops_of(build(VERDICTS["add"])) != VERDICTS["mul"].ops


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_all_have_the_measured_operators(tmp_path, weights):
    differing = []
    for name, path in build_all(tmp_path, weights=weights).items():
        keep = weights_restored if weights == "float16" else tuple
        if keep(ops_of(path)) != keep(VERDICTS[name].ops):
            differing.append(name)
    assert not differing


@pytest.mark.parametrize("name", sorted(UNCONVERTIBLE_NAMES))
def test_what_has_no_file_cannot_have_one(name):
    operator = VERDICTS[name].not_rebuilt.split("'")[1]
    with pytest.raises(ConverterError, match=operator):
        build(VERDICTS[name])


@pytest.mark.parametrize("name", ["bn_after_conv", "concat_const", "se_block"])
def test_bytes_do_not_depend_on_what_was_built_before(name):
    first = build(VERDICTS[name])
    build(VERDICTS["flatten_dense"])
    assert build(VERDICTS[name]) == first


def test_only_missing_models_are_written(tmp_path):
    (tmp_path / "add.tflite").write_bytes(b"already here")
    paths = build_all(tmp_path, ["add", "mul"])
    assert paths["add"].read_bytes() == b"already here"
    assert ops_of(paths["mul"]) == VERDICTS["mul"].ops


def test_float16_weights(tmp_path):
    path = build_all(tmp_path, ["conv3x3"], weights="float16")["conv3x3"]
    ops = ops_of(path)
    assert weights_restored(ops) == VERDICTS["conv3x3"].ops and ops != VERDICTS["conv3x3"].ops


def test_command_line(tmp_path, capsys):
    __main__.main([str(tmp_path / "models"), "--only", "conv1x1*"])
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "conv1x1.tflite",
        "conv1x1_in3_out1.tflite",
    ]
    assert "2 models" in capsys.readouterr().out
    with pytest.raises(SystemExit) as usage:
        __main__.main([str(tmp_path), "--only", "no such variant"])
    assert usage.value.code == 2

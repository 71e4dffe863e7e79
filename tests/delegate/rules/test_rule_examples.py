"""Every rule of the static check has an example, and the check finds the rule in it."""

import pytest

from bokeh_tf.delegate.findings import TARGETS, WITHOUT_OPENCL, Kind, TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.rules import load_rules
from bokeh_tf.delegate.writers.explanation import explanation_of
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.rule_graphs import build_graph

RULES = {rule.id: rule for target in TARGETS for rule in load_rules(target).rules}
IN_KERAS = [rule.id for rule in RULES.values() if rule.example]
AS_GRAPHS = [rule.id for rule in RULES.values() if rule.example_graph]
NODE = "ADD v1: float32[1,8], float32[1,8] -> float32[1,8]"


def report_of(content, rule_id):
    return lint(inspect(content), rule_id.partition(".")[0])


def test_every_rule_has_one_example():
    assert [
        rule.id for rule in RULES.values() if bool(rule.example) == bool(rule.example_graph)
    ] == []


@pytest.mark.parametrize("rule_id", AS_GRAPHS)
def test_a_graph_meets_its_rule_and_no_other(rule_id):
    report = report_of(build_graph(RULES[rule_id].example_graph), rule_id)
    if RULES[rule_id].kind in WITHOUT_OPENCL:
        assert [finding.rule for finding in report.without_opencl] == [rule_id]
        assert report.verdict is TargetVerdict.COMPATIBLE and not report.findings
        return
    assert [finding.rule for finding in report.findings] == [rule_id]
    is_taken = RULES[rule_id].kind is Kind.WRONG
    assert report.verdict is (
        TargetVerdict.ACCEPTED_BUT_WRONG if is_taken else TargetVerdict.INCOMPATIBLE
    )


@pytest.mark.slow
@pytest.mark.parametrize("rule_id", IN_KERAS)
def test_code_meets_its_rule(rule_id):
    import tensorflow as tf

    names = {}
    exec(RULES[rule_id].example, names)
    converter = names.get("converter") or tf.lite.TFLiteConverter.from_keras_model(names["model"])
    assert rule_id in [finding.rule for finding in report_of(converter.convert(), rule_id).findings]


# The grammar of the graphs


def test_a_graph_is_read_as_it_is_written():
    model_file = inspect(
        build_graph(
            "DEQUANTIZE v3: constant float16[4] -> alpha = float32[4]\n"
            "MAX_POOL_2D v2 {stride_h=2, padding=VALID, fused_activation=RELU6}: float32[1,6,8] ->"
            " y = float32[1,3,8]\n"
            "CUSTOM:Resampler v1: y, alpha, none, constant quantised int8[2] (-3, 5), variable"
            " bool[] -> float32[1,4]"
        )
    )
    dequantise, pool, resampler = model_file.operators
    assert (pool.name, pool.version, pool.is_custom, pool.options["stride_h"]) == (
        "MAX_POOL_2D",
        2,
        False,
        2,
    )
    assert (pool.options["padding"], pool.options["fused_activation"]) == ("VALID", "RELU6")
    assert (resampler.name, resampler.is_custom) == ("Resampler", True)
    assert resampler.inputs[:3] == (*pool.outputs, *dequantise.outputs, -1)
    assert tuple(tensor.index for tensor in model_file.inputs) == pool.inputs
    assert tuple(tensor.index for tensor in model_file.outputs) == resampler.outputs
    assert model_file.values(dequantise.inputs[0]).tolist() == [0, 1, 2, 3]
    pair, state = (model_file.tensors[index] for index in resampler.inputs[3:])
    assert model_file.values(pair.index).tolist() == [-3, 5] and pair.is_quantised
    assert (state.dtype, state.shape, state.is_variable, state.is_constant) == (
        "bool",
        (),
        True,
        False,
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (NODE.replace("->", "=>"), "a line is"),
        (NODE.replace(" v1", ""), "a line is"),
        (NODE.replace("ADD", "ADDED"), "BuiltinOperator"),
        (NODE.replace("float32", "float33"), "TensorType"),
        (NODE.replace("float32", "fixed float32"), "a tensor is"),
        (NODE.replace("[1,8] ->", "[1,8] (1, 2) ->"), "a tensor is"),
        (NODE.replace("[1,8] ->", "[1,8], unknown ->"), "a tensor is"),
        (NODE.replace("v1", "v1 {stride=1}"), "AddOptionsT"),
        (NODE.replace("v1", "v1 {fused_activation=RELU7}"), "ActivationFunctionType"),
    ],
)
def test_what_is_not_in_the_grammar_is_said(line, complaint):
    with pytest.raises(ValueError, match=complaint):
        build_graph(line)


# What people read


def test_an_explanation_shows_code_or_a_graph():
    assert "Example:\n    from keras import" in explanation_of("v2.op.squeeze")
    told = explanation_of("mldrift.embedding.inputs")
    assert (
        "The smallest graph that meets it:\n    DEQUANTIZE v3: constant float16[10,8] -> table"
        in told
    )


@pytest.mark.parametrize(
    ("received", "known"),
    [
        ("v2.shrink", "v2.strided_slice.shrink_axis, mldrift.strided_slice.shrink_axis and "),
        (
            "v2.pad",
            "v2.pad.mode, v2.pad.shape, v2.pad.rank, v2.opengl.padded_rank, v2.opengl.padding_value, mldrift.pad",
        ),
        ("SPLIT_V", "mldrift.split_v.inputs and "),
        ("v2.softmaks.beta", "v2.softmax.beta, "),
        ("", "v2.op"),
    ],
)
def test_an_unknown_rule_is_answered_with_the_nearest(received, known):
    with pytest.raises(
        ValueError, match=rf"Received: '{received}'\. Known: {known}.* others\.$"
    ) as answer:
        explanation_of(received)
    assert len(str(answer.value)) < 300

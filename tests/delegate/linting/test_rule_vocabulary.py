"""The engine of the static check: what the words of a rule document mean, on rules made up."""

import pytest

from bokeh_tf.delegate.findings import Kind
from bokeh_tf.delegate.linting.lint import find_findings
from bokeh_tf.delegate.rules import rules_from
from bokeh_tf.delegate.rules.conditions import compile_condition
from tests.delegate.linting.one_node import OP, RELU, SHAPE, file_of, one_node
from tests.model_writer import FLOAT16, INT32


def document(*rules, ops=("RELU", "ADD")):
    return rules_from(
        {
            "schema_version": 1,
            "target": "v2",
            "release": "made up",
            "sources": {},
            "groups": {"both": ["RELU", "ADD"]},
            "ops": {op: {"max_version": 2, "source": ""} for op in ops},
            "rules": list(rules),
        }
    )


def rule(name, *, kind="refused", ops=("*",), reason="", **more):
    texts = {"instead": "", "source": "", "evidence": [], "example": ""}
    return {"id": name, "kind": kind, "ops": list(ops), "reason": reason, **texts, **more}


@pytest.mark.parametrize(
    "condition",
    [
        ["op.name", "==", "RELU"],
        ["op.version", "<", 2],
        ["op.runtime_inputs", "in", [1, 2]],
        ["input.0.shape", "==", [1, 4, 6, 8]],
        ["input.0.shape", "in", [[1], [1, 4, 6, 8]]],
        ["input.0.dim.-1", "multiple of", 4],
        ["input.0.channels", "==", {"subject": "output.0.channels"}],
        ["output.0.consumer_ops", "==", []],
        ["input.0.shape", "contains", 6],
        ["input.1.rank", "missing"],
        ["option.beta", "missing"],
        ["graph.nodes", ">=", 1],
        {"all": []},
        {"any": [["op.version", ">", 9], ["op.inputs", "==", 1]]},
        {"not": ["input.0.is_constant", "==", True]},
        {"some": "outputs", "where": ["tensor.is_graph_output", "==", True]},
        {"every": "inputs", "where": ["tensor.dtype", "not in", ["int8", "int16"]]},
    ],
)
def test_a_condition_holds(condition):
    assert [f.rule for f in find_findings(RELU, document(rule("v2.x", when=condition)))] == ["v2.x"]


@pytest.mark.parametrize(
    "condition",
    [
        {"any": []},
        ["input.0.dim.4", "!=", 3],
        ["option.beta", "!=", 1],
        ["input.7.rank", "not in", [1]],
        ["input.1.shape", "exists"],
        ["input.0.channels", "multiple of", 3],
        ["input.0.channels", "multiple of", 0],
        ["op.inputs", "==", {"subject": "input.1.rank"}],
        {"some": "constant_inputs", "where": {"all": []}},
        {"every": "tensors", "where": ["tensor.is_graph_input", "==", True]},
    ],
)
def test_a_condition_does_not_hold_and_what_is_missing_makes_none_hold(condition):
    assert find_findings(RELU, document(rule("v2.x", when=condition))) == ()


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (["input.0.colour", "==", 1], "unknown subject"),
        (["input.rank", "==", 1], "unknown subject"),
        (["op.inputs", "~", 1], "comparison"),
        (["op.inputs"], "comparison"),
        ({"is": "pretty"}, "unknown predicate"),
        ({"some": "everything", "where": {"all": []}}, "tensors are one of"),
        ({"all": [], "any": []}, "a condition is"),
    ],
)
def test_what_is_not_in_the_vocabulary_is_said(condition, words):
    with pytest.raises(ValueError, match=words):
        compile_condition(condition)


def test_a_document_that_breaks_the_rules_is_refused():
    with pytest.raises(ValueError, match="unique"):
        document(rule("v2.x"), rule("v2.x"))
    with pytest.raises(ValueError, match=r"v2\.x.*unknown: \['wehn'\]"):
        document({**rule("v2.x"), "wehn": []})
    with pytest.raises(ValueError, match=r"rule v2\.x: unknown subject"):
        document(rule("v2.x", when=["x.y", "==", 1]))
    with pytest.raises(ValueError, match="schema version 1"):
        rules_from({"schema_version": 2})


def test_groups_and_exceptions_choose_operators():
    assert [f.rule for f in find_findings(RELU, document(rule("v2.x", ops=["@both"])))] == ["v2.x"]
    assert find_findings(RELU, document(rule("v2.x", ops=["ADD"]))) == ()
    assert find_findings(RELU, document(rule("v2.x", **{"except": ["RELU"]}))) == ()


def test_one_refusal_hides_the_rest_and_all_other_kinds_are_told():
    wrong, fails = rule("v2.wrong", kind="wrong"), rule("v2.fails", kind="fails")
    found = find_findings(RELU, document(wrong, fails))
    assert [(f.rule, f.kind) for f in found] == [("v2.wrong", Kind.WRONG), ("v2.fails", Kind.FAILS)]
    assert [
        f.rule for f in find_findings(RELU, document(wrong, rule("v2.a"), rule("v2.b"), fails))
    ] == ["v2.a"]


def test_a_reason_is_filled_with_what_was_found():
    reason = "{op.name} of {input.0.shape}, {tensor.dtype}"
    where = {"some": "outputs", "where": ["tensor.rank", "==", 4]}
    (finding,) = find_findings(RELU, document(rule("v2.x", reason=reason, when=where)))
    assert finding.reason == "RELU of 1x4x6x8, float32"
    assert (finding.node, finding.op, finding.version) == (0, "RELU", 1)
    assert finding.tensors == ("float32[1,4,6,8]", "float32[1,4,6,8]")


def test_a_rule_about_the_file_names_no_node():
    (finding,) = find_findings(
        RELU, document(rule("v2.x", scope="file", when=["graph.outputs", "==", 1]))
    )
    assert (finding.node, finding.op, finding.tensors) == (None, "", ())


def test_versions_come_from_the_document():
    is_new = rule("v2.version", when=["op.version_is_known", "==", False])
    assert find_findings(one_node(OP.RELU, version=2), document(is_new)) == ()
    assert len(find_findings(one_node(OP.RELU, version=3), document(is_new))) == 1


def test_float16_weights_are_constants_and_int8_ones_are_not():
    def weights(dtype):
        def build(writer, x):
            y = writer.tensor("y", SHAPE)
            unpacked = writer.tensor("unpacked", [8])
            writer.operator(
                OP.DEQUANTIZE, [writer.tensor("w", [8], constant=True, dtype=dtype)], [unpacked]
            )
            writer.operator(OP.ADD, [x, unpacked], [y])
            return y

        return find_findings(
            file_of(build),
            document(rule("v2.x", ops=["ADD"], when=["op.constant_inputs", "==", 1])),
        )

    assert len(weights(FLOAT16)) == 1 and weights(INT32) == ()

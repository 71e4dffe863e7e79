"""Activations that a node computes besides: what the CPU makes of them, and what the rules say."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bokeh_tf.delegate.check import check
from tests.delegate.rules.rule_graphs import build_graph

PICTURE = "float32[1,4,6,3]"
VECTOR = "constant float32[3] (1, -2, 0.5)"
KERNEL = f"constant float32[1,3,3,3] ({', '.join(str(n / 20 - 0.5) for n in range(27))})"
WINDOW = "filter_height=2, filter_width=2, stride_h=2, stride_w=2"
# Options and tensors by operator.
NODES = {
    "ADD": ("", f"{PICTURE}, {VECTOR} -> {PICTURE}"),
    "SUB": ("", f"{PICTURE}, {VECTOR} -> {PICTURE}"),
    "MUL": ("", f"{PICTURE}, {VECTOR} -> {PICTURE}"),
    "DIV": ("", f"{PICTURE}, {VECTOR} -> {PICTURE}"),
    "AVERAGE_POOL_2D": (f", {WINDOW}", f"{PICTURE} -> float32[1,2,3,3]"),
    "MAX_POOL_2D": (f", {WINDOW}", f"{PICTURE} -> float32[1,2,3,3]"),
    "CONV_2D": (
        ", stride_w=1, stride_h=1",
        f"{PICTURE}, {KERNEL}, constant float32[1] (-1) -> float32[1,4,6,1]",
    ),
    "DEPTHWISE_CONV_2D": (
        ", stride_w=1, stride_h=1, depth_multiplier=1",
        f"{PICTURE}, {KERNEL}, {VECTOR} -> {PICTURE}",
    ),
}
MODES = [
    OpResolverType.AUTO,
    OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    OpResolverType.BUILTIN_REF,
]


def graph(operator, activation):
    options, tensors = NODES[operator]
    return build_graph(f"{operator} v1 {{fused_activation={activation}{options}}}: {tensors}")


def computed(content, mode):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=mode)
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    values = np.random.default_rng(0).uniform(-4, 4, given["shape"]).astype(np.float32)
    interpreter.set_tensor(given["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(made["index"])


def rules_of(content):
    report = check(content)
    return {finding.rule for target in report.targets for finding in target.findings}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operator", NODES)
def test_the_cpu_ignores_what_the_rules_say_that_it_ignores(operator, mode):
    plain = computed(graph(operator, "NONE"), mode)
    assert np.abs(np.tanh(plain) - plain).max() > 0.1
    # XNNPACK leaves such nodes to the built-in kernels, which add up in another order.
    for activation in ("TANH", "SIGN_BIT"):
        assert np.allclose(computed(graph(operator, activation), mode), plain, atol=1e-5)
    limited = computed(graph(operator, "RELU_N1_TO_1"), mode)
    assert np.allclose(limited, plain.clip(-1, 1), atol=1e-6)


@pytest.mark.parametrize("operator", NODES)
def test_rules_of_both_delegates_name_it(operator):
    assert rules_of(graph(operator, "TANH")) == {"v2.activation.tanh", "mldrift.activation.tanh"}
    assert rules_of(graph(operator, "RELU_N1_TO_1")) == set()
    v2 = "v2.activation.sign_bit" if operator == "ADD" else "v2.activation"
    assert rules_of(graph(operator, "SIGN_BIT")) == {v2, "mldrift.activation"}


def test_the_cpu_does_not_load_a_dense_layer_with_it():
    dense = "FULLY_CONNECTED v1 {fused_activation=TANH}: float32[1,3], constant float32[4,3], none"
    with pytest.raises(RuntimeError, match="activation"):
        computed(build_graph(f"{dense} -> float32[1,4]"), OpResolverType.BUILTIN_REF)

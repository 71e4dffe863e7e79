"""SQUEEZE and EXPAND_DIMS, which are views."""

from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    writer.deliver(
        writer.view(node.inputs[0], writer.graph.shape(node.outputs[0])), node.outputs[0]
    )


RECIPE = Recipe(
    name="squeeze",
    does="SQUEEZE and EXPAND_DIMS: RESHAPE",
    rules=("*.op.squeeze", "*.rank"),
    ops=frozenset({"SQUEEZE", "EXPAND_DIMS"}),
    rewrite=_rewrite,
)

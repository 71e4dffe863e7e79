"""Products that broadcast both ways, and operators that read one tensor twice."""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.tile import repeated


def _full_operand(writer, node):
    graph = writer.graph
    target = graph.shape(node.outputs[0])
    shapes = [graph.shape(tensor) for tensor in node.inputs]
    computed = [place for place in (0, 1) if not graph.is_constant(node.inputs[place])]
    if not computed or any(len(shape) != len(target) for shape in shapes):
        raise Declined("its operands have other numbers of dimensions")
    place = max(computed, key=lambda one: prod(shapes[one]))
    multiples = [whole // size for whole, size in zip(target, shapes[place], strict=True)]
    operands = list(node.inputs)
    operands[place] = repeated(writer, operands[place], multiples)
    writer.deliver(writer.again(node, operands, target, like=node.outputs[0]), node.outputs[0])


def _of_one_tensor(writer, node):
    graph, tensor = writer.graph, node.inputs[0]
    shape = graph.shape(node.outputs[0])
    if graph.dtype(tensor) != "float32" or node.activation != "NONE":
        raise Declined("not of floats alone")
    if node.name in ("SUB", "ADD"):
        # Not a constant 0: the difference of infinities is no number, and so is this product.
        factor = np.array(0.0 if node.name == "SUB" else 2.0, np.float32)
        made = writer.add("MUL", [tensor, factor], shape)
    elif node.name == "MUL":
        made = writer.add("SQUARE", [tensor], shape)
    else:
        made = writer.view(tensor, shape)
    writer.deliver(made, node.outputs[0])


def _sum_put_out(writer, node):
    graph, output = writer.graph, node.outputs[0]
    if graph.dtype(output) != "float32":
        raise Declined(f"of {graph.dtype(output)}")
    shape = graph.shape(output)
    total = writer.again(node, node.inputs, shape, like=output)
    readers = graph.readers(output)
    writer.deliver(writer.add("MUL", [total, np.array(1, np.float32)], shape), output)
    # Only the output is a product; what reads the sum goes on reading it.
    for reader in readers:
        graph.rewire_reader(reader, output, total)


FULL_OPERAND = Recipe(
    name="full-operand",
    does="MUL that broadcasts both ways: one operand repeated to the full shape first",
    rules=("v2.mul.broadcast",),
    ops=frozenset({"MUL"}),
    rewrite=_full_operand,
)
OF_ONE_TENSOR = Recipe(
    name="one-tensor-twice",
    does="x - x, x + x, x * x of one tensor: a product with 0 or 2, SQUARE",
    rules=("*.same_inputs",),
    ops=frozenset({"SUB", "ADD", "MUL", "MAXIMUM", "MINIMUM"}),
    rewrite=_of_one_tensor,
)
SUM_PUT_OUT = Recipe(
    name="sum-put-out",
    does="a sum that is an output and is reduced: the output is a product with 1 of it",
    rules=("mldrift.sum_put_out",),
    ops=frozenset({"ADD", "ADD_N"}),
    rewrite=_sum_put_out,
)

"""Every recipe on small graphs: refused before, whole after, and the same numbers on the CPU."""

import pytest

from bokeh_tf.delegate.findings import TargetVerdict
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.passes import Journal, lint_all, run_passes, run_second_forms
from bokeh_tf.repairing.proving import KEPT, PLAIN, XNNPACK, prove
from bokeh_tf.repairing.recipe import apply
from bokeh_tf.repairing.recipes import RECIPES, SECOND_FORMS
from bokeh_tf.tflite.inspection import inspect
from tests.repairing.cases import CASES, SECOND_CASES

RECIPE = {recipe.name: recipe for recipe in RECIPES}
ALL = [(name, number) for name, graphs in CASES.items() for number in range(len(graphs))]


def is_whole(content):
    return all(report.verdict is TargetVerdict.COMPATIBLE for report in lint_all(content))


def repaired(content, recipes=RECIPES):
    """(the rewritten file, the journal)."""
    graph, journal = Graph(content), Journal()
    run_passes(graph, tuple(recipes), journal)
    graph.compact()
    return graph.content(), journal


def test_every_recipe_has_a_case():
    assert {name for name, graphs in CASES.items() if graphs} == set(RECIPE)


@pytest.mark.parametrize(("name", "number"), ALL)
def test_refused_before_whole_after_and_equal(name, number):
    content = CASES[name][number]
    assert not is_whole(content)
    result, journal = repaired(content)
    assert name in {one.recipe for one in journal.applied}
    assert [finding for report in lint_all(result) for finding in report.findings] == []
    bound = sum(RECIPE[one].bound for one in {one.recipe for one in journal.applied})
    proof = prove(content, result, shapes=None, bound=bound)
    assert proof.failure is None
    assert set(proof.modes) == {KEPT, PLAIN, XNNPACK}
    assert bound or proof.largest == 0


def test_an_axis_stays_a_scalar():
    # OpenVINO refuses a CUMSUM whose axis is a vector of one.
    graph = Graph(repaired(CASES["cumsum"][0])[0])
    (summed,) = [node for node in graph.nodes if node.name == "CUMSUM"]
    assert graph.shape(summed.inputs[1]) == () and graph.tensors[summed.inputs[1]].hasRank


@pytest.mark.parametrize("number", range(len(CASES["full-operand"])))
def test_single_rows_columns_and_channels_are_spread_without_a_tile(number):
    # OpenVINO turns what a TILE behind a convolution reads, and not how often it repeats.
    graph = Graph(repaired(CASES["full-operand"][number])[0])
    assert not {"TILE", "BROADCAST_TO"} & {node.name for node in graph.nodes}


def test_weights_of_four_bits_keep_their_values():
    graph = Graph(repaired(CASES["four-bit-weights"][0])[0])
    weights = graph.nodes[0].inputs[1]
    assert graph.stored(weights).ravel().tolist() == [one * 7 % 16 - 8 for one in range(40)]
    assert graph.dtype(weights) == "int8" and graph.scales(weights) == ([0.25], [0])


def test_weights_of_four_bits_with_a_scale_for_each_block_stay():
    graph = Graph(CASES["four-bit-weights"][0])
    (node,) = graph.nodes
    graph.tensors[node.inputs[1]].quantization.details = object()
    with pytest.raises(Declined, match="a scale for each block"):
        apply(RECIPE["four-bit-weights"], graph, node)


@pytest.mark.parametrize("name", list(SECOND_CASES))
def test_second_forms_compute_the_same(name):
    content = SECOND_CASES[name]
    graph, journal = Graph(content), Journal()
    run_second_forms(graph, SECOND_FORMS, journal)
    assert [one.recipe for one in journal.applied] == [name]
    assert is_whole(graph.content())
    assert prove(content, graph.content(), shapes=None, bound=0).failure is None


def test_every_second_form_has_a_case():
    assert set(SECOND_CASES) == {recipe.name for recipe in SECOND_FORMS}


@pytest.mark.parametrize(("name", "number"), ALL)
def test_ports_stay(name, number):
    before, after = inspect(CASES[name][number]), inspect(repaired(CASES[name][number])[0])

    def ports(model_file):
        tensors = (*model_file.inputs, *model_file.outputs)
        return [(one.index, one.name, one.shape, one.dtype, one.is_quantised) for one in tensors]

    assert ports(after) == ports(before)

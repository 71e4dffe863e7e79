"""README's recipes against fallbacks: what each says of "before" and "after" is so."""

import keras
import numpy as np
import pytest

from bokeh_tf.delegate.findings import TARGETS, TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.probe import Verdict, probe
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.passes import Journal, lint_all, run_passes
from bokeh_tf.repairing.proving import prove
from bokeh_tf.repairing.recipes import RECIPES as RECIPES_OF_REPAIR
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.fallback_recipes import IMPORTS, RECIPES, markdown

IMAGE_SHAPE = (16, 24)
SEED = 11

every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)


def graph_of(code):
    """The function from x to y that a snippet is."""

    def graph(x):
        names = {"x": x}
        exec(f"{IMPORTS}\n{code}", names)
        return names["y"]

    return graph


def model_of(recipe, code, name):
    keras.utils.set_random_seed(SEED)
    x = keras.Input((*IMAGE_SHAPE, recipe.channels), batch_size=1, name="image")
    return keras.Model(x, graph_of(code)(x), name=name)


def weighted_models(recipe):
    """(before, after) with the same random weights."""
    before, after = (
        model_of(recipe, recipe.before, "before"),
        model_of(recipe, recipe.after, "after"),
    )
    source = np.random.default_rng(SEED)
    weights = [
        source.normal(size=weight.shape).astype(np.float32) for weight in before.get_weights()
    ]
    before.set_weights(weights)
    after.set_weights(recipe.move(weights, [weight.shape for weight in after.get_weights()]))
    return before, after


@pytest.fixture
def file_before(recipe, tiny_tflite):
    """TensorFlow's own converter: ours refuses some of these."""
    name = recipe.title.replace(" ", "_")
    return tiny_tflite(
        name, graph_of(recipe.before), image_shape=IMAGE_SHAPE, channels=recipe.channels
    )


@pytest.fixture
def content_after(recipe):
    return convert(weighted_models(recipe)[1], precision="float16")


@every_recipe
def test_both_compute_the_same(recipe):
    before, after = weighted_models(recipe)
    image = (
        np.random.default_rng(SEED + 1)
        .normal(size=(1, *IMAGE_SHAPE, recipe.channels))
        .astype(np.float32)
    )
    expected, actual = (np.asarray(model(image)) for model in (before, after))
    assert actual.shape == expected.shape and np.abs(expected).max() > 0.5
    np.testing.assert_allclose(actual, expected, rtol=0, atol=recipe.limit)


@every_recipe
def test_before_is_found_by_its_rules(recipe, file_before):
    model_file = inspect(file_before)
    for target in TARGETS:
        report = lint(model_file, target)
        found = {finding.rule for finding in report.findings}
        if target in recipe.rules:
            assert recipe.rules[target] in found and report.verdict is not TargetVerdict.COMPATIBLE
        else:
            assert (report.verdict, found) == (TargetVerdict.COMPATIBLE, set())


@every_recipe
def test_repair_does_it_too(recipe, file_before):
    content = file_before.read_bytes()
    graph, journal = Graph(content), Journal()
    run_passes(graph, RECIPES_OF_REPAIR, journal)
    assert recipe.repair in {one.recipe for one in journal.applied}
    assert [report.findings for report in lint_all(graph.content())] == [(), ()]
    bound = max(
        one.bound
        for one in RECIPES_OF_REPAIR
        if one.name in {made.recipe for made in journal.applied}
    )
    assert prove(content, graph.content(), shapes=None, bound=bound).failure is None


@every_recipe
def test_after_passes_both(recipe, content_after):
    model_file = inspect(content_after)
    for target in TARGETS:
        report = lint(model_file, target)
        assert (report.verdict, report.findings) == (TargetVerdict.COMPATIBLE, ())


@pytest.mark.gpu
@every_recipe
def test_the_real_delegate_agrees(recipe, file_before, content_after, tmp_path, gpu):
    """The delegate here is ML Drift; what only V2 objects to, it takes."""
    path = tmp_path / "after.tflite"
    path.write_bytes(content_after)
    assert probe(path).verdict is Verdict.FULL
    verdict = probe(file_before, precisions=("float32",)).verdict
    assert (verdict in (Verdict.REFUSED, Verdict.WRONG)) == ("mldrift" in recipe.rules)


def test_the_section_shows_every_recipe():
    text = markdown()
    for recipe in RECIPES:
        assert (
            recipe.before in text
            and recipe.after in text
            and f"<summary>{recipe.title}</summary>" in text
        )
        assert all(f"`{rule}`" in text for rule in recipe.rules.values())
    assert text.count("<details>") == text.count("</details>") == len(RECIPES) == 10

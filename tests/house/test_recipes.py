"""Recipes of WORKSPACE.md that a machine can walk, followed to the letter; "Add a
model" has a file of its own.
"""

import json

import cv2
import numpy as np
import pytest

from tests.house.recipes import copy_project, files_to_edit, follow, run

LOSS = '''

def toy(expected, actual):
    """Twice the mean absolute difference."""
    return 2 * _mean(ops.abs(expected - actual))
'''
PLAN = """
    Plan(
        "toy",
        "unet",
        "Ours",
        _one_phase(
            (Term("toy"),),
            image_shape=(512, 512),
            batch_size=8,
            epochs=200,
            ours=("losses", *_ALL_BUT_THE_LOSS),
        ),
    ),"""
LAYOUT = """
    "{toys,games}/N.jpg (nobody)": ("toys", "games"),"""
SUITE = '''"""Counts to three."""


def add_options(parser):
    """Adds the suite's options."""
    parser.add_argument("--steps", type=int, default=3)


def run(options):
    """Counts, and writes how far."""
    path = options.out / "toy.json"
    path.write_text(str(options.steps))
    return path
'''
RULE = """
  {
   "id": "v2.toy",
   "kind": "refused",
   "ops": ["CONV_2D"],
   "reason": "toys do not convolve",
   "instead": "another operation",
   "source": "parser: Convolution2DOperationParser",
   "evidence": [],
   "example": "from keras import Input, Model, layers\\nx = Input((8, 8, 4))\\nmodel = Model(x, layers.Conv2D(4, 3)(x))"
  },"""
FORMAT = '''"""Toy: how many files passed."""


def write(judged, policy) -> str:
    """The whole run as one number."""
    return f"toy: {sum(one.code == 0 for one in judged)} of {len(judged)}\\n"
'''
REPAIR = '''"""ZEROS_LIKE, which is a product."""

import numpy as np

from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    made = writer.add("MUL", [node.inputs[0], np.array(0, np.float32)], writer.graph.shape(node.outputs[0]))
    writer.deliver(made, node.outputs[0])


RECIPE = Recipe(
    name="toy",
    does="ZEROS_LIKE: MUL with 0",
    rules=("*.op", "*.op.shape"),
    ops=frozenset({"ZEROS_LIKE"}),
    rewrite=_rewrite,
)
'''
REPAIRED = """
    "toy": [one(OP.ZEROS_LIKE, [IMAGE], IMAGE, kept=options("ZerosLike"))],"""
# Recipe -> what it tells to write where: a new file, or the text after which something goes.
RECIPES = {
    "Add a loss": {
        "bokeh_tf/losses/pixels.py": [("    return _mean(ops.abs(expected - actual))\n", LOSS)],
        "bokeh_tf/losses/__init__.py": [("LOSSES = {", '\n    "toy": pixels.toy,')],
    },
    "Add a plan": {"bokeh_tf/training/plans/table.py": [("_ROWS = (", PLAN)]},
    "Add a data layout": {"bokeh_tf/data/pairs/layouts.py": [("_FOLDER_PAIRS = {", LAYOUT)]},
    "Add a suite": {
        "benchmarks/<name>.py": [(None, SUITE)],
        "benchmarks/suites.py": [
            ("from benchmarks import (", "\n    toy,"),
            ("SUITES = {", '\n    "toy": Suite("count", toy.add_options, toy.run),'),
        ],
    },
    "Add a delegate rule": {"bokeh_tf/delegate/rules/v2.json": [('"rules": [', RULE)]},
    "Add a repair": {
        "bokeh_tf/repairing/recipes/<name>.py": [(None, REPAIR)],
        "bokeh_tf/repairing/recipes/__init__.py": [
            ("    tile,\n", "    toy,\n"),
            ("RECIPES: tuple[Recipe, ...] = (", "\n    toy.RECIPE,"),
        ],
        "tests/repairing/cases.py": [("\nCASES = {", REPAIRED)],
    },
    "Add a report format": {
        "bokeh_tf/delegate/writers/<name>.py": [(None, FORMAT)],
        "bokeh_tf/delegate/writers/formats.py": [('FORMATS = ("text", ', '"toy", ')],
    },
}
# A recipe may leave the choice; here is what it names beyond what these steps chose.
CHOICES = {
    "Add a loss": {"bokeh_tf/losses/structure.py"},
}


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_names_every_file_to_edit(title):
    named = [name for name in files_to_edit(title) if name not in CHOICES.get(title, ())]
    assert named == list(RECIPES[title])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which all recipes were followed."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    for steps in RECIPES.values():
        follow(folder, steps)
    return folder


def test_an_added_loss_and_plan_keep_all_contracts(project):
    assert " toy" in run(project, "bokeh_tf", "train", "--help")
    shown = run(
        project,
        "pytest",
        "-q",
        "-k",
        "toy",
        "tests/losses/test_losses.py",
        "tests/training/test_plans.py",
    )
    assert "passed" in shown


def test_an_added_layout_is_recognised(project, tmp_path):
    for name in ("toys", "games"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.jpg"), np.full((32, 48, 3), 128, np.uint8))
    report = json.loads(run(project, "bokeh_tf", "data", "inspect", tmp_path, "--json"))
    assert "(nobody)" in json.dumps(report)


def test_an_added_suite_runs(project, tmp_path):
    assert "count" in run(project, "benchmarks", "--help")
    assert (
        run(project, "benchmarks", "toy", "--out", tmp_path)
        == f"written: {tmp_path / 'toy.json'}\n"
    )


def test_an_added_rule_is_explained_and_finds_its_nodes(project):
    assert "toys do not convolve" in run(project, "bokeh_tf", "check", "--explain", "v2.toy")
    [model] = (project / "bokeh_tf" / "weights").glob("dbsi_mobile_base_*.tflite")
    shown = run(project, "bokeh_tf", "check", model, "--no-probe", "--target", "v2", status=3)
    assert "toys do not convolve" in shown


def test_an_added_format_is_one_of_the_command(project, tiny_convolution):
    options = ("--no-probe", "--target", "mldrift", "--format", "toy")
    assert run(project, "bokeh_tf", "check", tiny_convolution, *options) == "toy: 1 of 1\n"


def test_an_added_repair_is_proved_by_the_tests_of_all(project):
    assert "\ntoy\n" in run(project, "bokeh_tf", "repair", "--list")
    shown = run(project, "pytest", "-q", "-k", "toy", "tests/repairing/test_repair_recipes.py")
    assert "2 passed" in shown

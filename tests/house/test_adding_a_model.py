"""WORKSPACE.md, "Add a model", followed to the letter in a copy of the project."""

import re

import pytest

from tests.house.recipes import copy_project, files_to_edit, follow, recipe, run

MODEL = '''"""Toy: one convolution.

Input: images `[B, H, W, 3]` in [0, 1]. Output: "rendered" `[B, H, W, 3]` in [0, 1].
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import image_input


@dataclass(frozen=True)
class Config:
    """Size of the convolution."""

    # Side of the kernel, odd.
    kernel_size: int = 5


VARIANTS = {"base": Config(), "tiny": Config(kernel_size=3)}


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=2)

    # Network.
    hidden = layers.Conv2D(8, config.kernel_size, padding="same", activation="relu", name="hidden")(image)

    # Output.
    rendered = layers.Conv2D(3, 1, activation="sigmoid", name="rendered")(hidden)
    return keras.Model(image, rendered, name="toy")
'''
ENTRY = """
    Entry("toy", "Toy", "nobody", ("nowhere",), "ours", _variants()),"""
DIAGRAM = """
    "toy": Drawing(
        "Toy",
        "One convolution.",
        ("1",),
        {"photo": _data(0, 0, "photo"), "rendered": _data(1, 0, "rendered")},
        chain("photo > rendered"),
    ),"""
FACT = """
    ("toy", "base"): Fact(5 * 5 * 3 * 8 + 8 + 8 * 3 + 3),"""
# What is written where: a new file, or the line after which it goes.
STEPS = {
    "bokeh_tf/models/<name>.py": [(None, MODEL)],
    "bokeh_tf/models/__init__.py": [("MODELS = (", '\n    "toy",')],
    "bokeh_tf/models/catalogue.py": [("ENTRIES = (", ENTRY)],
    "export/zoo/diagrams.py": [("DIAGRAMS = {", DIAGRAM)],
    "tests/models/zoo_facts.py": [("FACTS = {", FACT)],
}


def test_the_paragraph_names_every_file_to_edit():
    assert files_to_edit("Add a model") == list(STEPS)
    assert "`python -m export.zoo --docs`" in recipe("Add a model")


@pytest.mark.slow
def test_a_model_added_by_the_paragraph_keeps_all_contracts(tmp_path):
    copy_project(tmp_path)
    follow(tmp_path, STEPS)
    run(tmp_path, "export.zoo", "--docs")
    page = (tmp_path / "docs" / "models.md").read_text(encoding="utf-8")
    assert "## toy" in page and (tmp_path / "docs" / "models" / "toy.svg").is_file()
    assert re.search(r"^toy +base", run(tmp_path, "bokeh_tf", "models"), re.MULTILINE)
    tests = (
        "tests/models/test_models.py",
        "tests/models/test_zoo.py",
        "tests/models/test_catalogue.py",
        "tests/export/test_model_page.py",
    )
    # What the classic engine says of a model is in its measured row, where somebody has that engine.
    chosen = "(toy or catalogue or page) and not classic_engine"
    shown = run(tmp_path, "pytest", "-q", "-m", "not gpu", "-k", chosen, *tests)
    passed = int(re.search(r"(\d+) passed", shown)[1])
    assert passed > 20 and "failed" not in shown

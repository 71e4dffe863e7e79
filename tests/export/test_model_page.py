"""The page about the models and its drawings: current, well-formed, and readable."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bokeh_tf import models
from export.zoo import page
from export.zoo.drawing import Arrow, Box, Drawing, chain, problems, to_svg

SVG = "{http://www.w3.org/2000/svg}"
REGENERATE = "stale, run: python -m export.zoo --docs"
# Web Content Accessibility Guidelines 2.1, 1.4.3: small text.
LEAST_CONTRAST = 4.5


def test_the_page_and_its_drawings_are_current():
    expected = page.files()
    for name, text in expected.items():
        assert (page.FOLDER / name).read_text(encoding="utf-8") == text, (
            f"docs/{name} is {REGENERATE}"
        )
    drawn = {f"models/{path.name}" for path in (page.FOLDER / "models").iterdir()}
    assert drawn == set(expected) - {page.NAME}


def test_a_change_of_the_numbers_makes_the_page_stale():
    row = {
        "parameters": 1234,
        "macs": {"1024x1536": 5e9, "512x768": None},
        "float16_bytes": 4321,
        "lint": {target: {"verdict": "compatible"} for target in ("v2", "mldrift")},
        "memory": {"peak_bytes": 7e6},
        "warnings": ["a warning | of two"],
        "probe": {
            "verdict": "full",
            "errors": {"float32": {"max_error": 1.2e-6}, "default": {"max_error": 0.5}},
        },
        "classic_gl": {"verdict": "refused", "psnr_db": None, "reasons": ["no shader"]},
        "reasons": [],
    }
    text = page.files({("unet", "tiny"): row})["models.md"]
    assert (
        "| unet | tiny | 1,234 | 1024x1536 | 5.0 | - | 0.0 MB | 7 MB | full | full | full | refused"
        " | 1e-06 | 0.5 |" in text
    )
    assert "- unet.tiny: classic engine on OpenGL: no shader" in text
    assert "- unet.tiny: a warning \\| of two" in text
    assert text != page.files({})["models.md"]


def test_tables_have_as_many_cells_in_every_row():
    counts = {}
    for line in page.files()["models.md"].splitlines():
        if line.startswith("|"):
            counts.setdefault(line.split("|")[1].strip() == "---", []).append(
                len(re.findall(r"(?<!\\)\|", line))
            )
    assert len(set(counts[True])) == 2 and set(counts[False]) == set(counts[True])


def test_every_model_has_a_drawing():
    assert set(page.DRAWINGS) == set(models.MODELS)


@pytest.mark.parametrize("name", sorted(page.DRAWINGS))
def test_drawings_are_readable(name):
    drawing = page.DRAWINGS[name]
    assert problems(drawing) == []
    root = ElementTree.fromstring(to_svg(drawing))
    assert root.find(f"{SVG}title").text == drawing.title and root.get("role") == "img"
    shown = {text.text for text in root.iter(f"{SVG}text")}
    assert {box.label for box in drawing.boxes.values()} <= shown
    joined = {name for arrow in drawing.arrows for name in (arrow.start, arrow.end)}
    assert joined == set(drawing.boxes), "every box is joined to another one"


def luminance(colour):
    linear = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in linear
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_contrast_wherever_the_drawing_lies():
    svg = to_svg(page.DRAWINGS["defocus"])
    # The card is opaque and covers the whole drawing, so that the page's own
    # colour does not matter.
    fills = set(re.findall(r'<rect [^>]*fill="(#\w+)"', svg))
    inks = set(re.findall(r'<text [^>]*fill="(#\w+)"', svg))
    assert len(fills) == 5 and len(inks) == 2
    for fill in fills:
        for ink in inks:
            assert (luminance(fill) + 0.05) / (luminance(ink) + 0.05) >= LEAST_CONTRAST


def drawing_of(boxes, arrows=()):
    return Drawing("a < b & 'c'", '"caption" </desc>', ("1", "1/2"), boxes, tuple(arrows))


def test_texts_are_escaped():
    root = ElementTree.fromstring(to_svg(drawing_of({"a": Box(0, 0, "<b>&", "]]>")})))
    assert root.find(f"{SVG}title").text == "a < b & 'c'"
    assert root.find(f"{SVG}desc").text == '"caption" </desc>'
    assert "<b>&" in [text.text for text in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("boxes", "arrows", "problem"),
    [
        ({"a": Box(0, 0, "a label of many words")}, [], "does not fit"),
        ({"a": Box(0, 0, "a"), "b": Box(0.5, 0, "b")}, [], "a and b overlap"),
        (
            {"a": Box(0, 0, "a"), "b": Box(1, 0, "b"), "c": Box(2, 0, "c")},
            [Arrow("a", "c")],
            "from a to c runs through b",
        ),
        (
            {"a": Box(0, 0, "a"), "b": Box(0, 1, "b"), "c": Box(1, 1, "c"), "d": Box(2, 2, "d")},
            [Arrow("a", "d", down_first=True)],
            "from a to d runs through b",
        ),
    ],
)
def test_what_a_reader_would_stumble_over_is_found(boxes, arrows, problem):
    found = problems(drawing_of(boxes, arrows))
    assert found and problem in found[0]


def test_chains_of_arrows():
    assert chain("a > b ~ c; a ~^ c") == (
        Arrow("a", "b"),
        Arrow("b", "c", is_skip=True),
        Arrow("a", "c", is_skip=True, down_first=True),
    )
    with pytest.raises(ValueError, match="Received: '->'"):
        chain("a -> b")


def test_writing_makes_the_folders(tmp_path):
    paths = page.write(tmp_path / "docs – 文書")
    assert len(paths) == len(models.MODELS) + 1 and all(
        isinstance(path, Path) and path.is_file() for path in paths
    )

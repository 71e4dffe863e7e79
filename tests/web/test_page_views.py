"""Outputs that are no picture: what the page is told of them, and what it makes of their values."""

import colorsys
import json

import numpy as np
import pytest

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.associated_files import with_files
from bokeh_tf.tflite.output_labels import output_labels
from bokeh_tf.tflite.subject import subject_of
from bokeh_tf.web.site import site
from tests.delegate.rules.mldrift_graphs import OP, Graph, one, options
from tests.web.segmentation import NAMES, segmentation
from tests.web.test_page_picture import PAGE, run_in_node

# All of the canvas is of the photo but its first and last column.
PLACEMENT = {"canvasHeight": 4, "canvasWidth": 8, "top": 0, "left": 1, "height": 4, "width": 6}
MAP = {"height": 4, "width": 8, "labels": None}


def told(content, **ranges):
    """What the page knows of a file."""
    return json.loads(site(content, runtime={}, **ranges)["facts.json"])


def shown(*outputs, colours=()):
    """Views of (values, port), and the colours of some classes."""
    lists = [
        {
            "values": [None if np.isnan(value) else float(value) for value in np.ravel(values)],
            "type": "float32" if np.asarray(values).dtype.kind == "f" else "int32",
            "port": port,
        }
        for values, port in outputs
    ]
    asked = {
        "outputs": lists,
        "placement": PLACEMENT,
        "colours": [None if np.isnan(index) else index for index in colours],
    }
    answer = json.loads(run_in_node("views_in_node.mjs", PAGE, standard_input=json.dumps(asked)))
    return answer["views"], np.asarray(answer["colours"])


def image_of(view):
    image = view["image"]
    return np.reshape(image["values"], (image["height"], image["width"], image["channels"]))


def texts_of(view):
    return [entry["text"] for entry in view["entries"]]


def test_outputs_are_told_by_what_they_are():
    facts = told(segmentation(), input_range=(0, 1))
    assert facts["picture"] is None and facts["canvas"]["height"] == 64
    scores, red, means = facts["views"]
    assert (scores["kind"], scores["channels"]) == ("classes", 4)
    assert scores["labels"] == list(NAMES) and not scores["mayBePicture"]
    assert (red["kind"], red["labels"]) == ("grey", None)
    assert (means["kind"], means["size"]) == ("numbers", 3)


def test_the_range_of_the_photo_is_still_asked_for():
    with pytest.raises(ModelFileError, match="--input-range 0 1"):
        site(segmentation(), runtime={})


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((1, 32, 48, 3), np.float32, "classes"),
        ((1, 32, 48, 1), np.int32, "classes"),
        ((1, 32, 48), np.float32, "grey"),  # the photo's proportions
        ((1, 32, 49), np.float32, "numbers"),  # a list, such as of boxes
        ((32, 48), np.float32, "grey"),
        ((32, 48), np.int32, "classes"),
        ((32, 49), np.float32, "numbers"),
        ((2, 32, 48), np.float32, "numbers"),
        ((2, 32, 48, 1), np.float32, "numbers"),
        ((1, 10), np.float32, "numbers"),
    ],
    ids=str,
)
def test_shapes_and_types_decide_what_an_output_is(shape, dtype, kind):
    graph = Graph()
    photo = graph.input((1, 64, 96, 3))
    output = graph.node(OP.ABS, [photo], shape, dtype=dtype, kept=options("Abs"))
    [view] = told(graph.file(output), input_range=(0, 1))["views"]
    assert view["kind"] == kind
    assert view.get("mayBePicture", False) == (shape[-1] == 3)


def test_a_picture_is_still_the_page_of_a_picture_and_is_beside_maps_one_of_the_outputs():
    graph = Graph()
    photo = graph.input((1, 64, 96, 3))
    output, depth, classes = (
        graph.node(OP.ABS, [photo], shape, kept=options("Abs"))
        for shape in ((1, 64, 96, 3), (1, 32, 48, 1), (1, 32, 48, 9))
    )
    ranges = {"input_range": (0, 1), "output_range": (-1, 1)}
    facts = told(graph.file(output, depth), **ranges)
    assert facts["views"] == [] and facts["picture"]["low"] == -1 and facts["map"]["height"] == 32
    facts = told(graph.file(output, depth, classes), **ranges)
    assert [view["kind"] for view in facts["views"]] == ["picture", "grey", "classes"]
    assert facts["views"][0]["low"] == -1 and facts["picture"] is None


def test_one_channel_that_the_file_has_names_for_is_of_classes():
    scores, red, _ = told(segmentation(of="red"), input_range=(0, 1))["views"]
    assert scores["labels"] is None
    assert (red["kind"], red["channels"], red["labels"]) == ("classes", 1, list(NAMES))


def test_the_weight_of_a_blend_is_of_floats_without_names():
    ranges = {"input_range": (0, 1), "output_range": (0, 1)}
    for dtype, is_blend in ((np.float32, True), (np.int32, False)):
        graph = Graph()
        photo = graph.input((1, 64, 96, 3))
        outputs = [
            graph.node(OP.ABS, [photo], shape, dtype=kind, kept=options("Abs"))
            for shape, kind in (((1, 64, 96, 3), np.float32), ((1, 64, 96, 1), dtype))
        ]
        names = [f"t{output}" for output in outputs]
        for order in (outputs, outputs[::-1]):
            facts = told(graph.file(*order), **ranges)
            assert facts["isBlend"] == is_blend
            if is_blend:
                assert [facts["picture"]["name"], facts["map"]["name"]] == names
            else:
                assert {view["kind"] for view in facts["views"]} == {"picture", "classes"}


def test_damaged_names_do_not_keep_a_page_from_being_made():
    content = segmentation()
    at = content.index(b"M001") - 4
    damaged = content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :]
    views = told(damaged, input_range=(0, 1))["views"]
    assert [view["labels"] for view in views] == [None] * 3
    assert all("metadata is damaged" in view["note"] for view in views)
    values = np.zeros((4, 8, 1), np.float32)
    port = {**MAP, "kind": "grey", "channels": 1, "note": views[1]["note"]}
    [view], _ = shown((values, port))
    assert view["caption"] == f"0 everywhere. {views[1]['note']}"


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("a\r\nb\r\n", ("a", "b")),
        ("a\n\nb", ("a", "", "b")),
        ("a\nb\n \n", ("a", "b", "")),  # the blank name of the last class
        ("a\u2028x\nb\x85y\nc\x0bz\n", ("a\\u2028x", "b\\x85y", "c\\x0bz")),
        ("", None),
    ],
    ids=ascii,
)
def test_each_line_of_a_list_is_one_name(lines, names):
    content = segmentation()
    bare = content[: content.rindex(b"PK\x03\x04")]
    assert output_labels(subject_of(with_files(bare, {"labels.txt": lines.encode()})))[0] == names


def test_labels_that_are_not_there_or_damaged():
    without = one(OP.ABS, [(1, 4, 4, 3)], (1, 4, 4, 3), kept=options("Abs"))
    assert output_labels(subject_of(without)) == (None,)
    assert output_labels(subject_of(segmentation())) == (NAMES, None, None)
    assert output_labels(subject_of(segmentation(["a\x1b[1m", "b" * 999])))[0] == (
        "a\\x1b[1m",
        "b" * 59 + "…",
    )
    content = segmentation()
    at = content.index(b"M001") - 4
    damaged = content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :]
    with pytest.raises(ModelFileError, match="an offset points outside"):
        output_labels(subject_of(damaged, label="net.tflite"))


def test_one_channel_is_grey_from_its_own_smallest_to_its_largest():
    values = (np.arange(32, dtype=np.float32).reshape(4, 8, 1) - 5) / 2
    values[:, [0, 7]] = 1000  # beside the photo
    broken = values.copy()
    broken[0, 1:3, 0] = np.nan
    port = {**MAP, "kind": "grey", "channels": 1}
    views, _ = shown(
        (values, port), (broken, port), (values * 0 + 2, port), (values * np.nan, port)
    )
    inner = values[:, 1:7]
    expected = (inner - inner.min()) / (inner.max() - inner.min())
    assert np.abs(image_of(views[0]) - expected).max() < 1e-6
    assert views[0]["caption"] == "Black is -2, white is 12.5."
    assert views[1]["caption"] == "Black is -1, white is 12.5."
    assert (image_of(views[1])[0, :2] == 0).all() and image_of(views[1]).max() == 1
    assert views[2]["caption"] == "2 everywhere." and (image_of(views[2]) == 0).all()
    assert views[3]["caption"] == "No value is a finite number."


def test_channels_are_classes_the_likeliest_of_each_pixel():
    random = np.random.default_rng(0)
    scores = random.normal(size=(4, 8, 5)).astype(np.float32)
    scores[0, 1] = 7  # all alike: the first
    names = ["sky", "tree", "road", "car", "dog"]
    port = {**MAP, "kind": "classes", "channels": 5, "mayBePicture": False}
    views, colours = shown(
        (scores, {**port, "labels": names}),
        (scores, {**port, "labels": names[:4]}),
        colours=range(5),
    )
    chosen = np.argmax(scores, axis=-1)[:, 1:7]
    assert np.abs(image_of(views[0]) - colours[chosen]).max() < 1e-6
    counts = np.bincount(chosen.ravel(), minlength=5)
    assert sorted(texts_of(views[0])) == sorted(
        f"{name}, {int(100 * count / 24 + 0.5)} %"
        for name, count in zip(names, counts, strict=True)
    )
    shares = [int(text.split(", ")[1].split()[0]) for text in texts_of(views[0])]
    assert shares == sorted(shares, reverse=True)
    assert all(
        np.allclose(entry["colour"], colours[names.index(entry["text"].split(",")[0])])
        for entry in views[0]["entries"]
    )
    # Four names do not say which of five channels they are of.
    assert {text.split(",")[0] for text in texts_of(views[1])} == set("01234")


def test_pixels_without_a_number_are_no_class():
    scores = np.zeros((4, 8, 3), np.float32)
    scores[:, :3, 1] = 2
    scores[:, 3:] = [np.nan, -5, -3e38]  # the likeliest of those that are numbers
    scores[:, 4:] = np.nan
    named = {**MAP, "kind": "classes", "channels": 3, "labels": ["sky", "", "car"]}
    one_channel = {**MAP, "kind": "classes", "channels": 1}
    views, colours = shown(
        (scores, named), (scores[..., 1:2] * np.nan, one_channel), colours=[*range(256), np.nan]
    )
    assert texts_of(views[0]) == ["1, 50 %", "no number, 50 %"]
    assert (image_of(views[0])[:, 3:] == colours[-1]).all()
    assert np.allclose(image_of(views[0])[:, :3], colours[1])
    assert texts_of(views[1]) == ["no number, 100 %"]
    assert not (colours[:-1] == colours[-1]).all(axis=1).any()


def test_floats_of_one_channel_are_classes_where_all_are_whole_numbers():
    grey = {**MAP, "kind": "grey", "channels": 1}
    whole = np.arange(32.0).reshape(4, 8, 1) // 8
    holed, broken = whole.copy(), whole.copy()
    holed[1, 1:3], broken[3, 2] = np.nan, 0.5
    large = np.arange(640.0).reshape(16, 40, 1)
    wide = {**grey, "height": 16, "width": 40}
    views, _ = shown(
        (whole, grey),
        (holed, grey),
        (broken, grey),
        (whole * 0 + 3, grey),
        (large, wide),
        (large % 200, wide),
        (broken, {**grey, "kind": "classes", "labels": ["a", "b"]}),
        (whole * 1e6, grey),
    )
    kinds = [view["kind"] for view in views]
    assert kinds == ["classes", "classes", "grey", "grey", "grey", "classes", "grey", "grey"]
    assert texts_of(views[0]) == ["0, 25 %", "1, 25 %", "2, 25 %", "3, 25 %"]
    assert "no number, 8 %" in texts_of(views[1])


def test_numbers_of_classes_have_names_by_their_value_and_many_are_counted_together():
    values = np.arange(32).reshape(4, 8, 1) // 8 * 3
    many = np.arange(32).reshape(4, 8, 1)
    port = {**MAP, "kind": "classes", "channels": 1, "mayBePicture": False}
    views, _ = shown((values, {**port, "labels": ["ground", "a", "b", "wall"]}), (many, port))
    assert texts_of(views[0]) == ["ground, 25 %", "wall, 25 %", "6, 25 %", "9, 25 %"]
    assert len(views[1]["entries"]) == 13 and texts_of(views[1])[-1] == "12 more, 50 %"
    assert views[1]["entries"][-1]["colour"] is None


def test_a_picture_is_scaled_and_what_may_be_one_says_so():
    values = np.linspace(-1, 1, 96).reshape(4, 8, 3)
    port = {**MAP, "channels": 3}
    views, _ = shown(
        (values, {**port, "kind": "picture", "low": -1, "high": 1}),
        (values, {**port, "kind": "classes", "mayBePicture": True}),
    )
    assert np.abs(image_of(views[0]) - (values[:, 1:7] + 1) / 2).max() < 1e-6
    assert "--output-range" in views[1]["caption"] and texts_of(views[1]) == ["2, 100 %"]


def test_vectors_are_their_numbers_or_the_largest_of_them():
    few, many = np.asarray([0.25, -3, 12345.678]), np.sin(np.arange(1000))
    port = {"kind": "numbers", "labels": None}
    names = [f"n{index}" for index in range(1000)]
    gaps = many.copy()
    gaps[::3], gaps[1::3] = np.nan, np.rint(9 * gaps[1::3])
    views, _ = shown((few, port), (many, {**port, "labels": names}), (gaps, port))
    assert views[0]["image"] is None and texts_of(views[0]) == ["0: 0.25", "1: -3", "2: 12350"]
    best = np.argsort(-many, kind="stable")[:5]
    assert texts_of(views[1]) == [f"n{index}: {float(f'{many[index]:.4g}'):g}" for index in best]
    assert "1000 numbers" in views[1]["caption"]
    # Of equal ones the first come first; NaN is sorted last.
    best = np.argsort(-gaps, kind="stable")[:5]
    expected = [f"{index}: {gaps[index]:g}" for index in best]
    assert texts_of(views[2]) == [*expected, "no number: 334 of them"]


def test_colours_of_classes_differ_and_are_hues_as_css_has_them():
    _, colours = shown(colours=[*range(256), -7])
    assert colours.min() >= 0 and colours.max() <= 1
    assert len({tuple(np.rint(255 * colour)) for colour in colours}) == 257
    lightness = [0.35, 0.55, 0.75][100 % 3]
    expected = colorsys.hls_to_rgb(100 * 137.508 / 360 % 1, lightness, 0.65)
    assert np.abs(colours[100] - expected).max() < 1e-6

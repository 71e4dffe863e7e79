"""The picture that the page downloads, computed by node, against the one of `bokeh_tf.rendering`."""

import dataclasses
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from bokeh_tf.rendering.composite import composite
from bokeh_tf.rendering.geometry import place, to_canvas

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "bokeh_tf" / "web" / "page"
TIMEOUT_S = 600


def run_in_node(script, *arguments, standard_input=None):
    """What a script beside this file prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here")
    done = subprocess.run(
        [node, str(HERE / script), *map(str, arguments)],
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_node(folder, photo, canvas, rendered, weight):
    """(placement, what the model sees, picture) as the page makes them."""
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    arrays = {"photo": opaque, "canvas": canvas, "rendered": rendered, "weight": weight}
    for name, array in arrays.items():
        (folder / name).write_bytes(np.ascontiguousarray(array).tobytes())
    sizes = {"photo": photo.shape[:2], "canvas": canvas.shape[:2]}
    (folder / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")
    run_in_node("composite_in_node.mjs", folder, PAGE)
    seen = np.frombuffer((folder / "seen").read_bytes(), np.float32).reshape(canvas.shape)
    picture = np.frombuffer((folder / "picture").read_bytes(), np.uint8).reshape(opaque.shape)
    assert (picture[..., 3] == 255).all()
    return json.loads((folder / "placement.json").read_text()), seen, picture[..., :3]


def made(height, width, canvas_height, canvas_width):
    """A photo with edges and noise, and what a model could have made of it."""
    random = np.random.default_rng([height, width])
    coarse = random.integers(0, 256, (7, 9, 3), np.uint8)
    photo = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.circle(photo, (width // 2, height // 2), min(height, width) // 4, (250, 240, 20), -1)
    noise = random.integers(-9, 10, photo.shape)
    photo = np.clip(photo + noise, 0, 255).astype(np.uint8)
    placement = place(height, width, canvas_height, canvas_width)
    canvas = to_canvas(photo, placement)
    weight = np.zeros((canvas_height, canvas_width), np.float32)
    centre, radius = (canvas_width // 2, canvas_height // 2), canvas_height // 4
    cv2.circle(weight, centre, radius, 1.0, -1)
    weight = cv2.blur(weight, (5, 5))
    rendered = weight[..., None] * canvas + (1 - weight[..., None]) * cv2.blur(canvas, (15, 15))
    return photo, placement, canvas, rendered, weight


@pytest.mark.parametrize(
    ("photo_size", "canvas_size"),
    [
        ((241, 363), (64, 96)),  # along the photo's edges
        ((300, 190), (64, 96)),  # upright: the rest of the canvas mirrors it
        ((90, 100), (64, 96)),  # too little larger to have edges of its own
        ((33, 45), (64, 96)),  # smaller than the canvas
        ((40, 200), (64, 96)),  # smaller one way, larger the other
    ],
    ids=str,
)
def test_the_page_composites_as_rendering_does(photo_size, canvas_size, tmp_path):
    photo, placement, canvas, rendered, weight = made(*photo_size, *canvas_size)
    told, seen, picture = in_node(tmp_path, photo, canvas, rendered, weight)
    assert list(told.values()) == list(dataclasses.asdict(placement).values())
    assert np.abs(seen - canvas).max() < 1.5 / 255
    crops = [np.ascontiguousarray(placement.crop(one)) for one in (canvas, rendered, weight)]
    expected = composite(photo, *crops)
    assert np.abs(picture.astype(int) - expected).max() <= 1
    # It is a picture: neither the photo nor its blur alone.
    assert np.abs(picture.astype(int) - photo).max() > 20


def test_what_is_sharp_is_the_photo_to_the_last_bit(tmp_path):
    photo, _, canvas, rendered, weight = made(241, 363, 64, 96)
    _, _, picture = in_node(tmp_path, photo, canvas, canvas, np.ones_like(weight))
    assert np.array_equal(picture, photo)
    assert rendered is not canvas


def test_photos_of_any_size_lie_where_rendering_puts_them():
    halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 190.5, 254.5]
    values = [*halves, -0.75, -0.25, 0.0, 0.25, 0.49999999999999994, 0.75, 1.0, 254.75]
    photos = [*itertools.product(range(8, 4097, 125), repeat=2), (508, 4096), (4096, 508)]
    sizes = [(*photo, *canvas) for photo in photos for canvas in ((1024, 1536), (768, 512))]
    asked = json.dumps({"values": values, "sizes": sizes, "crops": []})
    told = json.loads(run_in_node("placing_in_node.mjs", PAGE, standard_input=asked))
    assert told["rounded"] == np.rint(values).tolist()
    expected = [list(dataclasses.astuple(place(*size))) for size in sizes]
    assert told["placements"] == expected
    assert place(508, 4096, 1024, 1536).height == 190


def test_of_a_coarse_map_at_least_one_pixel_inside_it_is_of_the_photo():
    long, high = (100, 1000), (1000, 100)
    cases = [
        (long, (256, 256), (4, 4), (2, 0, 1, 4)),
        (high, (256, 256), (4, 4), (0, 2, 4, 1)),
        (long, (256, 256), (1, 8), (0, 0, 1, 8)),
        (long, (256, 256), (2, 2), (1, 0, 1, 2)),
        ((90, 4096), (256, 256), (5, 5), (2, 0, 1, 5)),
        (long, (256, 256), (256, 256), (115, 0, 26, 256)),
    ]
    crops = [{"photo": photo, "canvas": canvas, "map": map_} for photo, canvas, map_, _ in cases]
    asked = json.dumps({"values": [], "sizes": [], "crops": crops})
    parts = json.loads(run_in_node("placing_in_node.mjs", PAGE, standard_input=asked))["parts"]
    for part, (_, _, (rows, columns), (top, left, height, width)) in zip(parts, cases, strict=True):
        pixels = np.arange(rows * columns).reshape(rows, columns)
        expected = pixels[top : top + height, left : left + width]
        assert (part["height"], part["width"]) == expected.shape == (height, width)
        assert part["values"] == expected.ravel().tolist()

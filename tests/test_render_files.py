"""`render_files`: many photos, good and bad, to names that overwrite nothing; memory and interruption."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bokeh_tf.errors import ModelFileError, OutputError
from bokeh_tf.rendering import ModelOutput, render_files

MEMORY_LIMIT_KIB = 2_000_000_000 // 1024


class Negative:
    """A model whose rendering nobody takes for the photo: its negative."""

    name = "negative"

    def canvas_size(self, photo_height, photo_width):
        return 32, 48

    def run(self, canvas):
        return ModelOutput(1 - canvas, np.zeros(canvas.shape[:2], np.float32))


def photo(path, value=60, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def value(path):
    with Image.open(path) as image:
        return round(np.asarray(image.convert("L")).mean())


def test_folders_and_photos_to_a_folder(tmp_path, capfd):
    first, second = photo(tmp_path / "in" / "a.JPG"), photo(tmp_path / "in" / "b.png", 100)
    photo(tmp_path / "in" / "deeper" / "c.png")
    photo(tmp_path / "in" / ".hidden.png")
    (tmp_path / "in" / "notes.txt").write_text("not a photo")
    out = tmp_path / "new" / "out"
    assert render_files([tmp_path / "in", str(second)], output=out, model=Negative()) == 0
    assert names(out) == ["a.JPG", "b.png"]
    assert value(out / "b.png") == 155
    assert value(first) == 60
    stdout, stderr = capfd.readouterr()
    assert len(stdout.splitlines()) == 2
    assert stderr == ""


def test_one_photo_to_a_file_name_of_another_format(tmp_path):
    source, target = photo(tmp_path / "a.png"), tmp_path / "out" / "größer.webp"
    assert render_files([source], output=target, model=Negative()) == 0
    with Image.open(target) as image:
        assert image.format == "WEBP"
    render_files([source], output=target, model=Negative(), compare=True)
    assert names(target.parent) == ["größer.webp", "größer_compare.webp"]


def test_the_suffix_follows_the_format_inside(tmp_path):
    photo(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    photo(tmp_path / "b.png").rename(tmp_path / "version 1.2")
    assert render_files([tmp_path / "a.jpg", tmp_path / "version 1.2"], output=tmp_path / "out", model=Negative()) == 0
    assert names(tmp_path / "out") == ["a.png", "version 1.2.png"]


def test_no_photo_and_no_other_result_is_overwritten(tmp_path):
    sources = [photo(tmp_path / folder / "a.png", shade) for folder, shade in (("x", 10), ("y", 20), ("z", 30))]
    sources += [photo(tmp_path / "x" / "A.png", 40), photo(tmp_path / "y" / "a_bokeh.png", 50)]
    assert render_files(sources, output=tmp_path / "x", model=Negative()) == 0
    assert [value(source) for source in sources] == [10, 20, 30, 40, 50]
    results = {name: value(tmp_path / "x" / name) for name in names(tmp_path / "x")}
    assert sorted(results.values()) == [10, 40, 205, 215, 225, 235, 245]
    assert results["a_bokeh.png"] == 245
    assert len({name.casefold() for name in results if value(tmp_path / "x" / name) > 200}) == 5


def test_links_to_the_photo_do_not_fool_it(tmp_path):
    source = photo(tmp_path / "in" / "a.png")
    for make_link in (os.link, os.symlink):
        link = tmp_path / make_link.__name__ / "a.png"
        link.parent.mkdir()
        make_link(source, link)
        assert render_files([source], output=link, model=Negative()) == 1
        assert render_files([source], output=link.parent, model=Negative()) == 0
        assert names(link.parent) == ["a.png", "a_bokeh.png"]
    assert render_files([source], output=source, model=Negative()) == 1
    assert value(source) == 60


def test_bad_photos_have_one_line_each_and_the_others_are_done(tmp_path, capfd):
    good = photo(tmp_path / "good.png")
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "no_photos").mkdir()
    bad = [tmp_path / name for name in ("text.jpg", "empty.png", "missing.jpg", "no_photos")]
    assert render_files([*bad, good], output=tmp_path / "out", model=Negative()) == 4
    assert names(tmp_path / "out") == ["good.png"]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(any(path.name in line for line in lines) for path in bad)


def test_comparison_shows_before_after_and_weight(tmp_path):
    source = photo(tmp_path / "a.png", 60, size=(40, 30))
    assert render_files([source], output=tmp_path / "out", model=Negative(), compare=True) == 0
    with Image.open(tmp_path / "out" / "a_compare.png") as image:
        panels = np.asarray(image)
    assert panels.shape == (30, 3 * 40 + 2 * 16, 3)
    assert (panels[15, 20, 0], panels[15, 76, 0], panels[15, 132, 0]) == (60, 195, 0)


def test_notes_are_told(tmp_path, capfd):
    Image.new("CMYK", (40, 30)).save(tmp_path / "a.jpg")
    assert render_files([tmp_path / "a.jpg"], output=tmp_path / "out", model=Negative()) == 0
    assert "converted to sRGB" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("photos", "output", "reason"),
    [
        (["a.png", "b.png"], "out.png", "need a folder"),
        (["."], "out.png", "need a folder"),
        (["a.png"], "out.gif", "Known suffixes"),
        (["a.png"], "b.png/out", "cannot create"),
    ],
)
def test_unusable_outputs(tmp_path, monkeypatch, photos, output, reason):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    with pytest.raises(OutputError, match=reason):
        render_files(photos, output=output, model=Negative())


def test_unknown_model(tmp_path):
    with pytest.raises(ModelFileError, match="Known models"):
        render_files([photo(tmp_path / "a.png")], output=tmp_path / "out", model="no_such_model")


def test_interruption_leaves_nothing_half_written(tmp_path):
    pixels = np.random.default_rng(5).integers(0, 255, (700, 900, 3), np.uint8)
    for index in range(40):
        cv2.imwrite(str(tmp_path / f"{index:02}.png"), pixels)
    program = (
        "import signal, sys; sys.path.insert(0, sys.argv[1]); from test_render_files import *; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "render_files([sys.argv[2]], output=sys.argv[3], model=Negative())"
    )
    out = tmp_path / "out"
    arguments = map(str, [Path(__file__).parent, tmp_path, out])
    child = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE)
    while child.poll() is None and not (out / "00.png").exists():
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in child.communicate()[1]
    assert 1 <= len(names(out)) < 40
    for path in out.iterdir():
        with Image.open(path) as image:
            image.load()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_48_megapixels_in_2_gigabytes(tmp_path, tiny_tflite, suffix):
    # Not getrusage: its peak starts with that of the process that forked, here all of the test run's.
    def graph(image):
        import keras

        hidden = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
        return [keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid")(hidden), hidden[..., :1]]

    model = tiny_tflite("large", graph, image_shape=(1024, 1536))
    rows, columns = np.mgrid[:6000, :8000].astype(np.uint16)
    pixels = np.dstack([rows * 8, columns * 8, rows * 3 + columns * 5])
    cv2.imwrite(str(tmp_path / f"large{suffix}"), pixels if suffix != ".jpg" else (pixels >> 8).astype(np.uint8))
    program = (
        "import sys; from bokeh_tf.rendering import render_files; "
        "failures = render_files([sys.argv[1]], output=sys.argv[2], model=sys.argv[3], compare=True); "
        "peak, = (line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')); "
        "print('peak', peak); sys.exit(failures)"
    )
    arguments = [tmp_path / f"large{suffix}", tmp_path / "out", model]
    child = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    assert int(child.stdout.split("peak")[1]) < MEMORY_LIMIT_KIB
    with Image.open(tmp_path / "out" / f"large{suffix}") as image:
        assert image.size == (8000, 6000)

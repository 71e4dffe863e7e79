"""`render_files`: many photos to names that overwrite nothing, in runs at the same time and
interrupted ones too; memory.
"""

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

from bokeh_tf.rendering import render_files
from tests.rendering.negatives import Negative, names, photo

MEMORY_LIMIT_KIB = 2_000_000_000 // 1024


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
    left_out, *lines = stdout.splitlines()
    assert left_out.endswith("in: 2 files and 1 folder left out; --recursive takes the folders too")
    assert len(lines) == 2
    assert stderr == ""


def test_one_photo_to_a_file_name_of_another_format(tmp_path):
    source, target = photo(tmp_path / "a.png"), tmp_path / "out" / "größer.webp"
    assert render_files([source], output=target, model=Negative()) == 0
    with Image.open(target) as image:
        assert image.format == "WEBP"
    render_files([source], output=target, model=Negative(), compare=True, overwrite=True)
    assert names(target.parent) == ["größer.webp", "größer_compare.webp"]


def test_the_suffix_follows_the_format_inside(tmp_path):
    photo(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    photo(tmp_path / "b.png").rename(tmp_path / "version 1.2")
    assert (
        render_files(
            [tmp_path / "a.jpg", tmp_path / "version 1.2"],
            output=tmp_path / "out",
            model=Negative(),
        )
        == 0
    )
    assert names(tmp_path / "out") == ["a.png", "version 1.2.png"]


def test_no_photo_and_no_other_result_is_overwritten(tmp_path):
    sources = [
        photo(tmp_path / folder / "a.png", shade)
        for folder, shade in (("x", 10), ("y", 20), ("z", 30))
    ]
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


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_lies_in_the_output_folder_stays(tmp_path):
    source, out = photo(tmp_path / "in" / "a.png"), tmp_path / "out"
    for name in ("a.png", "a_bokeh.png", "a_compare.png", "a_2.png", "b_compare.png"):
        photo(out / name, 7)
    (out / "a_3.png").symlink_to(tmp_path / "nowhere")
    (out / "a_4.png").mkdir()
    before = contents(out)
    for _ in range(2):
        assert render_files([source], output=out, model=Negative(), compare=True) == 0
    after = contents(out)
    assert before.items() <= after.items()
    made = {"a_5.png", "a_5_compare.png", "a_6.png", "a_6_compare.png"}
    assert after.keys() - before.keys() == made
    assert not (tmp_path / "nowhere").exists()


def test_results_of_an_earlier_run_stay(tmp_path):
    for folder, shade in (("x", 10), ("y", 20)):
        source = photo(tmp_path / folder / "a.png", shade)
        assert render_files([source], output=tmp_path / "out", model=Negative()) == 0
    assert {name: value(tmp_path / "out" / name) for name in names(tmp_path / "out")} == {
        "a.png": 245,
        "a_2.png": 235,
    }


def test_overwriting_is_asked_for_and_spares_the_photos(tmp_path):
    sources = [photo(tmp_path / "x" / "a.png", 10), photo(tmp_path / "y" / "a.png", 20)]
    for _ in range(2):
        assert render_files(sources, output=tmp_path / "x", model=Negative(), overwrite=True) == 0
    values = {name: value(tmp_path / "x" / name) for name in names(tmp_path / "x")}
    assert values == {"a.png": 10, "a_bokeh.png": 245, "a_bokeh_2.png": 235}
    photo(tmp_path / "mine.png", 77)
    assert (
        render_files(sources[:1], output=tmp_path / "mine.png", model=Negative(), overwrite=True)
        == 0
    )
    assert value(tmp_path / "mine.png") == 245


def test_an_existing_file_name_is_refused_in_one_line(tmp_path, capfd):
    source, target = photo(tmp_path / "a.png"), photo(tmp_path / "mine.png", 77)
    assert render_files([source], output=target, model=Negative()) == 1
    assert value(target) == 77
    (line,) = capfd.readouterr().err.splitlines()
    assert "exists already" in line and "--overwrite" in line


def test_runs_at_the_same_time_lose_nothing(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_render_files import *; "
        "print('ready', flush=True); sys.stdin.readline(); "
        "sys.exit(render_files([sys.argv[2]], output=sys.argv[3], model=Negative()))"
    )
    shades = (10, 20, 30)
    children = []
    for shade in shades:
        for number in range(8):
            photo(tmp_path / str(shade) / f"{number}.png", shade)
        arguments = map(str, [Path(__file__).parent, tmp_path / str(shade), tmp_path / "out"])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        children.append(subprocess.Popen([sys.executable, "-c", program, *arguments], **pipes))
    for child in children:
        assert child.stdout.readline() == b"ready\n"
    for child in children:
        child.stdin.write(b"go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
        assert child.returncode == 0
    results = sorted(value(tmp_path / "out" / name) for name in names(tmp_path / "out"))
    assert results == sorted(255 - shade for shade in shades for _ in range(8))


def test_recursive_keeps_the_folders_and_passes_over_its_own_output(tmp_path, capfd):
    folder = tmp_path / "in"
    for name in ("a.png", "day 1/a.png", "day 1/evening/b.png", ".thumbnails/a.png"):
        photo(folder / name)
    (folder / "day 1" / "film.mov").write_bytes(b"film")
    (folder / "again").symlink_to(folder, target_is_directory=True)
    for run in (1, 2):
        assert render_files([folder], output=folder / "out", model=Negative(), recursive=True) == 0
        made = [name for name in contents(folder / "out") if not name.endswith("_2.png")]
        assert sorted(made) == ["a.png", "day 1/a.png", "day 1/evening/b.png"]
        assert len(contents(folder / "out")) == 3 * run
    assert "in: 1 file and 2 folders left out\n" in capfd.readouterr().out


@pytest.fixture
def deep_folder(tmp_path):
    """A folder with more levels than Python has frames, and a photo in the last."""
    levels = [tmp_path / "deep"]
    while len(levels) < 1100:
        levels.append(levels[-1] / "a")
    for level in levels:
        level.mkdir()
    photo(levels[-1] / "a.png")
    yield levels[0]
    # Python's own removal of trees calls itself for each level, too.
    subprocess.run(["rm", "-rf", levels[0], tmp_path / "out"], check=True)


def test_deep_folders_are_walked(deep_folder, tmp_path):
    assert (
        render_files([deep_folder], output=tmp_path / "out", model=Negative(), recursive=True) == 0
    )
    assert (tmp_path / "out" / Path(*["a"] * 1099) / "a.png").is_file()


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
    # Not getrusage: its peak starts with that of the process that forked,
    # here all of the test run's.
    def graph(image):
        import keras

        hidden = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
        return [
            keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid")(hidden),
            hidden[..., :1],
        ]

    model = tiny_tflite("large", graph, image_shape=(1024, 1536))
    rows, columns = np.mgrid[:6000, :8000].astype(np.uint16)
    pixels = np.dstack([rows * 8, columns * 8, rows * 3 + columns * 5])
    cv2.imwrite(
        str(tmp_path / f"large{suffix}"),
        pixels if suffix != ".jpg" else (pixels >> 8).astype(np.uint8),
    )
    program = (
        "import sys; from bokeh_tf.rendering import render_files; "
        "failures = render_files([sys.argv[1]], output=sys.argv[2], model=sys.argv[3], "
        "input_range=(0, 1), compare=True); "
        "peak, = (line.split()[1] for line in open('/proc/self/status') if"
        " line.startswith('VmHWM')); "
        "print('peak', peak); sys.exit(failures)"
    )
    arguments = [tmp_path / f"large{suffix}", tmp_path / "out", model]
    child = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(child.stdout.split("peak")[1]) < MEMORY_LIMIT_KIB
    with Image.open(tmp_path / "out" / f"large{suffix}") as image:
        assert image.size == (8000, 6000)

"""`render_files` of photos, folders, outputs and models that cannot be used: one line each, the
others are done, nothing is left behind.
"""

import os
import sys

import pytest

from bokeh_tf import photos
from bokeh_tf.errors import ModelFileError, OutputError
from bokeh_tf.rendering import render_files
from tests.privileges import without_privileges
from tests.rendering.negatives import Negative, names, photo


def test_folders_that_cannot_be_listed_are_one_line(tmp_path, monkeypatch, capfd):
    photo(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "locked").mkdir(mode=0)
    # The folders above stay closed to others, so the paths are relative.
    tmp_path.chmod(0o777)
    monkeypatch.chdir(tmp_path)
    with without_privileges():
        assert render_files(["in"], output="out", model=Negative(), recursive=True) == 1
        assert render_files(["in/locked"], output="out", model=Negative()) == 1
        assert render_files(["in/locked/a.png"], output="out", model=Negative()) == 1
        with pytest.raises(OutputError, match="Permission denied"):
            render_files(["in/a.png"], output="in/locked/out", model=Negative())
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("Permission denied" in line for line in lines)
    assert names(tmp_path / "out") == ["a.png"]


def test_folders_without_photos_say_where_photos_may_be(tmp_path, capfd):
    photo(tmp_path / "in" / "deeper" / "a.png")
    assert render_files([tmp_path / "in"], output=tmp_path / "out", model=Negative()) == 1
    assert "--recursive takes the folders too" in capfd.readouterr().err


def test_photos_that_need_an_optional_part_are_counted(tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    photos.usable_formats.cache_clear()
    try:
        photo(tmp_path / "in" / "a.png")
        for name in ("b.heic", "c.HEIC", "notes.txt"):
            (tmp_path / "in" / name).write_bytes(b"x")
        assert render_files([tmp_path / "in"], output=tmp_path / "out", model=Negative()) == 0
        left_out = capfd.readouterr().out.splitlines()[0]
        assert left_out.endswith(
            'in: 3 files left out; for 2 of them: pip install "bokeh-tf[photos]"'
        )
    finally:
        photos.usable_formats.cache_clear()


@pytest.mark.parametrize("given", ["missing.jpg", "text.jpg", "empty folder"])
def test_no_empty_folder_is_left(tmp_path, given):
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "empty folder").mkdir()
    assert render_files([tmp_path / given], output=tmp_path / "new" / "out", model=Negative()) == 1
    with pytest.raises(ModelFileError):
        render_files([tmp_path / given], output=tmp_path / "new" / "out", model="no_such_model")
    assert names(tmp_path) == ["empty folder", "text.jpg"]
    (tmp_path / "old").mkdir()
    assert render_files([tmp_path / given], output=tmp_path / "old", model=Negative()) == 1
    assert (tmp_path / "old").is_dir()


def odd_photos(folder):
    """Photos that cannot be one, by their kind."""
    os.mkfifo(folder / "pipe.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    with (folder / "sparse.jpg").open("wb") as file:
        file.truncate(1 << 42)
    photo(folder / "inside.png").rename(folder / "file.png")
    return {
        "pipe": folder / "pipe.jpg",
        "link loop": folder / "loop.jpg",
        "4 terabytes": folder / "sparse.jpg",
        "endless device": "/dev/zero",
        "kernel log": "/proc/kmsg",
        "long name": folder / ("a" * 5000 + ".jpg"),
        "long path": "/".join(["a" * 200] * 50),
        "below a file": folder / "file.png" / "a.jpg",
        "NUL": str(folder / "a\0.jpg"),
    }


def test_odd_inputs_are_one_line_each(tmp_path, capfd):
    odd = odd_photos(tmp_path)
    good = photo(tmp_path / "good.png")
    assert render_files([*odd.values(), good], output=tmp_path / "out", model=Negative()) == len(
        odd
    )
    assert names(tmp_path / "out") == ["good.png"]
    assert len(capfd.readouterr().err.splitlines()) == len(odd)


def test_odd_outputs_are_one_line_each(tmp_path):
    source = photo(tmp_path / "good.png")
    for output in (
        "a" * 5000,
        "/".join(["a" * 200] * 50),
        tmp_path / "good.png" / "out",
        "/dev/null/out",
        "/dev/null",
    ):
        with pytest.raises(OutputError) as refusal:
            render_files([source], output=output, model=Negative())
        assert "\n" not in str(refusal.value)


def test_names_are_shown_without_effect_on_the_terminal(tmp_path, capfd):
    evil = "\x1b[2J\x1b]0;owned\x07a\nb"
    photo(tmp_path / "in" / f"{evil}.png")
    photo(tmp_path / "in" / os.fsdecode(b"\xff.png"))
    (tmp_path / "in" / f"{evil}.jpg").write_text("not a photo")
    assert render_files([tmp_path / "in"], output=tmp_path / "out", model=Negative()) == 1
    stdout, stderr = capfd.readouterr()
    assert len(stdout.splitlines()) == 2
    assert len(stderr.splitlines()) == 1
    assert r"\x1b[2J\x1b]0;owned\x07a\nb.png" in stdout
    assert r"\xff.png" in stdout
    assert not set(stdout + stderr) & set("\x1b\x07\r")


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


@pytest.mark.parametrize(
    ("photos", "output", "reason"),
    [
        (["a.png", "b.png"], "out.png", "need a folder"),
        (["."], "out.png", "need a folder"),
        (["a.png"], "out.gif", "Known suffixes"),
        (["a.png"], "out.cr3", "Known suffixes"),
        (["a.png"], "OUT.JXL", "Known suffixes"),
        (["a.png"], "b.png/out", "is no folder"),
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

"""Folders of photographs: what is read, what is left out, what is remembered, what is refused."""

import os
import resource

import numpy as np
import pytest
from absl import logging
from PIL import Image

from bokeh_tf.data.scenes.sources import load_sources
from bokeh_tf.errors import DataError, OutputError
from tests.photographs import disc, texture, with_subject, write_folder

SUBJECT, SUBJECT_NON_ASCII, SHARP = "disc.png", "größe – 写真.png", "sharp.png"


@pytest.fixture(autouse=True)
def quiet_progress(monkeypatch):
    """Rich draws its bar with the size of the terminal, which the tests do not have."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "фото")


def by_name(sources):
    return {source.name: source for source in sources}


def test_photos_are_prepared_and_a_damaged_one_left_out(folder, tmp_path, caplog):
    (folder / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    (folder / "notes.txt").write_text("no photo either", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        sources = by_name(load_sources(folder, cache=tmp_path / "cache"))
    assert set(sources) == {SUBJECT, SUBJECT_NON_ASCII, SHARP}
    assert [
        record.getMessage().count("damaged.jpg")
        for record in caplog.records
        if "Left out" in record.getMessage()
    ]
    subject, sharp = sources[SUBJECT_NON_ASCII], sources[SHARP]
    assert subject.photo.shape == (120, 180, 3) and subject.photo.dtype == np.uint8
    assert subject.matte.shape == (120, 180) and subject.matte.dtype == np.float32
    assert subject.matte_from_focus and subject.sharp_fraction < 0.5 and not subject.is_backdrop
    assert sharp.matte is None and sharp.sharp_fraction > 0.5 and sharp.is_backdrop


def test_large_photos_are_reduced(tmp_path):
    folder = tmp_path / "photos" / "deeper"
    folder.mkdir(parents=True)
    Image.fromarray(with_subject((400, 640), disc((400, 640), radius=0.3))).save(
        folder / "large.png"
    )
    (source,) = load_sources(folder.parent, cache=tmp_path / "cache")
    assert source.photo.shape == (300, 480, 3) and source.matte.shape == (300, 480)


def test_what_was_prepared_is_taken_from_the_cache(folder, tmp_path):
    first = by_name(load_sources(folder, cache=tmp_path / "cache"))
    # Were it prepared again, it would now be left out.
    photo, status = folder / SUBJECT, (folder / SUBJECT).stat()
    photo.write_bytes(b"not a photo any more".ljust(status.st_size))
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = by_name(load_sources(folder, cache=tmp_path / "cache"))
    assert set(second) == set(first)
    for name, source in second.items():
        # To the last bit: a resumed training sees what the first run saw.
        np.testing.assert_array_equal(source.photo, first[name].photo)
        np.testing.assert_array_equal(source.matte, first[name].matte)
        assert source.sharp_fraction == first[name].sharp_fraction
        assert source.matte_from_focus == first[name].matte_from_focus


def test_another_photo_of_the_same_name_is_prepared_anew(folder, tmp_path):
    first = by_name(load_sources(folder, cache=tmp_path / "cache"))
    with Image.open(folder / SUBJECT) as image:
        brighter = image.point(lambda value: min(255, value + 40))
    brighter.save(folder / SUBJECT)
    second = by_name(load_sources(folder, cache=tmp_path / "cache"))
    assert second[SUBJECT].photo.mean() > first[SUBJECT].photo.mean() + 10


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", b"\x93NUMPY", b"text"])
def test_a_damaged_cache_is_made_anew(folder, tmp_path, damage):
    first = by_name(load_sources(folder, cache=tmp_path / "cache"))
    cached = tmp_path / "cache" / f"{SUBJECT}.npz"
    cached.write_bytes(damage)
    second = by_name(load_sources(folder, cache=tmp_path / "cache"))
    np.testing.assert_array_equal(second[SUBJECT].photo, first[SUBJECT].photo)
    assert cached.stat().st_size > 1000


def test_only_listed_subjects_keep_their_mattes(folder, tmp_path):
    (folder / "subjects.txt").write_text(f"\ufeff{SUBJECT_NON_ASCII}\n\n  \n", encoding="utf-8")
    sources = by_name(load_sources(folder, cache=tmp_path / "cache"))
    assert sources[SUBJECT].matte is None
    assert sources[SUBJECT_NON_ASCII].matte is not None


def test_photos_of_one_name_in_two_folders_stay_two(tmp_path):
    photos = tmp_path / "photos"
    for place, radius in (("a", 0.3), ("b", 0.25), ("", 0.28)):
        (photos / place).mkdir(parents=True, exist_ok=True)
        one = with_subject((120, 180), disc((120, 180), radius=radius))
        # The third has the name that the first one's would be if folders were written into it.
        Image.fromarray(one).save(photos / place / ("a__x.png" if not place else "x.png"))
    cache, listed = tmp_path / "cache", photos / "subjects.txt"
    load_sources(photos, cache=cache)
    assert len(list(cache.rglob("*.npz"))) == 3
    listed.write_text("a/x.png\n", encoding="utf-8")
    sources = load_sources(photos, cache=cache)
    assert [source.name for source in sources] == ["x.png", "a__x.png", "x.png"]
    assert [source.matte is not None for source in sources] == [True, False, False]
    listed.write_text("x.png\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.png stands for several photos \(a/x\.png, b/x\.png\)"):
        load_sources(photos, cache=cache)


def test_a_matte_that_was_merely_centred_needs_the_list(folder, tmp_path):
    mask = disc((120, 180), centre=(0.5, 0.55), radius=0.25)
    plain = np.where(mask[..., None], np.uint8([200, 40, 30]), np.uint8([60, 90, 180]))
    Image.fromarray(plain).save(folder / "plain.png")
    assert by_name(load_sources(folder, cache=tmp_path / "cache"))["plain.png"].matte is None
    (folder / "subjects.txt").write_text("plain.png\n", encoding="utf-8")
    assert by_name(load_sources(folder, cache=tmp_path / "cache"))["plain.png"].matte is not None


def one_line(error):
    return "\n" not in str(error.value)


def test_unusable_folders_are_refused_in_one_line(folder, tmp_path):
    empty, sharp = tmp_path / "empty", tmp_path / "sharp"
    for path in (empty, sharp):
        path.mkdir()
    Image.fromarray(texture((120, 180), (120, 110, 100), seed=5)).save(sharp / SHARP)
    with pytest.raises(DataError, match="no photographs here") as error:
        load_sources(empty, cache=tmp_path / "cache")
    assert one_line(error)
    with pytest.raises(DataError, match="no such folder"):
        load_sources(tmp_path / "missing", cache=tmp_path / "cache")
    with pytest.raises(DataError, match="no photo shows a clear subject") as error:
        load_sources(sharp, cache=tmp_path / "cache")
    assert one_line(error)
    (folder / "subjects.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match=r"subjects\.txt: cannot be read as UTF-8") as error:
        load_sources(folder, cache=tmp_path / "cache")
    assert one_line(error)


def test_a_cache_that_cannot_be_written_leaves_no_half_file(folder, tmp_path):
    cache = tmp_path / "cache"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system cuts every file off here, as a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="Nothing was left behind") as error:
            load_sources(folder, cache=cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert one_line(error)
    assert not cache.exists()

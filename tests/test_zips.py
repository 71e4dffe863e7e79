"""`bokeh_tf.zips`: archives that Python's own question stumbles over."""

import io
import struct
import zipfile

import pytest

from bokeh_tf.zips import DAMAGE, is_zip

END_BYTES = 22


def archive():
    """A whole one with one file."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as made:
        made.writestr("labels.txt", "sky\n")
    return whole.getvalue()


def of_several_disks():
    """The same with a ZIP64 locator, by which it goes on elsewhere."""
    content = archive()
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 2)
    return content[:-END_BYTES] + locator + content[-END_BYTES:]


def test_an_archive_of_several_disks_is_a_damaged_one(tmp_path):
    path = tmp_path / "several.zip"
    path.write_bytes(of_several_disks())
    for file in (path, str(path), io.BytesIO(of_several_disks())):
        assert is_zip(file)
        with pytest.raises(DAMAGE, match="disks"):
            zipfile.ZipFile(file)


def test_what_is_an_archive_and_what_is_none(tmp_path):
    assert is_zip(io.BytesIO(archive()))
    assert not is_zip(io.BytesIO(b"TFL3" * 20)) and not is_zip(tmp_path / "absent")

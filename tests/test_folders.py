"""`bokeh_tf.folders`: what an earlier run wrote is replaced, everything else is kept."""

import json
import os

import pytest

from bokeh_tf import folders
from bokeh_tf.errors import OutputError

CONTENT = {"a.txt": b"one", "deeper/b.txt": b"two"}


def held(folder):
    """The bytes of every file in `folder` but the record, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != folders.RECORD_NAME
    }


def test_own_files_are_replaced_and_changed_ones_kept(tmp_path):
    folder = tmp_path / "new" / "app"
    assert folders.write_files(folder, CONTENT) == tuple(folder / name for name in CONTENT)
    newer = {"a.txt": b"1", "c.txt": b"3"}
    folders.write_files(folder, newer)
    assert held(folder) == {**CONTENT, **newer}
    # A file of the first run that the second one did not write is still known.
    folders.write_files(folder, CONTENT)
    (folder / "deeper" / "b.txt").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"b\.txt: exists already") as caught:
        folders.write_files(folder, newer | CONTENT)
    assert "\n" not in str(caught.value)
    assert held(folder) == {"a.txt": b"one", "deeper/b.txt": b"mine", "c.txt": b"3"}
    folders.write_files(folder, CONTENT, overwrite=True)
    assert held(folder)["deeper/b.txt"] == b"two"


class EndedAtTheSecond(dict):
    """Files of a run that is interrupted when one of them is written."""

    is_known = False

    def items(self):
        first, *others = super().items()
        yield first
        if self.is_known:
            raise KeyboardInterrupt
        self.is_known = True
        yield from others


def test_a_run_that_was_ended_is_written_again(tmp_path):
    folders.write_files(tmp_path, CONTENT)
    newer = {name: content * 2 for name, content in CONTENT.items()}
    with pytest.raises(KeyboardInterrupt):
        folders.write_files(tmp_path, EndedAtTheSecond(newer))
    assert held(tmp_path) == {"a.txt": b"oneone", "deeper/b.txt": b"two"}
    folders.write_files(tmp_path, newer)
    assert held(tmp_path) == newer


@pytest.mark.parametrize(
    "record", [b"", b"[]", b"{", b'{"schema_version": 1, "files": {"a.txt": 3}}', b"[" * 100_000]
)
def test_a_record_that_is_none_vouches_for_nothing(tmp_path, record):
    (tmp_path / folders.RECORD_NAME).write_bytes(record)
    with pytest.raises(OutputError, match="exists already"):
        folders.write_files(tmp_path, CONTENT)
    assert (tmp_path / folders.RECORD_NAME).read_bytes() == record and not held(tmp_path)
    folders.write_files(tmp_path, CONTENT, overwrite=True)
    assert (
        json.loads((tmp_path / folders.RECORD_NAME).read_bytes())["files"].keys() == CONTENT.keys()
    )


def test_what_is_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(OutputError, match="nobody reads"):
        folders.write_files(tmp_path, CONTENT, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]

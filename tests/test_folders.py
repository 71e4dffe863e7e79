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


def test_what_is_older_goes_where_it_is_as_it_was_written(tmp_path):
    folder = tmp_path / "page"
    first = {"a.txt": b"one", "deeper/private": b"two", "notes.txt": b"three"}
    folders.write_files(folder, first)
    (folder / "notes.txt").write_bytes(b"mine")
    (folder / "theirs.txt").write_bytes(b"four")
    folders.write_files(folder, {"a.txt": b"1"}, removes_older=True)
    assert held(folder) == {"a.txt": b"1", "notes.txt": b"mine", "theirs.txt": b"four"}
    assert not (folder / "deeper").exists()
    record = json.loads((folder / folders.RECORD_NAME).read_bytes())["files"]
    assert record.keys() == {"a.txt", "notes.txt"}


def test_nothing_outside_the_folder_is_removed_whatever_the_record_says(tmp_path):
    folder = tmp_path / "page"
    folders.write_files(folder, {"a.txt": b"one"})
    digests = json.loads((folder / folders.RECORD_NAME).read_bytes())["files"]["a.txt"]
    outside = tmp_path / "outside"
    outside.mkdir()
    for place in (outside / "b.txt", outside / "c.txt"):
        place.write_bytes(b"one")
    (folder / "linked").symlink_to(outside)
    (folder / "link.txt").symlink_to(folder / "a.txt")
    names = ("a.txt", "../outside/b.txt", str(outside / "b.txt"), "linked/c.txt", "link.txt")
    document = {"schema_version": 1, "files": dict.fromkeys(names, digests)}
    (folder / folders.RECORD_NAME).write_text(json.dumps(document), encoding="utf-8")
    folders.write_files(folder, {"a.txt": b"one"}, removes_older=True)
    assert {path.name for path in outside.iterdir()} == {"b.txt", "c.txt"}
    assert (folder / "link.txt").is_symlink()


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

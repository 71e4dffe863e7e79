"""What a command may replace: never what it reads, never a file without a
mark of ours, unless told to.
"""

import json
import os
from pathlib import Path

import pytest

from bokeh_tf.commands import outputs
from bokeh_tf.delegate.judging.baseline import Baseline
from bokeh_tf.delegate.judging.policy import Policy
from bokeh_tf.delegate.writers import formats
from bokeh_tf.errors import OutputError
from bokeh_tf.files import write_bytes
from bokeh_tf.models.weights import packaged_weights
from tests.privileges import reachable_folder, without_privileges

PACKAGE = Path(outputs.__file__).parents[1]
FOREIGN = {
    "notes.txt": b"my notes\n",
    "page.html": b"<!DOCTYPE html>\n<html><head><title>mine</title></head></html>\n",
    "table.csv": b"name,value\n",
    "README.md": b"# My project\n",
    "other.json": b'{"files": []}',
    "deep.json": b'{"a":' * 20_000,
    "list.json": b"[1, 2]",
    "log.sarif": b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "other"}}}, 3, {"tool": 4}]}',
    # No command can make a measurement again.
    "timing.json": json.dumps(
        {"schema_version": 3, "environment": {}, "measurements": []}
    ).encode(),
    "broken.tflite": b"\x1c\x00\x00\x00TFL3" + bytes(40),
    "binary.bin": bytes(range(256)),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_kept_unless_told_otherwise(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FOREIGN[name])
    with pytest.raises(OutputError, match="exists already") as caught:
        outputs.claim(path)
    assert "\n" not in str(caught.value) and "--overwrite" in str(caught.value)
    outputs.claim(path, overwrite=True)
    assert path.read_bytes() == FOREIGN[name]


@pytest.mark.parametrize("format", formats.FORMATS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_format_of_the_check_is_known_again(tmp_path, judged, format, count):
    path = tmp_path / "report"
    path.write_text(formats.write([judged] * count, Policy.parse("refused"), format=format))
    outputs.claim(path)


@pytest.fixture(scope="module")
def judged():
    from bokeh_tf.delegate.check import Steps, check_paths
    from bokeh_tf.delegate.judging.policy import judge

    model = PACKAGE / "weights" / "dbsi_mobile_base_float16_1024x1536.tflite"
    (report,) = check_paths([model], Steps(probe=False))
    return judge(report, Policy.parse("refused"))


def test_a_baseline_and_a_model_of_ours_are_known_again(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(Baseline().to_json())
    outputs.claim(path)
    outputs.claim(PACKAGE / "weights" / "dbsi_mobile_base_float16_1024x1536.tflite")


def test_weights_carry_no_mark():
    weights = packaged_weights("dbsi_mobile", "base")
    with pytest.raises(OutputError, match="exists already"):
        outputs.claim(weights)


def test_nothing_an_empty_file_and_a_device_are_free(tmp_path):
    (tmp_path / "empty").touch()
    for path in (None, tmp_path / "new", tmp_path / "empty", "/dev/null"):
        outputs.claim(path)


def test_what_cannot_be_written_is_refused_before_the_work():
    """Each with the few words that say why, as it would be at the end of the run."""
    with reachable_folder() as place:
        pipe, locked = place / "pipe", place / "locked"
        os.mkfifo(pipe)
        pipe.chmod(0o666)
        (place / "file").write_bytes(b"x")
        locked.mkdir(mode=0o555)
        refused = {
            place: "a folder",
            "no\0file": "null byte",
            pipe: "nobody reads",
            place / "missing" / "a.json": "there is no folder",
            place / "file" / "a.json": "is no folder",
            locked / "a.json": "Permission denied",
        }
        with without_privileges():
            for path, reason in refused.items():
                with pytest.raises(OutputError, match=reason) as caught:
                    outputs.claim(path)
                assert "\n" not in str(caught.value)
            for folder in (place / "file", locked / "new", pipe):
                with pytest.raises(OutputError, match=r"no folder|Permission denied"):
                    outputs.claim_in_folder(folder)
        outputs.claim(place / "missing" / "a.json", makes_folders=True)
        outputs.claim_in_folder(place / "missing" / "deeper")
        assert not (place / "missing").exists()


def test_a_pipe_with_a_reader_gets_the_result_of_the_run(tmp_path):
    """Its reader waits from the claim to the end of the process, and no other end comes before."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    outputs.claim(pipe)
    write_bytes(pipe, b"a result")
    assert os.read(reader, 100) == b"a result"
    # No end of file: somebody still has it open to write.
    with pytest.raises(BlockingIOError):
        os.read(reader, 100)
    os.close(reader)
    with pytest.raises(OutputError, match="nobody reads"):
        write_bytes(pipe, b"a result")


def test_an_input_is_kept_whatever_is_said(tmp_path):
    model, link = tmp_path / "model.json", tmp_path / "link"
    model.write_text(Baseline().to_json())
    os.link(model, link)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="this run reads that file"):
            outputs.claim(link, inputs=[None, model], overwrite=overwrite)

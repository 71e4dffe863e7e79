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
from bokeh_tf.models.weights import packaged_weights

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
    for path in (None, tmp_path / "new", tmp_path / "empty", "/dev/null", tmp_path, "no\0file"):
        outputs.claim(path)


def test_an_input_is_kept_whatever_is_said(tmp_path):
    model, link = tmp_path / "model.json", tmp_path / "link"
    model.write_text(Baseline().to_json())
    os.link(model, link)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="this run reads that file"):
            outputs.claim(link, inputs=[None, model], overwrite=overwrite)

"""A model file read once: what is asked of it never goes back to the file."""

import os

import pytest

from bokeh_tf.delegate.audit.audit import audit
from bokeh_tf.delegate.check import Steps, check, check_paths
from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.subject import subject_of


def test_a_subject_outlives_its_file(tiny_convolution, tmp_path):
    path = tmp_path / "größe.tflite"
    path.write_bytes(tiny_convolution.read_bytes())
    subject = subject_of(path)
    path.unlink()
    report = check(subject, audit=True)
    assert report.path == report.audit.path == str(path)
    assert subject_of(subject) is subject


def test_a_label_is_what_reports_and_messages_say(tiny_convolution):
    content = tiny_convolution.read_bytes()
    report = check(subject_of(content, label="ours.tflite"), audit=True)
    assert report.path == report.audit.path == "ours.tflite"
    assert audit(content).path == "the model"
    with pytest.raises(ModelFileError, match=r"^ours\.tflite: "):
        subject_of(content[:1500], label="ours.tflite")


def test_the_step_that_breaks_down_calls_the_file_by_its_label(tiny_convolution):
    subject = subject_of(tiny_convolution.read_bytes(), label="ours.tflite")
    unchecked = check(subject, audit=True, timeout_s=0.05).audit
    assert unchecked.path == "ours.tflite" and unchecked.reason.startswith("ours.tflite: ")


def test_a_file_is_read_once_however_much_is_asked(tiny_convolution, monkeypatch):
    opened = []
    path_type = type(tiny_convolution)
    read_bytes = path_type.read_bytes

    def counted(path):
        opened.append(path)
        return read_bytes(path)

    open_descriptor = os.open

    def counted_open(path, *arguments, **options):
        opened.append(path)
        return open_descriptor(path, *arguments, **options)

    # Both ways to a file's content: by its path, and by a descriptor, as
    # files from outside are read.
    monkeypatch.setattr(path_type, "read_bytes", counted)
    monkeypatch.setattr(os, "open", counted_open)
    (report,) = check_paths([tiny_convolution], Steps(probe=True, audit=True, timeout_s=60))
    assert report.error is None and report.probe is not None and report.audit is not None
    assert [str(path) for path in opened].count(str(tiny_convolution)) == 1

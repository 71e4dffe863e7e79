"""The measures of the suite "subject" by hand, and the suite on a small folder."""

import argparse
import json

import numpy as np
import pytest

from benchmarks import subject
from tests.labelled_subjects import write_subjects
from tests.photographs import texture


def test_overlap_by_hand():
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:2], other[1:3] = True, True
    everywhere = np.ones((4, 4), bool)
    assert subject.iou(one, other, everywhere) == pytest.approx(1 / 3)
    assert subject.iou(one, other, one) == pytest.approx(0.5)
    assert subject.iou(one, one, ~one) == 1


def test_sharpness_is_lost_by_a_blur_inside_the_label():
    photo = texture((64, 96), (120, 130, 110), seed=1)
    label = np.zeros((64, 96), bool)
    label[16:48, 24:72] = True
    flat_outside = np.where(label[..., None], photo, 128).astype(np.uint8)
    assert subject.sharpness_kept(photo, photo, label) == 1
    assert subject.sharpness_kept(photo, flat_outside, label) == pytest.approx(1)
    assert subject.sharpness_kept(photo, np.full_like(photo, 128), label) == 0
    assert subject.sharpness_kept(photo, photo, np.zeros_like(label)) is None


@pytest.mark.slow
def test_the_suite_measures_the_flagship(tmp_path):
    folder = write_subjects(tmp_path / "data")
    options = argparse.Namespace(
        subjects=folder, model=[None], every=1, taps=0, out=tmp_path / "out"
    )
    written = json.loads(subject.run(options).read_text(encoding="utf-8"))
    assert written["suite"] == "subject" and written["schema_version"] == 1
    [groups] = written["groups"].values()
    assert groups["people"]["n"] == 1 and 0 <= groups["people"]["iou"] <= 1
    assert groups["none"]["iou"] is None

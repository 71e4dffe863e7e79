"""What the suites of pictures compare: models, and one model at several apertures."""

import hashlib
import shutil

import pytest

from benchmarks.contenders import load_contenders
from bokeh_tf.errors import DataError, ModelFileError
from bokeh_tf.models.weights import BASE_FILE, FLAGSHIP_FILE


def test_one_model_at_two_apertures_is_two_contenders():
    found = load_contenders(["dbsi_mobile_focus", "dbsi_mobile_focus@0.12"])
    name = FLAGSHIP_FILE.name
    assert {one: found[one].aperture for one in found} == {name: None, f"{name}@0.12": 0.12}
    digest = hashlib.sha256(FLAGSHIP_FILE.read_bytes()).hexdigest()
    assert {one.sha256 for one in found.values()} == {digest}


def test_a_file_may_have_the_sign_in_its_name(tmp_path):
    path = tmp_path / "mine@2.tflite"
    shutil.copy(FLAGSHIP_FILE, path)
    assert list(load_contenders([str(path)])) == [path.name]
    assert list(load_contenders([f"{path}@1"])) == [f"{path.name}@1"]


@pytest.mark.parametrize("said", ["", "x", "1.5", "-0.1", "nan"])
def test_what_is_no_aperture_is_refused(said):
    with pytest.raises(DataError, match="an aperture from 0 to 1"):
        load_contenders([f"dbsi_mobile_focus@{said}"])


def test_a_model_that_cannot_be_told_is_refused():
    with pytest.raises(ModelFileError, match="cannot be told an aperture"):
        load_contenders([f"{BASE_FILE}@0.5"])


def test_two_models_of_one_name_are_refused():
    with pytest.raises(ModelFileError, match=f"{BASE_FILE.name} is already given"):
        load_contenders([BASE_FILE, BASE_FILE])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = [tmp_path / folder / BASE_FILE.name for folder in ("mine", "theirs")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(BASE_FILE, path)
    found = load_contenders([str(path) for path in paths])
    assert list(found) == [f"mine/{BASE_FILE.name}", f"theirs/{BASE_FILE.name}"]
    assert len({id(one.model) for one in found.values()}) == 2

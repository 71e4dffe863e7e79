"""What the documents say must be so: paths exist, commands exist, versions agree,
shipped files are as listed.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bokeh_tf
from tests.delegate.rules.fallback_recipes import markdown

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "WORKSPACE.md", "android_assets/README.md")
COMMANDS = (
    *("convert", "check", "repair", "bench", "compare", "report", "ai-benchmark", "app", "render"),
    *("models", "export", "port", "data", "evaluate", "train", "web"),
)


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_named_in_documents_exist(name):
    folders = "bokeh_tf|export|benchmarks|android_assets|tests|docs|\\.ci"
    paths = re.findall(rf"[`(]((?:{folders})/[\w./-]*)[`)]", text_of(name))
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert paths and not missing


@pytest.mark.parametrize("target", ["demo", "test", "check", "fuzz", "nightly", "software-gpu"])
def test_make_targets_exist_and_are_documented(target):
    assert re.search(rf"^{target}:", text_of("Makefile"), re.MULTILINE)
    assert f"make {target}" in text_of("README.md") + text_of("WORKSPACE.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_documented_and_explain_themselves(command):
    assert f"bokeh-tf {command}" in text_of("README.md")
    shown = subprocess.run(
        [sys.executable, "-m", "bokeh_tf", command, "--help"], capture_output=True, text=True
    )
    assert shown.returncode == 0 and "usage:" in shown.stdout and len(shown.stdout.splitlines()) > 6


def test_commands_are_all_known_here():
    shown = subprocess.run(
        [sys.executable, "-m", "bokeh_tf", "--help"], capture_output=True, text=True, check=True
    )
    assert set(re.findall(r"^    ([\w-]+)(?:  |$)", shown.stdout, re.MULTILINE)) == set(COMMANDS)


def test_fallback_recipes_are_those_that_are_tested():
    assert markdown() in text_of("README.md")


def test_versions_agree():
    assert f"## {bokeh_tf.__version__}" in text_of("CHANGELOG.md")


def manifest_entries():
    return json.loads(text_of("android_assets/manifest.json"))["files"]


def test_shipped_files_are_those_of_the_manifest():
    entries = manifest_entries()
    shipped = {path.name for path in (ROOT / "android_assets").glob("*.tflite")}
    assert shipped == {entry["file"] for entry in entries} and shipped
    for entry in entries:
        content = (ROOT / "android_assets" / entry["file"]).read_bytes()
        assert (
            hashlib.sha256(content).hexdigest() == entry["sha256"]
            and len(content) == entry["bytes"]
        )
        assert entry["check"]["verdict"] == "full", (
            "what is shipped was checked on the real delegate"
        )


def test_packaged_file_is_the_shipped_one():
    packaged = list((ROOT / "bokeh_tf" / "weights").glob("*.tflite"))
    assert packaged
    for path in packaged:
        assert path.read_bytes() == (ROOT / "android_assets" / path.name).read_bytes()


def test_shipped_files_keep_the_flagship_promises():
    limits = {"base": (500_000, 8e9), "focus": (2_500_000, 1.5e9), "guided": (200_000, 0.2e9)}
    for entry in manifest_entries():
        if entry["model"] == "dbsi_mobile":
            most_bytes, most_macs = limits[entry["variant"]]
            assert entry["bytes"] <= most_bytes and entry["macs"] <= most_macs


@pytest.mark.parametrize("folder", ["bokeh_tf/samples", "tests/pictures", "docs/pictures/photos"])
def test_notice_names_every_picture_of_others(folder):
    pictures = [path for path in (ROOT / folder).iterdir() if path.suffix in (".jpg", ".png")]
    assert pictures
    for path in pictures:
        assert path.name in text_of("NOTICE"), path


def test_weights_have_a_model_card():
    for path in (ROOT / "bokeh_tf" / "weights").glob("*.weights.h5"):
        card = path.with_name(path.name.replace(".weights.h5", ".md")).read_text(encoding="utf-8")
        for heading in ("Data and licences", "Training", "Limits", "Numbers"):
            assert f"## {heading}" in card

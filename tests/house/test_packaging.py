"""What others get: a source archive that builds, metadata that a registry shows, a
public interface that exists.
"""

import importlib
import re
import shutil
import subprocess
import sys
import tarfile
from email.parser import Parser
from pathlib import Path

import pytest

import bokeh_tf

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("bokeh_tf", "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "tests")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The source archive, made in a copy so that nothing is left here."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.tflite", "*.h5")
    for name in KEPT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(folder / "dist")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (path,) = (folder / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return unpacked


@pytest.fixture(scope="module")
def metadata(archive):
    return Parser().parsestr((archive / "PKG-INFO").read_text(encoding="utf-8"))


def test_the_source_archive_has_all_of_the_package_and_no_half_of_the_tests(archive):
    assert not (archive / "tests").exists()
    names = {path.relative_to(archive).as_posix() for path in archive.rglob("*") if path.is_file()}
    assert names >= {
        "LICENSE",
        "NOTICE",
        "README.md",
        "setup.py",
        "pyproject.toml",
        "bokeh_tf/py.typed",
    }
    assert names >= {f"bokeh_tf/delegate/rules/{name}.json" for name in ("v2", "mldrift", "fp16")}


def test_a_registry_can_show_the_package(metadata):
    links = dict(entry.split(", ", 1) for entry in metadata.get_all("Project-URL"))
    assert set(links) >= {"Source", "Issues", "Changelog"} and all(
        link.startswith("https://") for link in links.values()
    )
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert set(metadata.get_all("Provides-Extra")) >= {
        "run",
        "tensorflow",
        "pytorch",
        "photos",
        "dev",
    }


def test_no_link_of_the_description_is_relative(metadata):
    text = metadata.get_payload()
    targets = re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL))
    assert targets and all(target.startswith(("https://", "http://", "#")) for target in targets)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures and all(f"/v{bokeh_tf.__version__}/" in picture for picture in pictures)


def test_the_base_install_is_small(archive):
    listed = (archive / "bokeh_tf.egg-info" / "requires.txt").read_text(encoding="utf-8")
    base = listed.partition("\n[")[0].split()
    assert {re.match(r"[\w-]+", entry)[0] for entry in base} == {
        "absl-py",
        "msgspec",
        "rich",
        "shtab",
    }


def test_the_public_interface_is_there():
    named = re.findall(r"^- `(bokeh_tf[\w.]+)\.(\w+)", bokeh_tf.__doc__, re.MULTILINE)
    assert len(named) >= 8
    for module, name in named:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"

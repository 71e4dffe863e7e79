"""The commit that manifests and results record, against git's own answer."""

import importlib.util
import shutil
import subprocess

import pytest

from bokeh_tf import checkout


def git(folder, *arguments):
    identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def package(tmp_path):
    """The module in a folder of its own, under no version control yet."""
    path = tmp_path / "räume" / "bokeh_tf" / "checkout.py"
    path.parent.mkdir(parents=True)
    shutil.copy(checkout.__file__, path)
    spec = importlib.util.spec_from_file_location("checkout_copy", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, path.parents[1]


def test_the_commit_is_gits_and_changes_of_tracked_files_are_said(package):
    module, folder = package
    assert module.git_commit() is None
    git(folder, "init", "--quiet")
    assert module.git_commit() is None
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    head = git(folder, "rev-parse", "HEAD")
    (folder / "new.txt").write_text("untracked", encoding="utf-8")
    assert module.git_commit() == head
    with (folder / "bokeh_tf" / "checkout.py").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert module.git_commit() == f"{head}-dirty"


def test_without_git_there_is_no_commit(package, monkeypatch):
    module, folder = package
    git(folder, "init", "--quiet")
    monkeypatch.setenv("PATH", "")
    assert module.git_commit() is None

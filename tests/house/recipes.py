"""Following a recipe of WORKSPACE.md ("How to") to the letter, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("bokeh_tf", "benchmarks", "export", "tests", "docs", "pyproject.toml")
TIMEOUT_S = 600


def recipe(title):
    """The paragraph of WORKSPACE.md with this title."""
    text = (ROOT / "WORKSPACE.md").read_text(encoding="utf-8")
    return re.search(rf"- \*\*{title}\*\*.*?(?=\n- \*\*)", text, re.DOTALL)[0]


def files_to_edit(title):
    """The sources that a recipe tells to write or to edit, in its order, each once."""
    named = re.findall(
        r"`((?:bokeh_tf|benchmarks|export|tests)/[^`]*\.(?:py|json))`", recipe(title)
    )
    return list(dict.fromkeys(name for name in named if "test_" not in name))


def copy_project(folder):
    """A copy in which recipes are followed; results of benchmarks stay behind."""
    ignored = shutil.ignore_patterns("__pycache__", "*_20*Z.json")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder)


def follow(folder, steps):
    """Does `steps` in a copy: file -> (None, its text), or (the text after which to
    insert, what is inserted).
    """
    for name, edits in steps.items():
        path = folder / name.replace("<name>", "toy")
        for after, text in edits:
            if after is None:
                path.write_text(text, encoding="utf-8")
                continue
            before = path.read_text(encoding="utf-8")
            assert before.count(after) == 1, f"{name}: {after!r}"
            path.write_text(before.replace(after, after + text), encoding="utf-8")


def run(folder, *arguments, status=0):
    """Runs `python -m arguments…` in a copy; returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout

"""WORKSPACE.md, "Add a report format", followed to the letter in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WRITER = '''"""Toy: how many files passed."""


def write(judged, policy) -> str:
    """The whole run as one number."""
    return f"toy: {sum(one.code == 0 for one in judged)} of {len(judged)}\\n"
'''
TIMEOUT_S = 60


def named_files():
    """The files that the paragraph names: the new one, and the one with the list."""
    text = (ROOT / "WORKSPACE.md").read_text(encoding="utf-8")
    paragraph = re.search(r"- \*\*Add a report format\*\*.*?(?=\n- \*\*)", text, re.DOTALL)[0]
    return re.findall(r"`(bokeh_tf/[^`]*\.py)`", paragraph)


def test_a_format_added_by_the_paragraph_is_one_of_the_command(tmp_path, tiny_convolution):
    writer, vocabulary = named_files()
    ignored = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(ROOT / "bokeh_tf", tmp_path / "bokeh_tf", ignore=ignored)
    (tmp_path / writer.replace("<name>", "toy")).write_text(WRITER, encoding="utf-8")
    path = tmp_path / vocabulary
    before = path.read_text(encoding="utf-8")
    after, count = re.subn(r"^(FORMATS = \([^)]*)\)", r'\1, "toy")', before, flags=re.MULTILINE)
    assert count == 1
    path.write_text(after, encoding="utf-8")
    command = [sys.executable, "-m", "bokeh_tf", "check", "--no-probe", "--format", "toy", str(tiny_convolution)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert (done.returncode, done.stdout) == (0, "toy: 1 of 1\n"), done.stderr

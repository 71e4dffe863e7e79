"""The rules of the house, kept by tests: layout, and what no module may do."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import MODULES, ROOT, project_files

TOP_LEVEL = {
    *("bokeh_tf", "export", "benchmarks", "android_assets", "docs", "tests", ".ci"),
    *(
        "setup.py",
        "pyproject.toml",
        "Makefile",
        ".gitignore",
        "action.yml",
        ".pre-commit-hooks.yaml",
    ),
    *("README.md", "WORKSPACE.md", "CHANGELOG.md", "LICENSE", "NOTICE"),
}

VAGUE_NAMES = {"utils", "util", "common", "helpers", "misc"}


def test_top_level_is_fixed():
    assert {name.split("/")[0] for name in project_files()} <= TOP_LEVEL


def test_every_file_of_the_package_ships(tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    shipped = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    kept = {name for name in project_files() if name.startswith("bokeh_tf/")}
    assert "bokeh_tf/py.typed" in kept, "users' type checkers read our annotations"
    assert kept <= shipped


@pytest.mark.parametrize("name", MODULES)
def test_nothing_unsafe_or_vague(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert Path(name).stem not in VAGUE_NAMES
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "every module says what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            assert caught not in ("", "Exception", "BaseException"), (
                f"line {node.lineno}: catches everything"
            )
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in (
                "os.system",
                "os.popen",
                "eval",
                "exec",
                "pickle.load",
                "pickle.loads",
                "time.time",
            )
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert keywords.get("shell") != "True" and keywords.get("allow_pickle") != "True"
            assert keywords.get("safe_mode") != "False"


# Questions about a path that raise for some names and folders; `bokeh_tf.paths` asks
# them so that they do not.
RAISING_QUESTIONS = frozenset(
    ("exists", "is_file", "is_dir", "is_symlink", "lexists", "isfile", "isdir", "islink")
)
# Where they are asked all the same.
ASKED_RAW = {
    "bokeh_tf/paths.py": "their home",
    "bokeh_tf/files.py": "an entry of a folder that was just listed, where nothing is swept if it"
    " fails",
}


def raw_questions(tree):
    """The lines on which a path itself is asked."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    asked = [call for call in calls if call.func.attr in RAISING_QUESTIONS]
    return [call.lineno for call in asked if ast.unparse(call.func.value) != "paths"]


@pytest.mark.parametrize("name", MODULES)
def test_paths_are_asked_without_raising(name):
    lines = raw_questions(ast.parse((ROOT / name).read_text(encoding="utf-8")))
    assert bool(lines) == (name in ASKED_RAW), f"lines {lines}: see bokeh_tf/paths.py"


def test_raw_questions_are_seen():
    assert raw_questions(
        ast.parse("a = Path(p).is_file()\nb = paths.is_file(p)\nc = os.path.lexists(p)")
    ) == [1, 3]


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("bokeh_tf/")])
def test_optional_parameters_of_public_functions_are_keyword_only(name):
    # A model's build(config) or a blur's sigma beside its size is the
    # subject itself, not an option.
    subjects = {
        "arguments",
        "config",
        "kernel_sizes_px",
        "message",
        "name",
        "sigma_px",
        "sigmas_px",
    }
    for node in ast.parse((ROOT / name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            optional = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            assert {argument.arg for argument in optional} <= subjects, node.name


def test_project_speaks_of_itself_alone():
    pattern = re.compile(r"(^|[^\w.])/(work|root|home/\w+)/|index.url", re.MULTILINE)
    for name in project_files():
        path = ROOT / name
        if (
            path.suffix in (".py", ".md", ".sh", ".toml", ".json", "")
            and path != Path(__file__)
            and path.is_file()
        ):
            assert not pattern.search(path.read_text(encoding="utf-8")), name

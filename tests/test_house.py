"""The rules of the house, kept by tests: layout, import arrows, and what no module may do."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for folder in ("bokeh_tf", "export", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
MODULES = [path.relative_to(ROOT).as_posix() for path in SOURCES]

TOP_LEVEL = {
    *("bokeh_tf", "export", "benchmarks", "android_assets", "docs", "tests", ".ci"),
    *("setup.py", "pyproject.toml", "Makefile", ".gitignore", "action.yml", ".pre-commit-hooks.yaml"),
    *("README.md", "WORKSPACE.md", "CHANGELOG.md", "LICENSE", "NOTICE"),
}

# What each part may import of ours, besides itself. Errors, files and processes carry no knowledge of bokeh.
FOUNDATION = {"checkout", "errors", "files", "native_messages", "processes", ""}
ARROWS = {
    "ops": set(),
    "errors": set(),
    "files": {"errors"},
    "checkout": set(),
    "native_messages": set(),
    "processes": set(),
    "metrics": {"ops"},
    "photos": FOUNDATION,
    "models": FOUNDATION | {"ops"},
    "losses": FOUNDATION | {"ops"},
    "porting": FOUNDATION | {"models"},
    "data": FOUNDATION | {"ops", "photos"},
    "training": FOUNDATION | {"data", "delegate", "losses", "models", "ops", "metrics"},
    "tflite": FOUNDATION,
    "delegate": FOUNDATION | {"tflite", "photos"},
    "rendering": FOUNDATION | {"models", "tflite", "ops", "photos"},
    "bench": FOUNDATION | {"tflite", "delegate"},
    "testing": FOUNDATION | {"delegate"},
    "ai_benchmark": FOUNDATION | {"bench", "tflite"},
    "exporting": FOUNDATION | {"models", "tflite", "delegate"},
    "commands": FOUNDATION
    | {
        "ai_benchmark",
        "bench",
        "data",
        "delegate",
        "exporting",
        "models",
        "porting",
        "rendering",
        "tflite",
        "training",
    },
    "cli": FOUNDATION | {"commands"},
    "__main__": {"cli"},
    "": set(),
}
OUTER_ARROWS = {
    "export": FOUNDATION
    | {"data", "delegate", "exporting", "metrics", "models", "photos", "rendering", "tflite", "training"},
    "benchmarks": FOUNDATION
    | {"bench", "data", "exporting", "metrics", "models", "ops", "photos", "rendering", "tflite"},
}
# Where the frameworks may be imported; everything else works with the base install.
KERAS_PARTS = {"ops", "losses", "models", "data", "training"}
TENSORFLOW_FILES = {
    "bokeh_tf/tflite/converter.py",
    "bokeh_tf/data/pipeline.py",
    "bokeh_tf/training/adversarial.py",
    "bokeh_tf/training/distribution.py",
    "bokeh_tf/training/pictures.py",
}
KERAS_FILES = {
    "bokeh_tf/exporting.py",
    "bokeh_tf/tflite/conversion.py",
    "bokeh_tf/tflite/conversion_child.py",
    "bokeh_tf/tflite/converter.py",
    "bokeh_tf/rendering/backends.py",
    "benchmarks/blur_bank.py",
    "export/zoo/practice.py",
}

MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 45
MOST_OPTIONAL_PARAMETERS = 7
VAGUE_NAMES = {"utils", "util", "common", "helpers", "misc"}


def imports_of(path):
    """Names of all modules that a file imports, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def part_of(module):
    """`bokeh_tf.tflite.runtime` -> `tflite`; `bokeh_tf` and its `__version__` -> ``."""
    rest = module.removeprefix("bokeh_tf").lstrip(".").split(".")[0]
    return "" if rest.startswith("__version") else rest


def forbidden_imports(path, name):
    """What a file imports of ours against the arrows."""
    folder = name.split("/")[0]
    own = Path(name).stem if name.count("/") == 1 else name.split("/")[1]
    own = "" if own == "__init__" else own
    allowed = OUTER_ARROWS[folder] if folder != "bokeh_tf" else ARROWS[own] | {own, ""}
    known = set(ARROWS)
    wrong = set()
    for module in imports_of(path):
        if module.split(".")[0] == "bokeh_tf" and part_of(module) in known and part_of(module) not in allowed:
            wrong.add(module)
        if module.split(".")[0] in ("export", "benchmarks") and module.split(".")[0] != folder:
            wrong.add(module)
    return wrong


def project_files():
    """The project's files, relative to its root: those git knows, or in an unpacked archive all."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    made = {".venv", "demo_output", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [path.as_posix() for path in paths if not made & set(path.parts) and ".egg-info" not in path.parts[0]]


def test_top_level_is_fixed():
    assert {name.split("/")[0] for name in project_files()} <= TOP_LEVEL


def test_every_file_of_the_package_ships(tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    shipped = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {name for name in project_files() if name.startswith("bokeh_tf/")}
    assert "bokeh_tf/py.typed" in kept, "users' type checkers read our annotations"
    assert kept <= shipped


@pytest.mark.parametrize("name", MODULES)
def test_arrows(name):
    assert not forbidden_imports(ROOT / name, name)


def test_arrows_are_seen_when_broken(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("def f():\n    from bokeh_tf.bench.cpu import bench_cpu\n    import export.recipes\n")
    wrong = forbidden_imports(broken, "bokeh_tf/ops/broken.py")
    assert {"bokeh_tf.bench.cpu", "export.recipes"} <= wrong


@pytest.mark.parametrize("name", MODULES)
def test_frameworks_stay_where_they_belong(name):
    roots = {module.split(".")[0] for module in imports_of(ROOT / name)}
    part = name.split("/")[1] if name.startswith("bokeh_tf/") else ""
    if name not in TENSORFLOW_FILES:
        assert "tensorflow" not in roots
    if part not in KERAS_PARTS and name not in KERAS_FILES:
        assert "keras" not in roots


BASE_MODULES = [
    "bokeh_tf",
    "bokeh_tf.cli",
    "bokeh_tf.delegate.check",
    "bokeh_tf.delegate.report",
    "bokeh_tf.delegate.writers.text",
    "bokeh_tf.testing",
    "bokeh_tf.bench.comparison_text",
    "bokeh_tf.bench.host_run",
    "bokeh_tf.bench.report",
    "bokeh_tf.exporting",
    "bokeh_tf.models.catalogue",
    "bokeh_tf.models.listing",
    "bokeh_tf.rendering",
    "bokeh_tf.tflite.inspection",
    "bokeh_tf.tflite.runtime",
    "bokeh_tf.photos",
    "benchmarks.suites",
    "export.__main__",
    "export.zoo.__main__",
]


def test_base_install_imports_no_framework():
    code = (
        f"import {', '.join(BASE_MODULES)}, sys; print([m for m in ('tensorflow', 'keras', 'jax') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_short(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < MOST_FUNCTION_LINES, node.name
            positional_defaults = len(node.args.defaults)
            keyword_defaults = sum(default is not None for default in node.args.kw_defaults)
            assert positional_defaults + keyword_defaults <= MOST_OPTIONAL_PARAMETERS, node.name


@pytest.mark.parametrize("name", MODULES)
def test_nothing_unsafe_or_vague(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert Path(name).stem not in VAGUE_NAMES
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "every module says what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            assert caught not in ("", "Exception", "BaseException"), f"line {node.lineno}: catches everything"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("os.system", "os.popen", "eval", "exec", "pickle.load", "pickle.loads", "time.time")
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert keywords.get("shell") != "True" and keywords.get("allow_pickle") != "True"
            assert keywords.get("safe_mode") != "False"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("bokeh_tf/")])
def test_optional_parameters_of_public_functions_are_keyword_only(name):
    # A model's build(config) or a blur's sigma beside its size is the subject itself, not an option.
    subjects = {"arguments", "config", "kernel_sizes_px", "message", "name", "sigma_px", "sigmas_px"}
    for node in ast.parse((ROOT / name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            optional = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            assert {argument.arg for argument in optional} <= subjects, node.name


def test_project_speaks_of_itself_alone():
    pattern = re.compile(r"(^|[^\w.])/(work|root|home/\w+)/|index.url", re.MULTILINE)
    for name in project_files():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".sh", ".toml", ".json", "") and path != Path(__file__) and path.is_file():
            assert not pattern.search(path.read_text(encoding="utf-8")), name

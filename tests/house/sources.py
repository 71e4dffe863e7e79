"""What the rules of the house look at: every module of the product, and the parts of its syntax."""

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("bokeh_tf", "export", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
MODULES = [path.relative_to(ROOT).as_posix() for path in SOURCES]


@functools.cache
def tree_of(name):
    """The syntax of a module, parsed once for all rules; they leave it as it is."""
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def imports_of(path):
    """Names of all modules that a file imports, in functions too."""
    return _imports_in(path, path.read_text(encoding="utf-8"))


# By text too: some tests write one file again and again.
@functools.cache
def _imports_in(path, text):
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def project_files():
    """The project's files, relative to its root: those git knows, or in an unpacked archive all."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    made = {".venv", "demo_output", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [
        path.as_posix()
        for path in paths
        if not made & set(path.parts) and ".egg-info" not in path.parts[0]
    ]


def functions_of(tree):
    """Every function and method, with its class or the module before it:
    (node, names of what it is in).
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.FunctionDef):
                    yield child, (node.name,)
        elif isinstance(node, ast.FunctionDef):
            yield node, ()

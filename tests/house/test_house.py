"""The rules of the house, kept by tests: layout, import arrows, and what no module may do."""

import ast
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for folder in ("bokeh_tf", "export", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
MODULES = [path.relative_to(ROOT).as_posix() for path in SOURCES]

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

# What each room may import of ours, besides itself. Errors, files and processes carry no knowledge
# of bokeh. Every arrow beyond the foundation is used: one that nobody needs any more would let the
# wrong import in unseen.
FOUNDATION = {
    *(
        "checkout",
        "documents",
        "errors",
        "escaping",
        "files",
        "native_messages",
        "paths",
        "processes",
        "program",
    ),
    *("quiet_start", "stages", ""),
}
ARROWS = {
    "ops": set(),
    "errors": set(),
    "escaping": {"paths"},
    "files": {"errors", "paths"},
    "paths": {"errors"},
    "checkout": {"paths"},
    "native_messages": set(),
    "processes": {"paths"},
    "stages": set(),
    "program": {"errors", "paths"},
    "documents": {"errors", "paths"},
    "metrics": FOUNDATION,
    "photos": FOUNDATION,
    "models": FOUNDATION | {"ops"},
    "losses": FOUNDATION,
    "porting": FOUNDATION | {"models"},
    "data": FOUNDATION | {"photos"},
    "training": FOUNDATION | {"data", "delegate", "losses", "metrics", "models", "ops", "tflite"},
    "tflite": FOUNDATION,
    "delegate": FOUNDATION | {"tflite"},
    "repairing": FOUNDATION | {"delegate", "tflite"},
    "converting": FOUNDATION | {"bench", "delegate", "exporting", "models", "repairing", "tflite"},
    "rendering": FOUNDATION | {"models", "photos", "tflite"},
    "bench": FOUNDATION | {"tflite", "delegate"},
    "evaluation": FOUNDATION | {"bench", "data", "metrics", "models", "photos", "rendering"},
    "testing": FOUNDATION | {"delegate"},
    "ai_benchmark": FOUNDATION | {"bench", "tflite"},
    "apps": FOUNDATION | {"tflite"},
    "web": FOUNDATION | {"apps", "tflite"},
    "exporting": FOUNDATION | {"models", "tflite", "delegate"},
    "commands": FOUNDATION
    | {
        "ai_benchmark",
        "apps",
        "bench",
        "converting",
        "data",
        "delegate",
        "evaluation",
        "exporting",
        "models",
        "porting",
        "rendering",
        "repairing",
        "tflite",
        "training",
        "web",
    },
    "cli": FOUNDATION | {"commands"},
    "quiet_start": set(),
    "__main__": {"cli", "program", "quiet_start"},
    "": set(),
}
# What the folders of one room, and the modules beside them, may import of each other.
ROOM_ARROWS: dict[str, dict[str, set[str]]] = {
    "bench": {
        "backends": {"contestant", "host", "phone", "results", "vocabulary"},
        "benchmark_model": {"digits", "results"},
        "contestant": {"results", "subject"},
        "host": {"contestant", "prediction", "results", "subject", "vocabulary"},
        "phone": {
            *(
                "benchmark_model",
                "contestant",
                "digits",
                "host",
                "prediction",
                "results",
                "subject",
            ),
            "vocabulary",
        },
        "prediction": {"results"},
        "report": {"prediction", "results"},
        "report/html": {"report", "results"},
    },
    "data": {
        "alignment": {"journal", "keypoints", "progress", "workers"},
        "inspection": {"journal", "keypoints", "pairs", "progress", "workers"},
        "scenes": {"archives", "journal", "lens", "progress"},
    },
    "converting": {
        "builder": {"children", "exchange", "loading", "sampling", "source"},
        "children": {"exchange", "parity"},
        "convert": {"children", "parity", "rounding", "source"},
        "loading": {"source"},
        "measurer": {"children", "exchange", "sampling"},
        "quantiser": {"children", "exchange"},
        "page": {"convert", "report"},
        "report": {"convert", "parity"},
    },
    "delegate": {
        "audit": {"rules"},
        "bisecting": {"probing"},
        "check": {
            *(
                "audit",
                "bisecting",
                "classic_gl",
                "findings",
                "linting",
                "probing",
                "reconciliation",
                "unchecked",
            ),
        },
        "classic_gl": {"probing"},
        "engines": {"probing", "unchecked"},
        "judging": {"check", "findings", "probing", "unchecked"},
        "linting": {"findings", "rules"},
        "reconciliation": {"findings", "probing", "unchecked"},
        "rules": {"findings"},
        "writers": {
            *(
                "audit",
                "check",
                "engines",
                "findings",
                "judging",
                "linting",
                "probing",
                "rules",
                "unchecked",
            ),
        },
    },
    "repairing": {
        "children": {"proof"},
        "evaluation": {"graph", "nodes"},
        "graph": {"nodes", "operators"},
        "interface": {"graph", "nodes", "recipes", "tidying", "writer"},
        "nodes": {"operators"},
        "passes": {"graph", "nodes", "recipe", "tidying"},
        "proving": {"graph", "interface", "proof"},
        "recipe": {"graph", "nodes", "writer"},
        "recipes": {"evaluation", "graph", "nodes", "recipe", "shapes"},
        "repair": {"children", "interface", "passes", "proof", "recipes", "sizes"},
        "report": {"recipes", "repair", "sizes"},
        "sizes": {"evaluation", "graph", "nodes", "tidying"},
        "tidying": {"graph", "nodes"},
        "worker": {
            "children",
            "graph",
            "interface",
            "nodes",
            "passes",
            "proving",
            "recipe",
            "recipes",
            "sizes",
        },
        "writer": {"graph", "nodes", "operators", "shapes"},
    },
    "tflite": {
        "conversion": {"conversion_child", "converter", "keras_models", "value_ranges"},
        "conversion_child": {"converter"},
        "converter": {"inspection", "keras_models", "metadata"},
        "inspection": {"flatbuffer", "macs", "model_file", "nodes", "options", "reading", "schema"},
        "metadata": {"inspection", "rewriting"},
        "model_file": {"layer_names", "nodes", "unpacking"},
        "nodes": {"options"},
        "options": {"schema"},
        "rewriting": {"reading"},
        "running": {"model_file", "reading", "rewriting"},
        "standard_metadata": {"metadata"},
        "subject": {"inspection", "model_file", "reading"},
        "unpacking": {"nodes"},
    },
    "training": {
        "adversarial": {"distribution", "jobs", "optimizers", "supervised"},
        "callbacks": {"durations"},
        "dry_run": {"durations", "estimates", "session"},
        "estimates": {"supervised"},
        "run": {
            *(
                "callbacks",
                "checkpoints",
                "distribution",
                "handover",
                "manifest",
                "pictures",
                "supervised",
            ),
            "validation",
        },
        "scenes": {"distribution", "jobs", "optimizers"},
        "session": {
            *(
                "adversarial",
                "distribution",
                "gpu_check",
                "run",
                "scenes",
                "subjects",
                "supervised",
            ),
            "validation",
        },
        "subjects": {"distribution", "jobs", "optimizers"},
        "supervised": {"distribution", "jobs", "optimizers"},
        "validation": {"curves", "supervised"},
    },
}
OUTER_ARROWS = {
    "export": FOUNDATION
    | {
        "data",
        "delegate",
        "exporting",
        "metrics",
        "models",
        "photos",
        "rendering",
        "tflite",
        "training",
    },
    "benchmarks": FOUNDATION
    | {
        "bench",
        "data",
        "evaluation",
        "exporting",
        "metrics",
        "models",
        "ops",
        "photos",
        "rendering",
        "tflite",
    },
}
# Where the frameworks may be imported; everything else works with the base install.
KERAS_PARTS = {"ops", "losses", "models", "data", "training"}
TENSORFLOW_FILES = {
    "bokeh_tf/tflite/converter.py",
    "bokeh_tf/tflite/saved_models.py",
    "bokeh_tf/data/pairs/pipeline.py",
    "bokeh_tf/training/adversarial.py",
    "bokeh_tf/training/distribution.py",
    "bokeh_tf/training/pictures.py",
}
KERAS_FILES = {
    "bokeh_tf/exporting.py",
    "bokeh_tf/tflite/conversion.py",
    "bokeh_tf/tflite/conversion_child.py",
    "bokeh_tf/tflite/converter.py",
    "bokeh_tf/tflite/keras_models.py",
    "bokeh_tf/tflite/saved_models.py",
    "bokeh_tf/converting/builder.py",
    "bokeh_tf/converting/loading.py",
    "bokeh_tf/rendering/backends.py",
    "benchmarks/blur_bank.py",
    "export/zoo/practice.py",
}

# A file holds one idea, and more code than this is seldom one; tables, comments and docstrings are
# not counted, because they make an idea easier to read, not larger.
MOST_CODE_LINES = 300
# A function is taken in at one look, from its first statement to its last; a long signature or
# docstring does not make it harder.
MOST_FUNCTION_LINES = 45
# Options that travel together through several functions are one object, however many one
# function alone may have.
MOST_SHARED_OPTIONS = 4
# What is longer than this is not understood from its name and its lines alone; a docstring of
# something shorter is written where it says a shape, a range, a unit or an error, not to have one.
MOST_LINES_WITHOUT_DOCSTRING = 12
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
    """`bokeh_tf.tflite.running.runtime` -> `tflite`; `bokeh_tf` and its `__version__` -> ``."""
    rest = module.removeprefix("bokeh_tf").lstrip(".").split(".")[0]
    return "" if rest.startswith("__version") else rest


def room_and_folder(module):
    """`bokeh_tf.bench.report.facts` -> `bench`, `report`; a module beside a room's
    folders stands for itself.
    """
    parts = module.split(".")
    room, folders = part_of(module), []
    for part in parts[2:]:
        if not (ROOT / "bokeh_tf" / room / Path(*folders, part)).is_dir():
            break
        folders.append(part)
    if (
        room in ROOM_ARROWS
        and len(parts) > 2
        and (ROOT / "bokeh_tf" / room / f"{parts[2]}.py").is_file()
    ):
        folders = [parts[2]]
    return room, "/".join(folders)


def module_of(name):
    """`bokeh_tf/ops/__init__.py` -> `bokeh_tf.ops`."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def arrows_of(path, name):
    """What a file imports of ours: (from, to, module), each a room, and for its own
    room's folders `room/folder`.
    """
    outer = name.split("/")[0]
    room, folder = room_and_folder(module_of(name)) if outer == "bokeh_tf" else (outer, "")
    for module in imports_of(path):
        if module.split(".")[0] != "bokeh_tf" or part_of(module) not in ARROWS:
            continue
        other_room, other_folder = room_and_folder(module)
        if outer != "bokeh_tf" or other_room != room:
            yield room, other_room, module
        elif other_folder not in (folder, ""):
            yield f"{room}/{folder}", f"{room}/{other_folder}", module


def allowed_arrows():
    """All arrows that a file may be the start of, besides those to the foundation."""
    allowed = {room: others - FOUNDATION for room, others in {**ARROWS, **OUTER_ARROWS}.items()}
    for room, folders in ROOM_ARROWS.items():
        for folder, others in folders.items():
            allowed[f"{room}/{folder}"] = {f"{room}/{other}" for other in others}
    return allowed


def forbidden_imports(path, name):
    """What a file imports of ours against the arrows."""
    outer = name.split("/")[0]
    allowed = allowed_arrows()
    wrong = set()
    for start, end, module in arrows_of(path, name):
        foundation = {**ARROWS, **OUTER_ARROWS}.get(start, set()) & FOUNDATION | {""}
        if end not in allowed.get(start, set()) | foundation:
            wrong.add(module)
    for module in imports_of(path):
        if module.split(".")[0] in OUTER_ARROWS and module.split(".")[0] != outer:
            wrong.add(module)
    return wrong


def unused_arrows(allowed, used):
    """(from, to) of what is allowed and not in `used`, a set of such pairs."""
    return {(start, end) for start, ends in allowed.items() for end in ends} - used


def circular_rooms(room_arrows):
    """Rooms in which a folder reaches itself again."""
    found = set()
    for room, arrows in room_arrows.items():
        for start in arrows:
            reached, waiting = set(), list(arrows[start])
            while waiting:
                folder = waiting.pop()
                if folder not in reached:
                    reached.add(folder)
                    waiting += arrows.get(folder, ())
            if start in reached:
                found.add(room)
    return found


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
def test_arrows(name):
    assert not forbidden_imports(ROOT / name, name)


def test_arrows_are_seen_when_broken(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "def f():\n    from bokeh_tf.bench.host.cpu import bench_cpu\n    import export.recipes\n"
    )
    wrong = forbidden_imports(broken, "bokeh_tf/ops/broken.py")
    assert {"bokeh_tf.bench.host.cpu", "export.recipes"} <= wrong
    broken.write_text("from bokeh_tf.bench.report import facts\n")
    assert forbidden_imports(broken, "bokeh_tf/bench/broken.py"), "between the folders of a room"
    assert not forbidden_imports(broken, "bokeh_tf/bench/report/broken.py")


def test_every_arrow_is_used():
    used = {(start, end) for name in MODULES for start, end, _ in arrows_of(ROOT / name, name)}
    assert not unused_arrows(allowed_arrows(), used)


def test_arrows_that_nobody_uses_are_seen():
    assert unused_arrows({"ops": {"photos"}, "data": {"photos"}}, {("data", "photos")}) == {
        ("ops", "photos")
    }


def test_arrows_between_the_folders_of_a_room_go_one_way():
    assert not circular_rooms(ROOM_ARROWS)


def test_circles_between_folders_are_seen():
    circle = {"bench": {"page": {"host"}, "host": {"results"}, "results": {"page"}}}
    assert circular_rooms(circle) == {"bench"}
    assert circular_rooms({"bench": {"page": {"host", "results"}, "host": {"results"}}}) == set()


def test_the_map_draws_these_arrows():
    text = " ".join((ROOT / "WORKSPACE.md").read_text(encoding="utf-8").split())
    drawn = text.partition("Arrows (kept by")[2].partition("are the foundation")[0]
    found = {
        start: set(ends.split(", ")) for start, ends in re.findall(r"(\w+) -> ([a-z_, ]+)\.", drawn)
    }
    outer = {"cli", "commands", *(room for room, ends in ARROWS.items() if ends - FOUNDATION)} - {
        "__main__"
    }
    assert found == {room: ARROWS[room] - FOUNDATION for room in outer if room not in FOUNDATION}


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
    "bokeh_tf.delegate.writers.formats",
    "bokeh_tf.delegate.writers.text",
    "bokeh_tf.testing",
    "bokeh_tf.bench.report.comparison",
    "bokeh_tf.bench.host.run",
    "bokeh_tf.bench.report.terminal",
    "bokeh_tf.converting.report",
    "bokeh_tf.converting.measurer",
    "bokeh_tf.exporting",
    "bokeh_tf.models.catalogue",
    "bokeh_tf.models.listing",
    "bokeh_tf.rendering",
    "bokeh_tf.repairing.report",
    "bokeh_tf.repairing.worker",
    "bokeh_tf.tflite.inspection",
    "bokeh_tf.tflite.running.runtime",
    "bokeh_tf.photos",
    "benchmarks.suites",
    "export.__main__",
    "export.zoo.__main__",
]


def test_base_install_imports_no_framework():
    code = (
        f"import {', '.join(BASE_MODULES)}, sys; print([m for m in ('tensorflow', 'keras',"
        " 'jax') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


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


def statements_of(node):
    """What a module, class or function does, without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def line_count(function):
    """Lines from a function's first statement to its last."""
    statements = statements_of(function)
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


def is_table(node):
    """Whether a statement gives a name to data: a display, a constant, or
    one call such as a record's.
    """
    data = (ast.Dict, ast.List, ast.Set, ast.Tuple, ast.Constant, ast.Call)
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, data)


def code_lines(text):
    """Numbers of the lines that hold code other than tables; comments,
    docstrings and blank lines do not.
    """
    tree = ast.parse(text)
    lines = {node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")}
    for node in ast.walk(tree):
        is_documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if is_documented and ast.get_docstring(node, clean=False) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    for node in filter(is_table, tree.body):
        lines -= set(range(node.lineno, node.end_lineno + 1))
    return lines


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_short(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(code_lines(text)) <= MOST_CODE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert line_count(node) <= MOST_FUNCTION_LINES, node.name


def test_what_counts_as_code():
    text = (
        '"""Says\nwhat."""\n\n# Why.\nTABLE = {\n    1: 2,\n}\n\n\ndef f(x):\n    """Doc."""\n '
        "   return x\n"
    )
    assert code_lines(text) == {10, 12}
    [(function, _)] = functions_of(ast.parse(text))
    assert line_count(function) == 1


def optional_parameters(function):
    """Names of the parameters that have defaults."""
    arguments = function.args
    positional = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {argument.arg for argument in positional} | {
        argument.arg for argument, value in keywords if value
    }


def shared_options(functions):
    """(name, name, parameters) of pairs of functions that share more options than
    one may hand on one by one.
    """
    options = [(function.name, optional_parameters(function)) for function in functions]
    return [
        (one, other, some & more)
        for (one, some), (other, more) in itertools.combinations(options, 2)
        if len(some & more) > MOST_SHARED_OPTIONS
    ]


def test_options_that_travel_together_are_one_object():
    trees = [ast.parse((ROOT / name).read_text(encoding="utf-8")) for name in MODULES]
    assert not shared_options([function for tree in trees for function, _ in functions_of(tree)])


def test_options_that_travel_together_are_seen():
    tree = ast.parse(
        "def f(*, a=1, b=2, c=3, d=4, e=5): ...\ndef g(a=1, b=2, c=3, *, d=4, e=5, f=6): ...\n"
    )
    assert shared_options([function for function, _ in functions_of(tree)]) == [
        ("f", "g", set("abcde"))
    ]


def undocumented(tree):
    """Names of public classes without a docstring, and of public functions
    that are too long for that.
    """
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    long = [
        node for node, _ in functions_of(tree) if line_count(node) > MOST_LINES_WITHOUT_DOCSTRING
    ]
    return [
        node.name
        for node in (*classes, *long)
        if node.name[0] != "_" and not ast.get_docstring(node)
    ]


# Words that say nothing of what a name does not.
_FILLING = {
    *(
        "a",
        "all",
        "an",
        "and",
        "are",
        "as",
        "at",
        "by",
        "for",
        "from",
        "how",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
    ),
    *(
        "one",
        "or",
        "that",
        "the",
        "this",
        "to",
        "what",
        "which",
        "gives",
        "given",
        "makes",
        "return",
        "returns",
    ),
}


def repeats_its_name(node, owners):
    """Whether a docstring says nothing but the name, the class and the parameters."""
    arguments = node.args.args + node.args.kwonlyargs if isinstance(node, ast.FunctionDef) else []
    names = " ".join([node.name, *owners, *(argument.arg for argument in arguments)])
    # Words are alike by their beginnings: "writes" says no more than "write",
    # "MarkDown" is "mark" and "down".
    known = {part[:4] for part in re.findall(r"[A-Z]?[a-z]+", names)}
    known = {part.lower() for part in known}
    said = re.findall(r"[a-z]+", (ast.get_docstring(node) or "none said").lower())
    return all(word in _FILLING or word[:4] in known for word in said)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_are_where_they_say_something(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    assert not undocumented(tree)
    classes = [(node, ()) for node in tree.body if isinstance(node, ast.ClassDef)]
    for node, owners in (*classes, *functions_of(tree)):
        assert not repeats_its_name(node, owners), (
            f"{node.name}: say more, or leave the docstring out"
        )


def test_docstrings_that_say_nothing_are_seen():
    long = "\n".join(f"    {letter} = 1" for letter in "abcdefghijklm")
    method = '    def write_rows(self, path):\n        "Writes the rows."\n'
    tree = ast.parse(f"def work():\n{long}\n\n\nclass Toy:\n{method}")
    assert undocumented(tree) == ["Toy", "work"]
    [(_, _), (method, owners)] = functions_of(tree)
    assert repeats_its_name(method, owners)


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

"""The arrows between rooms, and between the folders of one: which there are, and that each is used."""

import re
from pathlib import Path

import pytest

from tests.house.sources import MODULES, ROOT, imports_of

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
        "folders",
        "hdf5",
        "native_messages",
        "paths",
        "processes",
        "program",
    ),
    *("quiet_start", "stages", "standstill", "zips", ""),
}
ARROWS = {
    "ops": set(),
    "errors": set(),
    "escaping": {"paths"},
    "files": {"errors", "paths"},
    "folders": {"documents", "errors", "files", "paths"},
    "hdf5": {"errors", "paths", "processes", "zips"},
    "paths": {"errors"},
    "checkout": {"paths"},
    "native_messages": set(),
    "processes": {"paths", "standstill"},
    "stages": set(),
    "standstill": set(),
    "zips": set(),
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
    "bench": FOUNDATION | {"tflite", "delegate", "web"},
    "evaluation": FOUNDATION
    | {"bench", "data", "metrics", "models", "photos", "porting", "rendering"},
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
        "backends": {"browser", "contestant", "host", "phone", "results", "vocabulary"},
        "benchmark_model": {"digits", "results"},
        "browser": {"contestant", "host", "results", "subject", "vocabulary"},
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
        "builder": {"children", "exchange", "labelling", "loading", "sampling", "source"},
        "children": {"exchange", "parity"},
        "convert": {"children", "parity", "rounding", "source"},
        "loading": {"source"},
        "measurer": {"children", "exchange", "sampling"},
        "quantiser": {"children", "exchange"},
        "page": {"convert", "report"},
        "report": {"convert", "parity"},
    },
    "delegate": {
        "answer": {"probing"},
        "audit": {"rules"},
        "bisecting": {"probing"},
        "check": {
            *(
                "answer",
                "audit",
                "bisecting",
                "classic_gl",
                "findings",
                "linting",
                "npu_compiler",
                "openvino",
                "probing",
                "reconciliation",
                "rules",
                "unchecked",
            ),
        },
        "classic_gl": {"answer", "probing"},
        "engines": {"findings", "probing", "unchecked"},
        "judging": {"check", "engines", "findings", "probing", "unchecked"},
        "linting": {"findings", "rules"},
        "npu_compiler": {"answer", "plugin_log", "probing", "unchecked"},
        "openvino": {"answer", "plugin_log", "probing", "unchecked"},
        "probing": {"findings", "rules"},
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
        "outcome": {"interface", "passes", "proof"},
        "passes": {"graph", "nodes", "recipe", "tidying"},
        "proving": {"graph", "interface", "proof"},
        "recipe": {"graph", "nodes", "writer"},
        "recipes": {"evaluation", "graph", "nodes", "recipe", "shapes"},
        "repair": {"children", "interface", "outcome", "passes", "proof", "recipes", "sizes"},
        "report": {"outcome", "recipes", "sizes"},
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
        "output_labels": {"associated_files", "flatbuffer", "subject"},
        "rewriting": {"reading"},
        "running": {"inspection", "model_file", "reading", "rewriting"},
        "saved_models": {"reaching_out"},
        "standard_metadata": {"associated_files", "inspection", "metadata"},
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
        "web",
    },
    "benchmarks": FOUNDATION
    | {
        "bench",
        "data",
        "delegate",
        "evaluation",
        "exporting",
        "metrics",
        "models",
        "ops",
        "photos",
        "rendering",
        "repairing",
        "tflite",
    },
}


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
    below = text.partition("models -> ops.")[2].partition("are the foundation")[0]
    assert set(re.findall(r"`(\w+)`", below)) == FOUNDATION - {""}
    drawn = text.partition("Arrows (kept by")[2].partition("are the foundation")[0]
    found = {
        start: set(ends.split(", ")) for start, ends in re.findall(r"(\w+) -> ([a-z_, ]+)\.", drawn)
    }
    outer = {"cli", "commands", *(room for room, ends in ARROWS.items() if ends - FOUNDATION)} - {
        "__main__"
    }
    assert found == {room: ARROWS[room] - FOUNDATION for room in outer if room not in FOUNDATION}

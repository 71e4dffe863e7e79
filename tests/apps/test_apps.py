"""`bokeh-tf app`: the code compiles where a compiler is at hand, says what the file
says, and trusts no name.
"""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel

from bokeh_tf.apps.generation import TARGETS, app_texts
from bokeh_tf.apps.ports import facts_of
from bokeh_tf.cli import main
from bokeh_tf.commands.app import KINDS
from bokeh_tf.models.weights import BASE_FILE, FLAGSHIP_FILE, GUIDED_FILE
from bokeh_tf.tflite.rewriting import pack
from tests.delegate.rules.mldrift_graphs import OP, Graph, options

STUBS = Path(__file__).parent / "stubs"
TIMEOUT_S = 600
# As names in the wild: not a word, a word of the language, the end of a comment, a new
# line to Java even in one.
HOSTILE = (
    "class",
    "*/ int x; //",
    "\\u000a int y;",
    "a\nb",
    "",
    "1x1",
    "größe",
    "@@{asset}",
    "'; alert(1); '",
)

# What a language or a template keeps for itself.
_KEPT_WORDS = """
    and arguments auto co_await const_cast debugger eval export explicit extern found inline
    instanceof interpreter not number or places register results signed static_cast synchronized tensors transient
    typedef typeof wchar_t with xor
"""
KEPT = tuple(_KEPT_WORDS.split())


def renamed(names, types=()):
    """A file whose inputs, floats of the sizes of a photo unless `types` says
    otherwise, bear these names.
    """
    graph = Graph()
    inputs = [
        graph.input((1, 4, 6, 3), dtype)
        for dtype in [*types, *[np.float32] * (len(names) - len(types))]
    ]
    made = [graph.node(OP.RELU, [one], (1, 4, 6, 3), kept=None) for one in inputs if types == ()]
    made = made or [graph.node(OP.CAST, [inputs[0]], (1, 4, 6, 3), kept=options("Cast"))]
    content = graph.file(made[0])
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for index, name in zip(model.subgraphs[0].inputs, names, strict=True):
        model.subgraphs[0].tensors[index].name = name
    return pack(model, size_hint_bytes=len(content))


def files_of(kind, model, folder, *arguments):
    assert main(["app", str(model), "--for", kind, "-o", str(folder), *arguments]) == 0
    return folder


def compiler(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


def assert_compiles(command):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


def assert_java(folder, out):
    sources = [*sorted(STUBS.glob("java/**/*.java")), *sorted(folder.glob("*.java"))]
    assert_compiles(
        [compiler("javac"), "-Xlint:all", "-Werror", "-encoding", "UTF-8", "-d", out, *sources]
    )


def assert_cpp(folder, out):
    out.mkdir()
    program = out / "program.cc"
    program.write_text('#include "gpu_model.h"\n', encoding="utf-8")
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-undefined-inline")
    include = ("-I", folder, "-I", STUBS / "cpp")
    assert_compiles(
        [compiler("g++"), "-std=c++20", "-fsyntax-only", *warnings[:3], *include, program]
    )


def assert_javascript(folder, out):
    out.mkdir()
    page = folder / "index.html"
    if page.exists():
        (script,) = re.findall(
            r'<script type="module">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL
        )
        (out / "page.mjs").write_text(script, encoding="utf-8")
    for source in folder.glob("*.js"):
        shutil.copy(source, out / f"{source.stem}.mjs")
    for module in out.glob("*.mjs"):
        assert_compiles([compiler("node"), "--check", module])


CHECKS = {"android-java": assert_java, "cpp": assert_cpp, "web": assert_javascript}


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize("model", [BASE_FILE, FLAGSHIP_FILE], ids=["photo", "photo and focus"])
def test_the_code_compiles(kind, model, tmp_path):
    CHECKS[kind](files_of(kind, model, tmp_path / "app"), tmp_path / "out")


@pytest.mark.parametrize("kind", CHECKS)
def test_hostile_names_compile_and_stay_names(kind, tmp_path):
    path = tmp_path / "a b'\"$`;.tflite"
    path.write_bytes(renamed((*HOSTILE, *KEPT)))
    folder = files_of(kind, path, tmp_path / "app")
    CHECKS[kind](folder, tmp_path / "out")
    assert (folder / "a_b.tflite").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", TARGETS)
def test_no_name_reaches_the_code_but_as_words(name):
    texts = app_texts(facts_of(renamed(HOSTILE)), TARGETS[name])
    for text in texts.values():
        assert "alert(1);" not in text and "int x;" not in text and "\\u000a" not in text
        assert "@@" not in text and "a\nb" not in text


@pytest.mark.parametrize("name", TARGETS)
def test_the_file_s_names_shapes_and_ranges_are_filled_in(name):
    texts = app_texts(facts_of(FLAGSHIP_FILE), TARGETS[name])
    code = "\n".join(texts.values())
    for words in (
        "image: float32 [1, 1024, 1536, 3] from 0 to 1",
        "rendered: float32",
        "subject_confidence: float32",
    ):
        assert words in code
    assert "dbsi_mobile_focus_float16_1024x1536.tflite" in code
    assert TARGETS[name].tried in code


def test_the_command_offers_every_target():
    assert set(KINDS) == set(TARGETS)


def test_identifiers_differ():
    names = ("a b", "a_b", "A-B", "a b 1", "mask_1_2", "mask_12", "mask12")
    ports = facts_of(renamed(names)).inputs
    assert len({port.camel for port in ports}) == len({port.snake for port in ports}) == len(names)


def test_ranges_are_asked_for_not_guessed(tmp_path):
    content = renamed(("photo",))
    facts = facts_of(content)
    assert facts.photo is None and facts.picture is None
    assert "--input-range" in app_texts(facts, TARGETS["web"])["README.md"]
    assert "index.html" not in app_texts(facts, TARGETS["web"])
    facts = facts_of(content, input_range=(-1, 1))
    assert facts.photo.value_range == (-1, 1)
    assert "--output-range" in app_texts(facts, TARGETS["web"])["README.md"]
    facts = facts_of(content, input_range=(-1, 1), output_range=(0, 255))
    texts = app_texts(facts, TARGETS["web"])
    assert "[LOW, HIGH] = [-1, 1]" in texts["photos.js"]
    assert "[PICTURE_LOW, PICTURE_HIGH] = [0, 255]" in texts["photos.js"]


def test_what_no_photo_holds_is_named():
    facts = facts_of(GUIDED_FILE)
    assert facts.photo is None
    for name in ("android-kotlin", "android-java", "web"):
        readme = app_texts(facts, TARGETS[name])["README.md"]
        assert "no photo holds, focus and guide, so" in readme and "--input-range" not in readme
    assert facts_of(FLAGSHIP_FILE).beside_photo == ()


def test_buffers_follow_the_graph_not_the_signature(tmp_path):
    """Which is why the code may number them: measured on the runtime itself."""
    graph = Graph()
    inputs = [graph.input((1, 2, 2, 1)) for _ in range(2)]
    content = graph.file(graph.node(OP.SUB, inputs, (1, 2, 2, 1), kept=options("Sub")))
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    first, second = model.subgraphs[0].inputs
    signature.inputs = [entry("subtracted", second), entry("whole", first)]
    signature.outputs = [entry("difference", model.subgraphs[0].outputs[0])]
    model.signatureDefs = [signature]
    path = tmp_path / "swapped.tflite"
    path.write_bytes(pack(model, size_hint_bytes=len(content)))
    compiled = CompiledModel.from_file(str(path))
    buffers, results = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    for buffer, value in zip(buffers, (5, 2), strict=True):
        buffer.write(np.full((1, 2, 2, 1), value, np.float32))
    compiled.run_by_index(0, buffers, results)
    assert results[0].read(4, np.float32) == pytest.approx(3)


def entry(name, tensor):
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name, int(tensor)
    return made


def test_a_type_without_arrays_is_one_line(tmp_path, capsys):
    path = tmp_path / "bytes.tflite"
    path.write_bytes(renamed(("photo",), types=(np.uint8,)))
    assert main(["app", str(path), "--for", "web", "-o", str(tmp_path / "app")]) == 1
    error = capsys.readouterr().err
    assert "photo is uint8" in error and "--allow-interface" in error and error.count("\n") == 1
    assert not (tmp_path / "app").exists()
    assert main(["app", str(path), "--for", "cpp", "-o", str(tmp_path / "app")]) == 0
    assert "const std::vector<uint8_t>& photo" in (tmp_path / "app" / "gpu_model.h").read_text(
        encoding="utf-8"
    )


def test_nothing_there_is_replaced_unasked(tmp_path, capsys):
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "README.md").write_text("mine", encoding="utf-8")
    command = ["app", str(BASE_FILE), "--for", "swift", "-o", str(folder)]
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    assert main([*command, "--overwrite"]) == 0
    assert "Swift" in (folder / "README.md").read_text(encoding="utf-8")


def test_what_an_earlier_run_wrote_is_written_again_and_what_was_changed_is_kept(tmp_path, capsys):
    folder = tmp_path / "app"
    command = ["app", str(BASE_FILE), "--for", "swift", "-o", str(folder)]
    assert main(command) == 0
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(command) == 0
    assert {path: path.read_bytes() for path in written} == written
    # Another kind of app shares the README alone, and that is as it was written.
    assert main(["app", str(BASE_FILE), "--for", "web", "-o", str(folder)]) == 0
    assert main(command) == 0
    (folder / "README.md").write_text("mine", encoding="utf-8")
    capsys.readouterr()
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "README.md: exists already, and is not as bokeh-tf wrote it" in error
    assert (folder / "README.md").read_text(encoding="utf-8") == "mine"


def test_limits_the_wrong_way_round_are_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(
            ["app", str(BASE_FILE), "--for", "web", "-o", str(tmp_path), "--input-range", "1", "0"]
        )
    assert stop.value.code == 2 and "lower number first" in capsys.readouterr().err


def test_a_folder_that_cannot_be_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    command = ["app", str(BASE_FILE), "--for", "cpp", "-o"]
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main([*command, str(place)]) == 1
        assert "is no folder" in capsys.readouterr().err

"""A vendor's NPU compiler: what is made of each way in which LiteRT's tool may end, and the real
tool, which finds none of the vendors' libraries here.
"""

import json
import shlex
import sys

import pytest

from bokeh_tf.cli import main
from bokeh_tf.delegate.check import FAILED, NOT_CHECKED, PASSED
from bokeh_tf.delegate.npu_compiler.engine import run
from bokeh_tf.delegate.npu_compiler.vendors import VENDORS, NpuCompiler
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.tflite.subject import subject_of
from tests.delegate.rules.rule_graphs import build_graph

GRAPH = "RELU v1: float32[1,4,4,8] -> float32[1,4,4,8]"
PART = (
    "INFO: [compiler_plugin.cc:742] Partitioned subgraph<0>, selected {} ops, from a total of {}"
    " ops. resulted in {} partitions.\n"
)
WHOLE = PART.format(5, 5, 1)
LEFT = "INFO: [plugin.cc:497] op type 59 is not supported\n" + PART.format(3, 5, 2)
WRITES = 'for one; do case "$one" in --o=*) printf TFL3 > "${one#--o=}";; esac; done\n'
# What the tool of ai-edge-litert 2.3 wrote for the flagship where a vendor's library was missing.
WITHOUT_QUALCOMM = (
    "WARNING: [compiler_plugin.cc:312] Failed to load plugin at: /v/libPlugin.so with error:"
    " ERROR: [litert/compiler/plugin/compiler_plugin.cc:259]\n"
    "└ Could not load shared library /v/libPlugin.so: libQnnHtp.so: cannot open shared object file:"
    " No such file or directory.\n"
)
UNFIT = (
    "└ Could not load shared library /v/libPlugin.so: /v/libPlugin.so: undefined symbol: _ZN1.\n"
)
WITHOUT_MEDIATEK = (
    "INFO: [neuron_adapter_api.cc:309] libneuron_sys_util.mtk.so not found\n"
    "ERROR: [neuron_adapter_api.cc:65] Failed to load NeuronAdapter shared library: Failed to load"
    " NeuronAdapter shared library\n"
)
THROWN = (
    "ERROR: [plugin.cc:714] Exception in compilation: Exception from src/x.cpp:5:\n"
    "too large for the chip\n\nERROR: [apply_plugin.cc:455] ERROR: [plugin.cc:504]\n"
)
# By name: what the tool writes to stderr, what it does then; verdict and reasons.
SAID = {
    "compiled": (WHOLE, WRITES, Verdict.TAKEN, ()),
    "a part": (LEFT, WRITES, Verdict.REFUSED, ("2 operators stay on the CPU: NEG",)),
    "not compiled": (WHOLE + THROWN, "exit 248", Verdict.REFUSED, ("too large for the chip",)),
    "nothing written": (WHOLE + "Done", "", Verdict.REFUSED, ("Done",)),
    "crashed": (WHOLE, "kill -SEGV $$", Verdict.CRASHED, ("the compiler dies (SIGSEGV)",)),
    "no library": (
        WITHOUT_QUALCOMM,
        "exit 6",
        Verdict.UNAVAILABLE,
        ("libQnnHtp.so is not in libraries",),
    ),
    "no adapter": (
        WITHOUT_MEDIATEK,
        "exit 246",
        Verdict.UNAVAILABLE,
        ("NeuronAdapter is not in libraries",),
    ),
    "another release": (
        UNFIT,
        "exit 6",
        Verdict.UNAVAILABLE,
        ("the runtime's plugin cannot be loaded (undefined symbol: _ZN1)",),
    ),
}


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """A folder of a vendor's libraries, named from where it lies."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "libraries").mkdir()
    return "libraries"


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Makes LiteRT's tool write and end as it is told."""
    program = tmp_path / "packages" / "ai_edge_litert" / "tools" / "apply_plugin_main"
    program.parent.mkdir(parents=True)
    (program.parents[1] / "__init__.py").write_text("raise ImportError('not imported')\n")
    monkeypatch.delitem(sys.modules, "ai_edge_litert", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "packages")

    def set_answer(errors, ending=""):
        lines = [
            "#!/bin/sh",
            f'printf "%s\\n" "$LD_LIBRARY_PATH" "$@" > {shlex.quote(str(tmp_path / "asked"))}',
            f"printf %s {shlex.quote(errors)} >&2",
            ending,
        ]
        program.write_text("\n".join(lines), encoding="utf-8")
        program.chmod(0o755)

    return set_answer


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(build_graph(GRAPH))
    return path


@pytest.mark.parametrize("name", SAID)
def test_each_ending_is_understood(name, tool, libraries):
    *said, verdict, reasons = SAID[name]
    tool(*said)
    found = run(subject_of(build_graph(GRAPH)), NpuCompiler.parse(f"qualcomm:SM8750={libraries}"))
    assert (found.verdict, found.reasons) == (verdict, reasons)


def test_where_nothing_is_parted_nothing_is_said(tool, libraries):
    tool("[LITERT_TOOLS:APPLY] Failed\n", "exit 3")
    found = run(subject_of(build_graph(GRAPH)), NpuCompiler.parse(f"google:Tensor_G5={libraries}"))
    assert isinstance(found, Unchecked) and "google Tensor_G5 parted nothing" in found.reason


def test_a_compiler_that_hangs_is_an_answer_too(tool, libraries):
    tool(WHOLE, "sleep 60")
    compiler = NpuCompiler.parse(f"qualcomm:SM8750={libraries}")
    found = run(subject_of(build_graph(GRAPH)), compiler, timeout_s=0.5)
    assert found.verdict is Verdict.TIMED_OUT


def test_the_tool_is_asked_for_the_chip_with_the_vendors_libraries(tool, libraries, tmp_path):
    tool(WHOLE, WRITES)
    run(subject_of(build_graph(GRAPH)), NpuCompiler.parse(f"mediatek:MT6991={libraries}"))
    search_path, *options = (tmp_path / "asked").read_text().splitlines()
    assert search_path.split(":")[0] == str(tmp_path / "libraries")
    assert {"--cmd=apply", "--soc_manufacturer=MediaTek", "--soc_model=MT6991"} <= set(options)
    folder = tmp_path / "packages" / "ai_edge_litert" / "vendors" / "mediatek" / "compiler"
    assert f"--libs={folder}" in options


@pytest.mark.parametrize(
    ("name", "by_compiler"),
    [("compiled", PASSED), ("a part", FAILED), ("crashed", FAILED), ("no library", NOT_CHECKED)],
)
def test_the_command_asks_it_and_says_so(name, by_compiler, tool, libraries, model, capsys):
    tool(*SAID[name][:2])
    named = ["--npu-compiler", f"qualcomm:SM8750={libraries}"]
    quiet = ["check", str(model), "--target", "v2", *named]
    assert main([*quiet, "--fail-on", "npu-compiler"]) == by_compiler
    assert "the vendor's NPU compiler" in capsys.readouterr().out
    # Whoever only asks hears of it, and passes.
    assert main([*quiet, "--format", "json"]) == PASSED
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["npu_compiler"]["verdict"] == str(SAID[name][2])
    word = {"compiled": "compiled", "no library": "not there"}
    expected = word.get(name, str(SAID[name][2]))
    assert file["stands_on"].endswith(f"NPU compiler {expected}")


def test_what_compiled_is_not_called_right(tool, libraries, model, capsys):
    tool(WHOLE, WRITES)
    named = ["--engines", "npu-compiler", "--npu-compiler", f"intel:PTL={libraries}"]
    assert main(["check", str(model), *named]) == PASSED
    words = "the vendor's NPU compiler: taken, not run, for intel PTL, 5 of 5 operators in 1"
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--npu-compiler", "qualcomm"], "--npu-compiler takes VENDOR:SOC=FOLDER"),
        (["--npu-compiler", "qualcomm:=libraries"], "--npu-compiler takes VENDOR:SOC=FOLDER"),
        (["--npu-compiler", "acme:X1=libraries"], "unknown vendor 'acme'. Known: google, intel"),
        (["--npu-compiler", "qualcomm:SM8750=gone"], "'gone' is no folder of libraries"),
        (["--npu-compiler", "qualcomm:SM8750=libraries", "--no-probe"], "exclude each other"),
        (["--engines", "npu-compiler"], "npu-compiler needs --npu-compiler VENDOR:SOC=FOLDER"),
        (["--fail-on", "npu-compiler"], "npu-compiler needs --npu-compiler VENDOR:SOC=FOLDER"),
    ],
)
def test_options_that_make_no_sense_are_named(options, words, libraries, model, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", str(model), *options])
    assert stop.value.code == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_real_tool_says_what_of_the_vendors_is_missing(vendor, libraries):
    pytest.importorskip("ai_edge_litert")
    found = run(subject_of(build_graph(GRAPH)), NpuCompiler.parse(f"{vendor}:none={libraries}"))
    assert found.verdict is Verdict.UNAVAILABLE
    assert "is not in libraries" in found.reasons[0] or "cannot be loaded" in found.reasons[0]

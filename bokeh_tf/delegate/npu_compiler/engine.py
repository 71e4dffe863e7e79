"""A vendor's NPU compiler asked about one file: LiteRT's own tool loads the vendor's plugin, parts
the graph and has each part compiled, in a child process.

That a file compiles says that the vendor's NPU takes it; the numbers are not known, as nothing
runs.
"""

import importlib.util
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.delegate import plugin_log
from bokeh_tf.delegate.answer import Answer
from bokeh_tf.delegate.npu_compiler.vendors import VENDORS, NpuCompiler
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.errors import install
from bokeh_tf.paths import is_file
from bokeh_tf.processes import ChildResult, run_command
from bokeh_tf.stages import stage
from bokeh_tf.tflite.running import gpu_log
from bokeh_tf.tflite.subject import Subject, printable_path

# A large network takes a vendor's compiler minutes.
DEFAULT_TIMEOUT_S = 600.0
_TOOL = Path("tools") / "apply_plugin_main"
_ABSENT = re.compile(
    r"([^\s/:]+): cannot open shared object file|Failed to load (\w+) shared library"
)
_UNFIT = re.compile(r"Could not load shared library \S+: (?:\S+: )?(.+?)\.?$", re.MULTILINE)


@dataclass(frozen=True)
class NpuCompilerReport(Answer):
    """What the compiler made of a file.

    Attributes:
        compiler: the vendor and the chip, in words.
        operators: how many the plugin counts; None, as the next two, where it did not come so far.
        taken: how many of them it takes.
        partitions: the parts that they form.
        compiled_bytes: size of the file with the compiled parts; None where there is none.
        compile_s: seconds that the tool took.
    """

    compiler: str = ""
    operators: int | None = None
    taken: int | None = None
    partitions: int | None = None
    compiled_bytes: int | None = None
    compile_s: float | None = None

    @property
    def figure(self) -> str:
        """For which chip, and how the graph was parted."""
        if self.operators is None:
            return f"for {self.compiler}"
        parting = plugin_log.Parting(self.operators, self.taken or 0, self.partitions or 0)
        return f"for {self.compiler}, {parting}"


def run(
    subject: Subject, compiler: NpuCompiler, *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> NpuCompilerReport | Unchecked:
    """Has `subject` compiled for a chip.

    `Unchecked` is a file of which the compiler says nothing.
    """
    package = _runtime_folder()
    if package is None or not is_file(package / _TOOL):
        reason = f"the runtime has no {_TOOL.name}. Run: {install('run')}"
        return NpuCompilerReport(Verdict.UNAVAILABLE, (reason,), compiler=str(compiler))
    with (
        tempfile.TemporaryDirectory(prefix="bokeh-npu-") as folder,
        stage(f"compiling for {compiler}"),
    ):
        model, compiled = Path(folder) / "model.tflite", Path(folder) / "compiled.tflite"
        model.write_bytes(subject.content)
        done = _ask(package, compiler, model, compiled, timeout_s)
        size_bytes = compiled.stat().st_size if is_file(compiled) else None
    return _judged(subject, compiler, done, size_bytes)


def _runtime_folder():
    found = importlib.util.find_spec("ai_edge_litert")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0])


def _ask(package, compiler, model, compiled, timeout_s) -> ChildResult:
    vendor = VENDORS[compiler.vendor]
    libraries = str(compiler.libraries.absolute())
    search_path = filter(None, [libraries, os.environ.get("LD_LIBRARY_PATH")])
    command = [
        str(package / _TOOL),
        "--cmd=apply",
        f"--model={model}",
        f"--o={compiled}",
        f"--libs={package / 'vendors' / vendor.folder / 'compiler'}",
        f"--soc_manufacturer={vendor.manufacturer}",
        f"--soc_model={compiler.soc}",
    ]
    return run_command(
        command,
        timeout_s=timeout_s,
        environment={"LD_LIBRARY_PATH": os.pathsep.join(search_path)},
    )


def _judged(subject, compiler, done, size_bytes):
    said = plugin_log.parse(done.stderr)

    def report(verdict, *reasons, **more):
        return NpuCompilerReport(verdict, reasons, compiler=str(compiler), **said.counts, **more)

    if done.timed_out:
        return report(Verdict.TIMED_OUT, "time was up while it compiled")
    lacking = _lacking(done.stderr, compiler) if done.return_code else None
    if lacking:
        return report(Verdict.UNAVAILABLE, lacking)
    if done.signal_name:
        return report(Verdict.CRASHED, f"the compiler dies ({done.signal_name})", *said.errors)
    last_line = gpu_log.without_stamp(done.last_line)
    if said.parting is None:
        words = f"the compiler for {compiler} parted nothing ({last_line or done.ending})"
        return Unchecked(subject.label, printable_path(words))
    if not said.is_whole:
        return report(Verdict.REFUSED, said.left, operators_left=said.refused)
    if done.return_code or not size_bytes:
        return report(Verdict.REFUSED, *(said.errors or (last_line,)))
    return report(Verdict.TAKEN, compiled_bytes=size_bytes, compile_s=done.wall_s)


def _lacking(text, compiler):
    """What of the vendor's is not there or does not fit, in one line; None where nothing lacks."""
    absent = _ABSENT.search(text)
    if absent:
        name = absent[1] or absent[2]
        return f"{name} is not in {printable_path(str(compiler.libraries))}"
    unfit = _UNFIT.search(text)
    return f"the runtime's plugin cannot be loaded ({unfit[1]})" if unfit else None

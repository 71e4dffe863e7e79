"""What the fuzzer calls with the bytes of each case: everything of ours that
reads models from anywhere.

A reader returns where all is well and raises otherwise; what it raises beside a
`BokehError` is a finding.
"""

import json
import os
import signal
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bokeh_tf.delegate.check import Report, Steps, check_paths
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.judging.baseline import Baseline
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers import document, github, junit, markdown, sarif, text
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.passes import Journal, run_passes, run_second_forms
from bokeh_tf.repairing.recipes import ON_THE_NPU, RECIPES, WITHOUT_OPENCL
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running.runtime import verify_loads
from tests.fuzz import documents, sources
from tests.fuzz.agreement import DIFFERENT, second_opinion

# Everything a policy can fail on, so that writers have most to say.
POLICY = Policy.parse("refused,wrong,fp16,partitions:2,macs:99")
PATH = "models/größe <&> `|`.tflite"
# As for a user, each case is written in one of them, chosen by its bytes.
WRITERS = (document, github, junit, markdown, sarif, text)
NATIVE_STEP_S = 20.0


@dataclass(frozen=True)
class Limits:
    """Of one case; no limit on memory where a reader's children, which
    inherit it, have their own.
    """

    seconds: float = 10.0
    address_space_bytes: int | None = 1_000_000_000


LIMITS = Limits()


def look_at(content):
    """Reads the file and asks it everything that it answers."""
    model_file = inspect(content)
    for tensor in model_file.tensors:
        values = model_file.values(tensor.index)
        assert values is None or values.shape == tensor.shape
        assert all(
            tensor.index in model_file.operators[n].inputs
            for n in model_file.consumers(tensor.index)
        )
        producer = model_file.producer(tensor.index)
        assert producer is None or tensor.index in model_file.operators[producer].outputs
    for operator in model_file.operators:
        model_file.layer(operator.index)
    return model_file


def check_reports(report):
    """A `TargetReport` keeps its own promises."""
    coverage = report.coverage
    assert 0 <= coverage.nodes_delegated <= coverage.nodes_supported <= coverage.nodes
    assert 0 <= coverage.macs_delegated <= coverage.macs
    assert 0 <= coverage.output_bytes_delegated <= coverage.output_bytes
    for finding in report.findings:
        assert finding.rule.startswith(report.target + ".") and finding.reason


def check_text(judged, writer):
    """The writer writes what a reader of its format takes, and no name from
    the file drives a terminal.
    """
    written = writer.write(judged, POLICY)
    written.encode("utf-8")
    if writer in (document, sarif):
        json.loads(written)
    elif writer is junit:
        ElementTree.fromstring(written)
    else:
        assert all(map(str.isprintable, written.split("\n"))), (
            f"{writer.__name__}: control characters"
        )


def everything(content):
    """The static check for both delegates, and its output in one format."""
    model_file = look_at(content)
    reports = tuple(lint(model_file, target) for target in TARGETS)
    for report in reports:
        check_reports(report)
    judged = (judge(Report(PATH, reports), POLICY),)
    json.loads(Baseline.of(judged, Path()).to_json())
    check_text(judged, WRITERS[zlib.crc32(content) % len(WRITERS)])


def inspection(content):
    """Reading alone."""
    look_at(content)


def native(content):
    """The steps that run the file, in child processes: the interpreter, the
    real delegate, the audit.
    """
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_fuzz_") as folder:
        path = Path(folder) / "größe <&>.tflite"
        path.write_bytes(content)
        steps = Steps(probe=True, audit=True, timeout_s=NATIVE_STEP_S)
        (report,) = check_paths([path], steps)
        for writer in WRITERS:
            check_text((judge(report, POLICY),), writer)
        for said in (
            report.error,
            *(part.reason for part in (report.probe, report.audit) if isinstance(part, Unchecked)),
        ):
            assert said is None or len(said.splitlines()) == 1, f"not one line: {said!r}"
        verify_loads(path, timeout_s=NATIVE_STEP_S)


# Those that ask the interpreter while they rewrite; the fuzzer's own process
# must not run damaged files.
RUNNING_RECIPES = frozenset({"dense-weights"})


def repairing(content):
    """The rewriting for a repair, its proof, and where that holds a second opinion on it."""
    model_file = inspect(content)
    graph, journal = Graph(content), Journal()
    recipes = tuple(recipe for recipe in RECIPES if recipe.name not in RUNNING_RECIPES)
    run_passes(graph, recipes, journal)
    run_passes(graph, recipes + WITHOUT_OPENCL, journal, without_opencl=True)
    run_second_forms(graph, ON_THE_NPU, journal)
    graph.compact()
    repaired = graph.content()
    rewritten = look_at(repaired)
    for ports in ("inputs", "outputs"):
        before, after = (
            [port.index for port in getattr(one, ports)] for one in (model_file, rewritten)
        )
        assert before == after, f"{ports} are other tensors"
    if journal.applied:
        ended = _in_a_fork(lambda: second_opinion(content, repaired))
        assert ended != DIFFERENT, "a wrong repair"


def _in_a_fork(job):
    """The status of a child that runs `job`, which damaged files may kill or keep for ever."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(int(NATIVE_STEP_S))
    status = 1
    try:
        status = job()
    finally:
        os._exit(status)


READERS = {
    # Keras and HDF5 reserve more address space than models are allowed.
    "documents": (documents.read, Limits(address_space_bytes=4_000_000_000)),
    "everything": (everything, LIMITS),
    "inspection": (inspection, LIMITS),
    # Starting and ending the children takes a few seconds beside their own limit.
    "repair": (repairing, Limits(seconds=2 * NATIVE_STEP_S, address_space_bytes=None)),
    # Each case has a process of its own, with a limit of its own.
    "sources": (sources.read, Limits(seconds=2 * sources.CASE_S, address_space_bytes=None)),
    "native": (native, Limits(seconds=4 * NATIVE_STEP_S, address_space_bytes=None)),
}

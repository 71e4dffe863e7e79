"""The child process of a repair: `python -m bokeh_tf.repairing.worker FOLDER JOB`.

Started by `children` only. FOLDER holds `original.tflite` and the request; the job "rewrite"
leaves `repaired.tflite` there, "prove" compares the two, and each writes `<JOB>.json`.
"""

from dataclasses import asdict

from bokeh_tf.delegate.engines import NPU, OPENGL
from bokeh_tf.errors import BokehError
from bokeh_tf.processes import Job, answer_job
from bokeh_tf.repairing.children import (
    INTERFACE,
    ORIGINAL_NAME,
    PROVE,
    REPAIRED_NAME,
    REWRITE,
)
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.interface import change_interface, leave_out_descriptions
from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.passes import Journal, lint_all, run_passes, run_second_forms
from bokeh_tf.repairing.proving import prove, prove_interface
from bokeh_tf.repairing.recipe import MALFORMED
from bokeh_tf.repairing.recipes import (
    ON_THE_NPU,
    RECIPES,
    SECOND_FORMS,
    WITHOUT_OPENCL,
)
from bokeh_tf.repairing.sizes import NAME as SIZES
from bokeh_tf.repairing.sizes import fix_sizes, has_free_sizes, input_shapes
from bokeh_tf.tflite.associated_files import carried_over


def work(job: Job) -> dict:
    """Does one job and returns its answer."""
    return _JOBS[job.name](job.folder, job.read_request())


def _rewrite(folder, request):
    content = (folder / ORIGINAL_NAME).read_bytes()
    graph, journal = Graph(content), Journal()
    shapes, sizes = None, None
    allowed = set(request["recipes"])
    if has_free_sizes(graph):
        shapes, sizes = _fixed(graph, request) if SIZES in allowed else (None, "not asked for")
    run_passes(graph, _of(RECIPES, allowed), journal, runtime=request["runtime"])
    if request["second_forms"]:
        run_second_forms(graph, _of(SECOND_FORMS, allowed), journal)
    if OPENGL in request["also"]:
        recipes = _of(RECIPES + WITHOUT_OPENCL, allowed)
        run_passes(graph, recipes, journal, runtime=request["runtime"], without_opencl=True)
    if NPU in request["also"]:
        run_second_forms(graph, _of(ON_THE_NPU, allowed), journal)
    left = _left(graph, journal, request["runtime"])
    graph.compact()
    (folder / REPAIRED_NAME).write_bytes(carried_over(graph.content(), content))
    return {
        "applied": [asdict(one) for one in journal.applied],
        "left": left,
        "shapes": shapes,
        "folded": sizes if isinstance(sizes, int) else None,
        "sizes_declined": sizes if isinstance(sizes, str) else None,
    }


def _of(recipes, allowed):
    return tuple(recipe for recipe in recipes if recipe.name in allowed)


def _fixed(graph, request):
    """(sizes of the inputs, how many nodes went), or (None, why not)."""
    before = graph.snapshot()
    try:
        shapes = input_shapes(graph, request["shapes"], batch=request["batch"])
        return shapes, fix_sizes(graph, shapes)
    except Declined as reason:
        graph.restore(before)
        return None, str(reason)


def _left(graph, journal, runtime):
    """What the lint still objects to, with why no recipe mended it."""
    left = []
    for report in lint_all(graph.content(), runtime=runtime):
        for finding in report.findings:
            place = graph.nodes[finding.node].outputs[:1] if finding.node is not None else ()
            why = journal.declined.get(place[0]) if place else None
            left.append(
                {
                    "target": report.target,
                    "rule": finding.rule,
                    "op": finding.op,
                    "layer": finding.layer,
                    "reason": finding.reason,
                    "why": why,
                }
            )
    return left


def _prove(folder, request):
    original, repaired = ((folder / name).read_bytes() for name in (ORIGINAL_NAME, REPAIRED_NAME))
    shapes = request["proof_shapes"]
    return asdict(
        prove(original, repaired, shapes=shapes, bound=request["bound"], photo=request["photo"])
    )


# What there is to say where no port changes.
_UNCHANGED: dict[str, object] = {"changes": [], "shapes": None, "failure": None, "left_out": ()}


def _change_interface(folder, request):
    """Puts the changed file in the place of the original, where the change proves itself."""
    content = (folder / ORIGINAL_NAME).read_bytes()
    graph = Graph(content)
    shapes = None
    if has_free_sizes(graph) and SIZES in request["recipes"]:
        shapes, _ = _fixed(graph, request)
    try:
        changes = change_interface(graph, request["allow"])
    except Declined as reason:
        return {**_UNCHANGED, "failure": str(reason)}
    if not changes:
        return _UNCHANGED
    left_out = leave_out_descriptions(graph)
    changed = carried_over(graph.content(), content)
    proof = prove_interface(content, changed, changes, shapes=shapes, photo=request["photo"])
    if proof.failure is not None:
        return {**_UNCHANGED, "shapes": shapes, "failure": proof.failure}
    (folder / ORIGINAL_NAME).write_bytes(changed)
    entries = [asdict(change) for change in changes]
    return {**_UNCHANGED, "changes": entries, "shapes": shapes, "left_out": left_out}


_JOBS = {REWRITE: _rewrite, PROVE: _prove, INTERFACE: _change_interface}

# What the file's own graph, or a photograph, may be to blame for.
_ERROR_KINDS: dict[type[BaseException], str] = dict.fromkeys((BokehError, *MALFORMED), "file")

if __name__ == "__main__":
    answer_job(work, error_kinds=_ERROR_KINDS)

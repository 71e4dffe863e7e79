"""Repairs that are asked for: files that OpenGL alone, or LiteRT's NPU path, does not take."""

import pytest

from bokeh_tf.cli import main
from bokeh_tf.delegate.classic_gl.engine import default_python, run
from bokeh_tf.delegate.findings import TargetVerdict
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.passes import Journal, lint_all, run_passes, run_second_forms
from bokeh_tf.repairing.proving import prove
from bokeh_tf.repairing.recipes import (
    ALL_RECIPES,
    ALSO,
    ON_THE_NPU,
    RECIPES,
    WITHOUT_OPENCL,
)
from bokeh_tf.repairing.repair import repair
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.subject import subject_of
from tests.delegate.rules.rule_graphs import build_graph
from tests.repairing.wider_cases import (
    MATRICES,
    NORMALISED,
    NPU_CASES,
    OPENGL_CASES,
    QUANTISED_MEAN,
)

BOUNDS = {recipe.name: recipe.bound for recipe in ALL_RECIPES}
ALL = [(name, number) for name, graphs in OPENGL_CASES.items() for number in range(len(graphs))]


def without_opencl(content):
    return [finding for report in lint_all(content) for finding in report.without_opencl]


def widened(content):
    """(the file rewritten for OpenGL too, the journal)."""
    graph, journal = Graph(content), Journal()
    run_passes(graph, RECIPES + WITHOUT_OPENCL, journal, without_opencl=True)
    graph.compact()
    return graph.content(), journal


def ports(content):
    model_file = inspect(content)
    return [
        (port.index, port.name, port.dtype, port.shape)
        for port in (*model_file.inputs, *model_file.outputs)
    ]


def test_every_recipe_has_a_case():
    assert {recipe.name for recipe in WITHOUT_OPENCL} <= set(OPENGL_CASES)
    assert {recipe.name for recipe in ON_THE_NPU} == set(NPU_CASES)


@pytest.mark.parametrize(("name", "number"), ALL)
def test_opengl_objects_before_and_not_after_and_the_numbers_are_equal(name, number):
    content = OPENGL_CASES[name][number]
    assert without_opencl(content)
    result, journal = widened(content)
    assert name in {one.recipe for one in journal.applied}
    assert without_opencl(result) == []
    assert {report.verdict for report in lint_all(result)} == {TargetVerdict.COMPATIBLE}
    bound = sum(BOUNDS[one] for one in {one.recipe for one in journal.applied})
    proof = prove(content, result, shapes=None, bound=bound)
    assert proof.failure is None and (bound or proof.largest == 0)
    assert ports(result) == ports(content)


@pytest.mark.parametrize("name", list(NPU_CASES))
def test_operators_that_the_npu_leaves_are_exchanged(name):
    (content,) = NPU_CASES[name]
    before, graph, journal = Graph(content), Graph(content), Journal()
    run_second_forms(graph, ON_THE_NPU, journal)
    assert [one.recipe for one in journal.applied] == [name]
    assert before.nodes[0].name not in {node.name for node in graph.nodes}
    proof = prove(content, graph.content(), shapes=None, bound=0)
    assert (proof.failure, proof.largest) == (None, 0)
    assert ports(graph.content()) == ports(content)


@pytest.mark.parametrize("number", range(3))
def test_a_quantised_mean_by_tiles_is_one_of_a_row(number):
    result, journal = widened(OPENGL_CASES["opengl-quantised-mean"][number])
    assert [one.recipe for one in journal.applied] == ["opengl-quantised-mean"]
    graph = Graph(result)
    (mean,) = [node for node in graph.nodes if node.name == "MEAN"]
    # The kernel by tiles wants both sides in eights.
    assert graph.shape(mean.inputs[0])[1] == 1


def test_a_mean_of_one_tile_is_a_pooling_alone():
    result, _ = widened(OPENGL_CASES["opengl-tiled-mean"][1])
    assert [node.name for node in Graph(result).nodes] == ["AVERAGE_POOL_2D"]


@pytest.mark.parametrize("sizes", [(7, 8, 16), (8, 8, 6), (64, 64, 4), (256, 256, 12)])
def test_means_that_are_not_computed_by_tiles_or_fill_them_stay(sizes):
    assert not widened(build_graph(QUANTISED_MEAN.format(*sizes)))[1].applied


def test_a_mean_by_tiles_is_exchanged_only_where_opengl_is_asked_for():
    text = (
        QUANTISED_MEAN.format(8, 8, 4).replace("-> float32[1,4]", "-> d = float32[1,4]")
        + "\nSUM v1 {keep_dims=1}: d, constant int32[1] (1) -> float32[1,1]"
    )
    wider = repair(build_graph(text), probe=False, also=["opengl"])
    assert wider.is_whole and wider.proof.largest == 0
    assert {one.recipe for one in wider.applied} == {"opengl-sums", "opengl-quantised-mean"}
    text = text.replace("-> float32[1,1]", "-> s = float32[1,1]\nNEG v1: s -> float32[1,1]")
    on_the_npu = repair(build_graph(text), probe=False, also=["npu"])
    assert [one.recipe for one in on_the_npu.applied] == ["npu-negative"]


def test_a_channel_shuffle_is_one_convolution_and_a_pixel_shuffle_one_more_node():
    names = [
        [node.name for node in Graph(widened(OPENGL_CASES["opengl-transpose"][number])[0]).nodes]
        for number in (3, 4, 5)
    ]
    assert names[0] == ["CONV_2D"]
    assert names[1][-1] == "DEPTH_TO_SPACE" and names[2][0] == "SPACE_TO_DEPTH"
    assert all("TRANSPOSE" not in one for one in names)


def test_only_what_is_asked_for_is_rewritten():
    content = build_graph(NORMALISED)
    plain = repair(content, probe=False)
    assert plain.content is None and plain.notes
    wider = repair(content, probe=False, also=["npu", "opengl"])
    assert wider.is_whole and without_opencl(wider.content) == []
    assert {"opengl-sums", "opengl-operands", "npu-negative"} == {
        one.recipe for one in wider.applied
    }
    npu = repair(content, probe=False, also=["npu"])
    assert [one.recipe for one in npu.applied] == ["npu-negative"]


def test_what_opengl_would_still_refuse_stays_as_it_is_and_a_note_says_why():
    wider = repair(build_graph(MATRICES), probe=False, also=ALSO)
    assert [one.recipe for one in wider.applied] == ["npu-negative"]
    (note,) = [note for note in wider.notes if note.startswith("--also opengl")]
    assert "BATCH_MATMUL has no kernel for OpenGL" in note


def test_usage(tmp_path, capsys):
    with pytest.raises(ValueError, match=r"what else to repair for.*'vulkan'.*Known: opengl, npu"):
        repair(build_graph(NORMALISED), also=["vulkan"])
    model, out = tmp_path / "model.tflite", tmp_path / "out.tflite"
    model.write_bytes(build_graph(NORMALISED))
    with pytest.raises(SystemExit) as left:
        main(["repair", str(model), "-o", str(out), "--also", "vulkan"])
    assert left.value.code == 2 and "--also takes opengl, npu" in capsys.readouterr().err
    options = ["repair", str(model), "-o", str(out), "--no-probe", "--also", "opengl,npu"]
    assert main(options) == 0
    assert "opengl-sums: 1 x MEAN" in capsys.readouterr().out
    assert without_opencl(out.read_bytes()) == []


@pytest.mark.slow
@pytest.mark.skipif(
    default_python() is None, reason="BOKEH_CLASSIC_GL_PYTHON names no Python with mediapipe"
)
@pytest.mark.parametrize(("name", "number"), ALL)
def test_the_classic_engine_takes_them(name, number):
    result, _ = widened(OPENGL_CASES[name][number])
    found = run(subject_of(result), python=default_python())
    assert found.verdict is Verdict.FULL, found.reasons


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("name", [*OPENGL_CASES, *NPU_CASES])
def test_the_real_delegate_still_takes_them(name, gpu):
    for content in (OPENGL_CASES | NPU_CASES)[name]:
        wider = repair(content, also=ALSO)
        assert wider.probe.verdict is Verdict.FULL
        assert wider.applied

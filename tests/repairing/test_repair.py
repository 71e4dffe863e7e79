"""`bokeh-tf repair` as a whole: the command, the proof that says no, and what is never written."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.cli import main
from bokeh_tf.errors import ModelFileError
from bokeh_tf.repairing import repair as repairing
from bokeh_tf.repairing.graph import Graph as Rewritten
from bokeh_tf.repairing.passes import Journal, lint_all, run_passes
from bokeh_tf.repairing.proving import KEPT, PLAIN, XNNPACK, prove
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes import RECIPES
from bokeh_tf.repairing.tidying import tidy
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.metadata import with_metadata
from bokeh_tf.tflite.rewriting import unpack
from bokeh_tf.tflite.running.runtime import load
from tests.delegate.rules.mldrift_graphs import IMAGE, OP, Graph, ints, one, options
from tests.repairing.cases import CASES
from tests.repairing.graphs import Quantised, halves_added, noise, upsampled

ROUND = {recipe.name: recipe for recipe in RECIPES}["round"]


def reshape(graph, tensor, shape):
    kept = options("Reshape", newShape=ints(*shape))
    return graph.node(OP.RESHAPE, [tensor, ints(*shape)], shape, kept=kept)


def view_twice():
    """Two RESHAPEs of one tensor to one shape, each changed by an activation: computed in place by
    plain kernels.
    """
    graph = Graph()
    x = graph.node(OP.SQUARE, [graph.input((1, 1, 4, 4))], (1, 1, 4, 4))
    first, second = (reshape(graph, x, (1, 4, 4, 1)) for _ in range(2))
    made = [graph.node(OP.EXP, [first], (1, 4, 4, 1)), graph.node(OP.NEG, [second], (1, 4, 4, 1))]
    return graph.file(graph.node(OP.ADD, made, (1, 4, 4, 1), kept=options("Add")))


def nodes_of(content):
    return [operator.name for operator in inspect(content).operators]


def rewritten(content, *recipes):
    graph = Rewritten(content)
    run_passes(graph, recipes, Journal())
    graph.compact()
    return graph.content()


def test_command_repairs_and_leaves_the_file_alone(tmp_path, capsys):
    source, target = tmp_path / "in.tflite", tmp_path / "out.tflite"
    source.write_bytes(upsampled())
    assert main(["repair", str(source), "-o", str(target), "--no-probe"]) == 0
    assert source.read_bytes() == upsampled()
    printed = capsys.readouterr().out
    assert (
        "incompatible -> compatible" in printed
        and "nearest: 1 x TILE" in printed
        and "the same bits" in printed
    )
    assert main(["check", str(target), "--no-probe"]) == 0
    assert sorted(tmp_path.iterdir()) == [source, target]
    image = noise(1, 4, 6, 8)
    assert (load(source).run(image)[0] == load(target).run(image)[0]).all()


def test_json(tmp_path, capsys):
    source = tmp_path / "in.tflite"
    source.write_bytes(upsampled())
    assert main(["repair", str(source), "--dry-run", "--no-probe", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1 and document["is_whole"] and document["written"] is None
    assert [target["after"]["verdict"] for target in document["targets"]] == ["compatible"] * 2
    assert [one["recipe"] for one in document["repaired"]] == ["nearest"]
    assert document["proof"]["failure"] is None and document["proof"]["modes"] == [
        KEPT,
        PLAIN,
        XNNPACK,
    ]


def test_what_cannot_be_repaired_is_said_and_nothing_written(tmp_path, capsys):
    source, target = tmp_path / "in.tflite", tmp_path / "out.tflite"
    kept = options("ArgMin", outputType=schema.TensorType.INT32)
    source.write_bytes(one(OP.ARG_MIN, [IMAGE, ints(3)], (1, 6, 8), kept=kept, dtype=np.int32))
    assert main(["repair", str(source), "-o", str(target), "--no-probe"]) == 3
    printed = capsys.readouterr().out
    assert "not repaired:" in printed and "ARG_MIN" in printed and "nothing written" in printed
    assert not target.exists()


def test_a_sound_file_stays_as_it_is(tmp_path, capsys):
    source, target = tmp_path / "in.tflite", tmp_path / "out.tflite"
    source.write_bytes(one(OP.RELU, [IMAGE], IMAGE))
    assert main(["repair", str(source), "-o", str(target), "--no-probe"]) == 0
    assert "nothing to repair" in capsys.readouterr().out and not target.exists()


def test_only_and_list(tmp_path, capsys):
    source = tmp_path / "in.tflite"
    source.write_bytes(upsampled())
    assert main(["repair", str(source), "--dry-run", "--no-probe", "--only", "squeeze,tile"]) == 0
    assert "tile: 1 x TILE" in capsys.readouterr().out
    assert main(["repair", str(source), "--dry-run", "--no-probe", "--only", "squeeze"]) == 3
    assert main(["repair", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n{recipe.name}\n" in f"\n{listed}" for recipe in RECIPES)


@pytest.mark.parametrize(
    "arguments",
    [
        ["in.tflite"],
        [],
        ["in.tflite", "--dry-run", "--only", "nothing"],
        ["in.tflite", "--dry-run", "--input-shape", "1,2"],
        ["in.tflite", "--dry-run", "--timeout", "0"],
    ],
)
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit) as ended:
        main(["repair", *arguments])
    assert ended.value.code == 2


def test_bad_files_are_one_line(tmp_path, capsys):
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(upsampled()[:200])
    for path in (damaged, tmp_path / "missing.tflite"):
        assert main(["repair", str(path), "-o", str(tmp_path / "out.tflite")]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    source = tmp_path / "in.tflite"
    source.write_bytes(upsampled())
    assert main(["repair", str(source), "-o", str(source)]) == 1
    assert "would replace it" in capsys.readouterr().err and source.read_bytes() == upsampled()
    with pytest.raises(ModelFileError):
        repairing.repair(b"TFL3")
    with pytest.raises(ValueError, match="Known"):
        repairing.repair(upsampled(), recipes=("nothing",))


def half_up(writer, node):
    """Rounds ties up instead of to the even number."""
    shape = writer.graph.shape(node.outputs[0])
    shifted = writer.add("ADD", [node.inputs[0], np.array(0.5, np.float32)], shape)
    writer.deliver(writer.add("FLOOR", [shifted], shape), node.outputs[0])


def test_a_wrong_recipe_does_not_prove_itself():
    """The difference shows on ties alone, so the graph makes some."""
    graph = Graph()
    halves = graph.node(
        OP.MUL, [graph.input(IMAGE), np.asarray(8, np.float32)], IMAGE, kept=options("Mul")
    )
    halves = graph.node(OP.FLOOR, [halves], IMAGE)
    halves = graph.node(OP.MUL, [halves, np.asarray(0.5, np.float32)], IMAGE, kept=options("Mul"))
    content = graph.file(graph.node(OP.ROUND, [halves], IMAGE))
    wrong = rewritten(content, replace(ROUND, rewrite=half_up))
    right = rewritten(content, ROUND)
    assert [report.findings for report in lint_all(wrong)] == [(), ()]
    assert prove(content, wrong, shapes=None, bound=0).failure
    assert prove(content, wrong, shapes=None, bound=1e-3).failure
    assert prove(content, right, shapes=None, bound=0).failure is None


def amplified(*, ends_in_largest=False):
    """Groups whose sums, in another order, differ in the last bit, which becomes all
    there is; and repeated rows, or in their place the two largest of each.
    """
    graph = Graph()
    kept = options("Conv2D", strideH=1, strideW=1)
    weights = [noise(6, 3, 3, 2), noise(6)]
    x = graph.node(
        OP.CONV_2D, [graph.input((1, 6, 8, 6)), *weights], (1, 6, 8, 6), kept=kept, version=6
    )
    x = graph.node(OP.MUL, [x, np.asarray(1e6, np.float32)], (1, 6, 8, 6), kept=options("Mul"))
    x = graph.node(OP.SIN, [x], (1, 6, 8, 6))
    if ends_in_largest:
        values, places = graph.made((1, 6, 8, 2)), graph.made((1, 6, 8, 2), np.int32)
        graph.operator(OP.TOPK_V2, [x, graph.made(np.asarray(2, np.int32))], [values, places])
        return graph.file(values, places)
    wide = graph.node(
        OP.TILE, [reshape(graph, x, (1, 6, 1, 8, 6)), ints(1, 1, 2, 1, 1)], (1, 6, 2, 8, 6)
    )
    return graph.file(reshape(graph, wide, (1, 12, 8, 6)))


def test_what_does_not_prove_itself_is_rolled_back():
    result = repairing.repair(amplified(), probe=False)
    assert [one.recipe for one in result.rolled_back] == ["grouped-convolution"]
    assert "of its range" in result.rolled_back[0].why
    assert [one.recipe for one in result.applied] == ["nearest"]
    assert inspect(result.content).operators[0].name == "CONV_2D" and not result.is_whole
    assert result.exit_code == 3
    assert [one.why for one in result.left] == [f"grouped-convolution: {result.rolled_back[0].why}"]


def test_a_recipe_that_leaves_its_rule_is_undone():
    def same(writer, node):
        made = writer.again(
            node, node.inputs, writer.graph.shape(node.outputs[0]), like=node.outputs[0]
        )
        writer.deliver(made, node.outputs[0])

    useless = Recipe("useless", "nothing", ("*.op.rounding",), frozenset({"ROUND"}), same)
    content, journal = one(OP.ROUND, [IMAGE], IMAGE), Journal()
    graph = Rewritten(content)
    run_passes(graph, (useless,), journal)
    assert journal.applied == [] and [node.name for node in graph.nodes] == ["ROUND"]
    assert "the same objection" in next(iter(journal.declined.values()))


@pytest.mark.parametrize("place", [0, 1])
def test_nodes_that_read_what_comes_later_are_refused(place):
    """Such a file cannot run, and views that read each other would be joined for ever."""
    graph = Graph()
    first = reshape(graph, graph.input(IMAGE), (1, 8, 6, 8))
    graph.file(reshape(graph, first, IMAGE))
    nodes = graph.graph.operators
    nodes[place].inputs = [nodes[1].outputs[0], nodes[place].inputs[1]]
    with pytest.raises(ModelFileError, match="in no order"):
        Rewritten(graph.finish())


def test_equal_views_are_merged_and_the_proof_sees_what_they_would_do():
    content = view_twice()
    graph = Rewritten(content)
    tidy(graph)
    graph.compact()
    merged = graph.content()
    assert nodes_of(content).count("RESHAPE") == 2 and nodes_of(merged).count("RESHAPE") == 1
    assert prove(content, merged, shapes=None, bound=0).failure is None


def test_proof_looks_inside():
    """Outputs that hide a fault (here: a product with 0) are not all that is compared."""
    graphs = []
    for code in (OP.EXP, OP.SQUARE):
        graph = Graph()
        inner = graph.node(code, [graph.input(IMAGE)], IMAGE)
        graphs.append(
            graph.file(
                graph.node(OP.MUL, [inner, np.asarray(0, np.float32)], IMAGE, kept=options("Mul"))
            )
        )
    assert "tensor" in prove(*graphs, shapes=None, bound=0).failure


def test_proof_needs_numbers():
    content = one(OP.LOG, [IMAGE], IMAGE)
    graph = Graph()
    below = graph.node(
        OP.SUB, [graph.input(IMAGE), np.asarray(9, np.float32)], IMAGE, kept=options("Sub")
    )
    never = graph.file(graph.node(OP.LOG, [below], IMAGE))
    assert prove(content, content, shapes=None, bound=0).failure is None
    assert "no finite number" in prove(never, never, shapes=None, bound=0).failure


def free_sizes(*, signature=(-1, -1, -1, 8)):
    """A flatten whose batch is read from SHAPE, as Keras writes it for a free batch."""
    graph = Quantised()
    x = graph.input((1, 1, 1, 8))
    graph.graph.tensors[x].shapeSignature = ints(*signature)
    graph.graph.tensors[x].hasRank = True
    sizes = graph.node(
        OP.SHAPE, [x], (4,), kept=options("Shape", outType=schema.TensorType.INT32), dtype=np.int32
    )
    rows = graph.node(
        OP.SLICE, [sizes, ints(0), ints(1)], (1,), kept=options("Slice"), dtype=np.int32
    )
    rest = graph.made(ints(-1))
    target = graph.node(
        OP.CONCATENATION, [rows, rest], (2,), kept=options("Concatenation", axis=0), dtype=np.int32
    )
    flat = graph.node(
        OP.RESHAPE,
        [graph.node(OP.RELU, [x], (1, 1, 1, 8)), target],
        (1, 8),
        kept=options("Reshape"),
    )
    for tensor in (flat, flat - 1):
        shape = (-1, -1) if tensor == flat else signature
        graph.graph.tensors[tensor].shapeSignature = ints(*shape)
    return graph.file(flat)


def test_free_sizes_are_fixed_and_what_they_decide_folded():
    result = repairing.repair(free_sizes(), probe=False, input_shapes=[(1, 4, 6, 8)])
    assert result.is_whole and result.shapes == ((1, 4, 6, 8),)
    assert nodes_of(result.content) == ["RELU", "RESHAPE"]
    ports = inspect(result.content)
    assert ports.inputs[0].shape == (1, 4, 6, 8) and ports.outputs[0].shape == (1, 192)
    assert not any(tensor.is_dynamic for tensor in ports.tensors)
    image = noise(1, 4, 6, 8)
    assert (load(result.content).run(image)[0] == np.maximum(image, 0).reshape(1, -1)).all()


def test_a_free_batch_is_one_and_other_free_sizes_are_asked_for():
    result = repairing.repair(free_sizes(signature=(-1, 1, 1, 8)), probe=False, batch=3)
    assert result.is_whole and result.shapes == ((3, 1, 1, 8),)
    asked = repairing.repair(free_sizes(), probe=False)
    assert asked.content is None and "--input-shape" in asked.notes[0]
    wrong = repairing.repair(free_sizes(), probe=False, input_shapes=[(1, 4, 6, 7)])
    assert wrong.content is None and "does not fit" in wrong.notes[0]


@pytest.mark.gpu
def test_the_real_delegate_takes_the_repaired_file(gpu):
    result = repairing.repair(upsampled(), timeout_s=300)
    assert result.probe.verdict == "full" and result.is_whole


@pytest.mark.gpu
def test_what_the_real_delegate_computes_wrong_is_right_afterwards(gpu):
    result = repairing.repair(CASES["split-operands"][0], timeout_s=300)
    assert result.probe.verdict == "full" and result.is_whole
    assert [one.recipe for one in result.applied] == ["split-operands"]


@pytest.mark.gpu
def test_a_second_form_is_tried_where_the_first_is_computed_wrong(gpu):
    # Without the recipe that the rule on parts of a SPLIT names, the delegate's word alone is left.
    known = ("ceil", "split-slices")
    result = repairing.repair(halves_added(after=OP.CEIL), recipes=known, timeout_s=300)
    assert result.probe.verdict == "full" and result.is_whole
    assert tuple(one.recipe for one in result.applied) == known


def test_cases_are_refused_by_someone():
    assert all(
        any(report.findings for report in lint_all(content))
        for one in CASES.values()
        for content in one
    )


def largest_of_bytes():
    """Bytes made floats, the place of the largest channel, and flags."""
    graph = Graph()
    kept = options(
        "Cast", inDataType=schema.TensorType.UINT8, outDataType=schema.TensorType.FLOAT32
    )
    x = graph.node(OP.CAST, [graph.input((1, 6, 8, 5), np.uint8)], (1, 6, 8, 5), kept=kept)
    kept = options("ArgMax", outputType=schema.TensorType.INT64)
    place = graph.node(OP.ARG_MAX, [x, ints(3)], (1, 6, 8), kept=kept, dtype=np.int64)
    halves = [
        graph.node(
            OP.SLICE,
            [x, ints(0, 0, 0, begin), ints(1, 6, 8, 2)],
            (1, 6, 8, 2),
            kept=options("Slice"),
        )
        for begin in (0, 2)
    ]
    flag = graph.node(OP.GREATER, halves, (1, 6, 8, 2), kept=options("Greater"), dtype=bool)
    return graph.file(place, flag)


def test_ports_change_only_where_it_is_allowed():
    content = largest_of_bytes()
    closed = repairing.repair(content, probe=False)
    assert closed.content is None and closed.interface == () and not closed.is_whole
    result = repairing.repair(content, probe=False, allow=("int64", "uint8", "bool"))
    assert result.is_whole
    assert [(one.kind, one.is_input) for one in result.interface] == [
        ("uint8", True),
        ("int64", False),
        ("bool", False),
    ]
    ports = inspect(result.content)
    assert {port.dtype for port in (*ports.inputs, *ports.outputs)} == {"float32"}
    assert [port.name for port in ports.outputs] == [port.name for port in inspect(content).outputs]
    image = np.random.default_rng(5).integers(0, 4, (1, 6, 8, 5), np.uint8)
    expected, found = load(content).run(image), load(result.content).run(image.astype(np.float32))
    assert all((old == new).all() for old, new in zip(expected, found, strict=True))
    partly = repairing.repair(content, probe=False, allow=("uint8",))
    assert not partly.is_whole and [one.kind for one in partly.interface] == ["uint8"]


def test_postprocessing_is_cut_off_and_left_to_the_app():
    graph = Graph()
    values, places = graph.made((1, 2)), graph.made((1, 2), np.int32)
    scores = graph.node(OP.ROUND, [graph.input((1, 8))], (1, 8))
    graph.operator(OP.TOPK_V2, [scores, graph.made(np.asarray(2, np.int32))], [values, places])
    content = graph.file(values, places)
    for name, data in (("bokeh_tf", b"{}"), ("TFLITE_METADATA", b"two outputs"), ("mine", b"?")):
        content = with_metadata(content, name, data)
    result = repairing.repair(content, probe=False, allow=("cut-postprocessing",))
    assert result.is_whole and "TOPK_V2" not in nodes_of(result.content)
    # What described two outputs would be false of the one that is left.
    kept = [entry.name for entry in unpack(result.content).metadata]
    assert kept == [b"mine"]
    assert any("bokeh_tf and TFLITE_METADATA, which described" in note for note in result.notes)
    assert len(result.interface) == 1 and "TOPK_V2" in result.interface[0].app
    image = noise(1, 8) * 9
    assert (load(result.content).run(image)[0] == np.round(image)).all()
    with pytest.raises(ValueError, match="Known"):
        repairing.repair(content, allow=("nothing",))


def test_what_is_not_written_has_lost_no_metadata():
    content = with_metadata(amplified(ends_in_largest=True), "bokeh_tf", b"{}")
    result = repairing.repair(
        content, recipes=["grouped-convolution"], probe=False, allow=("cut-postprocessing",)
    )
    assert result.rolled_back and result.content is None
    assert not any("left out" in note for note in result.notes)


def test_allowed_changes_are_printed(tmp_path, capsys):
    source = tmp_path / "in.tflite"
    source.write_bytes(largest_of_bytes())
    arguments = [
        "repair",
        str(source),
        "--dry-run",
        "--no-probe",
        "--allow-interface",
        "int64,uint8,bool",
    ]
    assert main(arguments) == 0
    assert "give floats from 0 to 255" in capsys.readouterr().out
    assert main([*arguments, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["interface"]) == 3
    with pytest.raises(SystemExit) as ended:
        main(["repair", str(source), "--dry-run", "--allow-interface", "float16"])
    assert ended.value.code == 2

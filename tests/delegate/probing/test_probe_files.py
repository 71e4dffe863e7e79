"""The check on the real delegate of files of every kind: types, signatures, names,
custom operations, the split.
"""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.probing.probe import probe
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.running.signatures import find_graphs
from tests.model_writer import FileWriter

TYPES = schema.TensorType
OPS = schema.BuiltinOperator
# CPU and GPU compute single operations of these alike up to float32's own rounding.
FLOAT32_SHARE = 1e-5


class SignedFile(FileWriter):
    """Also writes signatures, quantisation and further graphs."""

    def constant(self, name, values, dtype):
        return self.tensor(
            name, list(values.shape), dtype=dtype, buffer=self.buffer(values.tobytes())
        )

    def quantise(self, tensor, scale):
        quantisation = schema.QuantizationParametersT()
        quantisation.scale = np.array([scale], np.float32)
        quantisation.zeroPoint = np.array([0], np.int64)
        self.graph.tensors[tensor].quantization = quantisation

    def ends(self, inputs, outputs):
        self.graph.inputs, self.graph.outputs = inputs, outputs

    def another_graph(self):
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = (
            [],
            [],
            [],
            [],
        )
        self.model.subgraphs.append(self.graph)

    def sign(self, key, inputs, outputs):
        """Names by tensor index, in the order given."""
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = key, len(self.model.subgraphs) - 1
        signature.inputs, signature.outputs = _ports(inputs), _ports(outputs)
        self.model.signatureDefs = [*(self.model.signatureDefs or []), signature]

    def write(self, path):
        path.write_bytes(self.finish())
        return path


def _ports(names):
    ports = []
    for name, tensor in names.items():
        port = schema.TensorMapT()
        port.name, port.tensorIndex = name, tensor
        ports.append(port)
    return ports


@pytest.fixture
def file():
    return SignedFile()


def _gather(file, index_type, *, rows=5, axis=0):
    table = file.tensor("table", [rows, 4])
    indices = file.tensor("indices", [3], dtype=index_type)
    out = file.tensor("out", [3, 4])
    options = schema.GatherOptionsT()
    options.axis = axis
    file.operator(OPS.GATHER, [table, indices], [out], options=options)
    file.ends([table, indices], [out])


def _multiplied(file, tensor, out):
    two = file.constant("two", np.array(2, np.float32), TYPES.FLOAT32)
    file.operator(OPS.MUL, [tensor, two], [out], options=schema.MulOptionsT())


def _broadcast_product(file):
    """A constant matrix for every element of the batch: the delegate gives zeros
    from the second element on.
    """
    left = file.tensor("left", [2, 4, 1, 2])
    right = file.constant(
        "right", np.arange(32, dtype=np.float32).reshape(1, 4, 2, 4), TYPES.FLOAT32
    )
    out = file.tensor("product", [2, 4, 1, 4])
    file.operator(OPS.BATCH_MATMUL, [left, right], [out], options=schema.BatchMatMulOptionsT())
    file.ends([left], [out])
    return left, out


@pytest.mark.parametrize(
    ("index_type", "axis", "largest"), [(TYPES.INT32, 0, 4), (TYPES.INT64, 1, 3)]
)
def test_indices_stay_inside_what_they_index(file, index_type, axis, largest):
    _gather(file, index_type, axis=axis)
    (graph,) = find_graphs(file.finish())
    assert graph.inputs[0].bounds is None and graph.inputs[1].bounds == (0, largest)


def test_bounds_are_found_behind_a_reshape_and_divisors_are_not_zero(file):
    table = file.constant("table", np.zeros((7, 2), np.float32), TYPES.FLOAT32)
    flat = file.tensor("flat", [2], dtype=TYPES.INT32)
    shape = file.constant("shape", np.array([2, 1], np.int32), TYPES.INT32)
    indices = file.tensor("indices", [2, 1], dtype=TYPES.INT32)
    out = file.tensor("out", [2, 1, 2])
    file.operator(OPS.RESHAPE, [flat, shape], [indices])
    file.operator(OPS.GATHER, [table, indices], [out], options=schema.GatherOptionsT())
    number, divisor, rest = (
        file.tensor(name, [2], dtype=TYPES.INT32) for name in ("number", "divisor", "rest")
    )
    file.operator(OPS.FLOOR_MOD, [number, divisor], [rest])
    file.ends([flat, number, divisor], [out, rest])
    (graph,) = find_graphs(file.finish())
    indexing, dividend, divided_by = (port.bounds for port in graph.inputs)
    assert indexing == (0, 6) and dividend[0] < 0 and divided_by[0] == 1


def test_tables_that_lead_nowhere_are_one_line(file):
    _gather(file, TYPES.INT32)
    file.sign("run", {"table": 0, "indices": 99}, {"out": 2})
    with pytest.raises(ModelFileError, match="damaged"):
        find_graphs(file.finish())


@pytest.mark.gpu
@pytest.mark.parametrize("index_type", [TYPES.INT32, TYPES.INT64])
def test_a_table_look_up_gets_a_verdict(gpu, file, tmp_path, index_type):
    _gather(file, index_type)
    report = probe(file.write(tmp_path / "gather.tflite"), precisions=("float32",))
    assert report.verdict in (Verdict.FULL, Verdict.REFUSED)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "name", ["FLOAT16", "FLOAT64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT32", "BOOL"]
)
def test_inputs_of_every_type_get_a_verdict(gpu, file, tmp_path, name):
    given, out = (
        file.tensor("given", [1, 4, 4, 2], dtype=getattr(TYPES, name)),
        file.tensor("out", [1, 4, 4, 2]),
    )
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = getattr(TYPES, name), TYPES.FLOAT32
    file.operator(OPS.CAST, [given, out][:1], [out], options=options)
    file.ends([given], [out])
    report = probe(file.write(tmp_path / "cast.tflite"), precisions=("float32",))
    assert report.verdict in (Verdict.FULL, Verdict.REFUSED), report.precisions[0].reasons
    assert (
        report.verdict is Verdict.REFUSED
        or report.precisions[0].outputs[0].difference.max_abs < FLOAT32_SHARE
    )


@pytest.mark.gpu
def test_text_is_refused_with_a_reason(gpu, file, tmp_path):
    table, indices = (
        file.tensor("table", [5], dtype=TYPES.STRING),
        file.tensor("indices", [3], dtype=TYPES.INT64),
    )
    out = file.tensor("out", [3], dtype=TYPES.STRING)
    file.operator(OPS.GATHER, [table, indices], [out], options=schema.GatherOptionsT())
    file.ends([table, indices], [out])
    report = probe(file.write(tmp_path / "text.tflite"), precisions=("default",))
    assert report.verdict is Verdict.REFUSED and "fixed size" in report.precisions[0].reasons[0]


@pytest.mark.gpu
def test_a_quantised_16_bit_product_is_found_wrong(gpu, file, tmp_path):
    left, right, out = (
        file.tensor(name, [1, 4, 4, 8], dtype=TYPES.INT16) for name in ("left", "right", "out")
    )
    for tensor in (left, right, out):
        file.quantise(tensor, 1 / 32768)
    file.operator(OPS.MUL, [left, right], [out], options=schema.MulOptionsT())
    file.ends([left, right], [out])
    report = probe(file.write(tmp_path / "int16.tflite"), precisions=("float32",))
    # The delegate multiplies the stored numbers and leaves out the scales.
    assert report.verdict is Verdict.WRONG


@pytest.mark.gpu
def test_every_signature_is_checked_and_the_wrong_one_named(gpu, file, tmp_path):
    given, out = file.tensor("x", [1, 4]), file.tensor("y", [1, 4])
    _multiplied(file, given, out)
    file.ends([given], [out])
    file.sign("right", {"x": given}, {"y": out})
    file.another_graph()
    left, product = _broadcast_product(file)
    file.sign("wrong", {"left": left}, {"product": product})
    report = probe(file.write(tmp_path / "two.tflite"), precisions=("float32",))
    assert report.signatures == ("right", "wrong") and report.verdict is Verdict.WRONG
    assert all(reason.startswith("wrong, ") for reason in report.precisions[0].reasons)
    passed = {check.signature for check in report.precisions[0].outputs if check.passed}
    assert "right" in passed


@pytest.mark.gpu
def test_inputs_with_one_name_and_no_signature_are_told_apart(gpu, file, tmp_path):
    first, second, out = (
        file.tensor("same", [1, 4]),
        file.tensor("same", [1, 4]),
        file.tensor("out", [1, 4]),
    )
    file.operator(OPS.SUB, [first, second], [out], options=schema.SubOptionsT())
    file.ends([first, second], [out])
    report = probe(file.write(tmp_path / "same.tflite"), precisions=("float32",))
    assert report.verdict is Verdict.FULL, report.precisions[0].reasons
    assert report.signatures == () and report.precisions[0].outputs[0].name == "out"
    assert any("not unique" in doubt for doubt in report.doubts)


@pytest.mark.gpu
def test_outputs_that_share_a_tensor_or_are_constants_are_compared_like_any_other(
    gpu, file, tmp_path
):
    given, out = file.tensor("x", [1, 4]), file.tensor("y", [1, 4])
    constant = file.tensor("constant", [1, 4], constant=True)
    _multiplied(file, given, out)
    file.ends([given], [out, constant, out])
    file.sign("run", {"x": given}, {"first": out, "second": constant, "third": out})
    report = probe(file.write(tmp_path / "shared.tflite"), precisions=("float32",))
    assert report.verdict is Verdict.FULL, report.precisions[0].reasons
    names = {check.name for check in report.precisions[0].outputs if check.difference}
    assert names == {"first", "second", "third"}


@pytest.mark.gpu
def test_a_signature_in_another_order_than_the_file_is_fed_by_name(gpu, file, tmp_path):
    first, second, out = (
        file.tensor("a", [1, 4]),
        file.tensor("b", [1, 4]),
        file.tensor("out", [1, 4]),
    )
    file.operator(OPS.SUB, [first, second], [out], options=schema.SubOptionsT())
    file.ends([first, second], [out])
    file.sign("run", {"minuend": second, "a_subtrahend": first}, {"difference": out})
    report = probe(file.write(tmp_path / "order.tflite"), precisions=("float32",))
    assert report.verdict is Verdict.FULL, report.precisions[0].reasons
    assert [check.name for check in report.precisions[0].outputs] == ["difference"] * 2


@pytest.mark.gpu
def test_an_output_that_is_an_input_is_explained(gpu, file, tmp_path):
    given, out = file.tensor("x", [1, 4]), file.tensor("y", [1, 4])
    _multiplied(file, given, out)
    file.ends([given], [out, given])
    file.sign("run", {"x": given}, {"y": out, "untouched": given})
    report = probe(file.write(tmp_path / "through.tflite"), precisions=("float32",))
    assert report.verdict is Verdict.WRONG
    assert "the runtime, not the delegate" in report.precisions[0].reasons[0]


@pytest.mark.gpu
def test_a_custom_operation_is_refused_although_the_cpu_cannot_run_it_either(gpu, file, tmp_path):
    given, out = file.tensor("x", [1, 4]), file.tensor("y", [1, 4])
    file.operator(OPS.CUSTOM, [given], [out], custom="Mystery")
    file.ends([given], [out])
    report = probe(file.write(tmp_path / "custom.tflite"), precisions=("float32",))
    assert report.verdict is Verdict.REFUSED and "Mystery" in report.precisions[0].reasons[0]
    assert any("no numbers to compare with" in doubt for doubt in report.doubts)


@pytest.mark.gpu
def test_a_refused_file_shows_its_split(gpu, file, tmp_path):
    tensors = [file.tensor(name, [1, 8]) for name in ("x", "doubled", "logarithms", "out")]
    two = file.constant("two", np.array(2, np.float32), TYPES.FLOAT32)
    file.operator(OPS.MUL, [tensors[0], two], [tensors[1]], options=schema.MulOptionsT())
    file.operator(OPS.LOG_SOFTMAX, [tensors[1]], [tensors[2]], options=schema.LogSoftmaxOptionsT())
    file.operator(OPS.MUL, [tensors[2], two], [tensors[3]], options=schema.MulOptionsT())
    file.ends([tensors[0]], [tensors[3]])
    report = probe(file.write(tmp_path / "split.tflite"), precisions=("float32",))
    assert report.verdict is Verdict.REFUSED
    # One partition goes to the GPU, whichever of the two products it is.
    assert (report.split.on_gpu, report.split.on_cpu) == (1, 2)
    assert report.split.failure is None and any(
        "LOG_SOFTMAX" in reason for reason in report.split.reasons
    )
    assert report.split.outputs and all(check.passed for check in report.split.outputs)


@pytest.mark.gpu
def test_a_file_taken_whole_has_no_split(gpu, tiny_convolution):
    assert probe(tiny_convolution, precisions=("float32",)).split is None

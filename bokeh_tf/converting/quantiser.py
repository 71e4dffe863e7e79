"""The child that quantises: `python -m bokeh_tf.converting.quantiser FOLDER JOB`,
started by `children` only.

Google's `ai-edge-quantizer` does the work, on `plain.tflite`, a float32 file; `quantised.tflite`
comes out. Inputs and outputs stay float32. Asked for, it also says what each layer alone costs.
"""

import contextlib
import re

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.converting.children import KINDS
from bokeh_tf.converting.exchange import PLAIN_NAME, QUANTISED_NAME
from bokeh_tf.delegate.audit.inputs import samples
from bokeh_tf.errors import ConversionError, DependencyError, ModelFileError, install
from bokeh_tf.paths import printable
from bokeh_tf.processes import Job, answer_job
from bokeh_tf.tflite.associated_files import carried_over
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.metadata import redescribed
from bokeh_tf.tflite.rewriting import pack, unpack
from bokeh_tf.tflite.running.agreement import output_scale
from bokeh_tf.tflite.running.parity import compare
from bokeh_tf.tflite.running.runtime import load

_WEIGHT_BITS = 8
# Bits of the tensors between nodes; None where they stay float32.
_TENSOR_BITS = {"dynamic_int8": None, "int8": 8, "int16x8": 16}
_EVERYWHERE = ".*"
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
_SHOWN_LAYERS = 8
_SHOWN_REASON_CHARACTERS = 200


def work(job: Job) -> dict:
    """Quantises and returns the costs of layers, where they were asked for."""
    request = job.read_request()
    job.enter("importing")
    _require_quantizer()
    content = (job.folder / PLAIN_NAME).read_bytes()
    file = inspect(content)
    if file.is_quantised or file.set_aside_weights.nodes:
        raise ConversionError(
            "the weights are rounded already. Quantise the model, or a float32 file of it."
        )
    runner = load(content)
    job.enter("reading the calibration")
    ranges = [request["ranges"].get(spec.name) for spec in runner.inputs]
    calibration = [
        arrays
        for _, arrays in samples(
            runner.inputs, paths=request["calibration"], photo=None, ranges=ranges
        )
    ]
    job.enter("calibrating")
    quantising = _Quantising(content, request["precision"], _names(runner, calibration))
    kept = [_scope(file, name) for name in request["keep_float"]]
    job.enter("quantising")
    quantised = quantising.of(_EVERYWHERE, kept)
    described = redescribed(quantised, precision=request["precision"])
    (job.folder / QUANTISED_NAME).write_bytes(carried_over(described, content))
    if not request["layer_costs"]:
        return {"costs": []}
    job.enter("quantising layer by layer")
    expected = runner.run(*calibration[0])
    return {"costs": list(_costs(quantising, file, calibration[0], expected))}


def _require_quantizer():
    try:
        import ai_edge_quantizer  # noqa: F401
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"Quantising needs ai-edge-quantizer. Run: {install('quantise')}"
        ) from error


def _names(runner, calibration):
    """Samples as the signature takes them: by the names of inputs."""
    return [
        {spec.name: array for spec, array in zip(runner.inputs, arrays, strict=True)}
        for arrays in calibration
    ]


@contextlib.contextmanager
def _one_line(verb):
    """What the quantizer and the runtime raise for networks and numbers that they do not take."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = printable(" ".join(str(error).split()) or type(error).__name__)
        raise ConversionError(
            f"ai-edge-quantizer cannot {verb} this network ({reason[:_SHOWN_REASON_CHARACTERS]})."
            " Try other --calibration, --keep-float, or another --precision."
        ) from error


class _Quantising:
    """One file in one precision; calibrated once."""

    def __init__(self, content, precision, calibration):
        self._content = content
        self._tensor_bits = _TENSOR_BITS[precision]
        with _one_line("calibrate"):
            self._calibrated = self._calibrate(calibration)

    def _calibrate(self, calibration):
        """How large tensors get, None for precisions that need not know."""
        quantizer = self._quantizer(_EVERYWHERE, ())
        if not quantizer.need_calibration:
            return None
        [signature] = inspect(self._content).signatures
        from ai_edge_quantizer.calibrator import CalibrationMode

        # The other mode reads tensors that no node has any more, which a repair leaves behind.
        mode = CalibrationMode.CALIBRATION_PROFILER_BASED
        return quantizer.calibrate({signature.key: calibration}, num_threads=1, mode=mode)

    def of(self, scope, kept) -> bytes:
        """The file with the nodes of `scope` quantised but for those of
        `kept`, all regular expressions.
        """
        with _one_line("quantise"):
            result = self._quantizer(scope, kept).quantize(
                self._calibrated, enable_progress_bar=False, enable_progress_report=False
            )
        content = bytes(result.quantized_model)
        return content if self._tensor_bits != 16 else _with_scales_of_any_size(content)

    def _quantizer(self, scope, kept):
        from ai_edge_quantizer.algorithm_manager import AlgorithmName
        from ai_edge_quantizer.qtyping import TFLOperationName
        from ai_edge_quantizer.quantizer import Quantizer

        quantizer = Quantizer(self._content)
        everything = TFLOperationName.ALL_SUPPORTED
        if self._tensor_bits is None:
            quantizer.add_dynamic_config(scope, everything, _WEIGHT_BITS)
        else:
            quantizer.add_static_config(scope, everything, self._tensor_bits, _WEIGHT_BITS)
            for port in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
                quantizer.update_quantization_recipe(
                    _EVERYWHERE, port, algorithm_key=AlgorithmName.NO_QUANTIZE
                )
        for one in kept:
            quantizer.update_quantization_recipe(
                one, everything, algorithm_key=AlgorithmName.NO_QUANTIZE
            )
        return quantizer


def _with_scales_of_any_size(content):
    """A file whose sums of 16 bits say that their scales are no powers of two.

    The quantiser leaves them saying that they are, and the CPU then refuses the file.
    """
    model = unpack(content)
    for graph in model.subgraphs:
        for node in graph.operators:
            is_sum = isinstance(node.builtinOptions, schema.AddOptionsT | schema.SubOptionsT)
            if is_sum and graph.tensors[node.outputs[0]].type == schema.TensorType.INT16:
                node.builtinOptions.potScaleInt16 = False
    return pack(model, size_hint_bytes=len(content))


def _scope(file, layer):
    """A regular expression for the nodes of a layer: the quantizer knows them by
    the names of their outputs.
    """
    nodes = [node for node in file.operators if _is_of(file.layer(node.index), layer)]
    if not nodes:
        known = list(dict.fromkeys(name for name, _ in _layers(file)))
        shown = ", ".join(known[:_SHOWN_LAYERS]) + (", …" if len(known) > _SHOWN_LAYERS else "")
        raise ModelFileError(f"{layer}: no layer of this file. Its layers with weights: {shown}.")
    names = [file.tensors[tensor].name for node in nodes for tensor in node.outputs if tensor >= 0]
    return "|".join(f"(^|;){re.escape(name)};" for name in names)


def _is_of(own, layer):
    return own is not None and (own == layer or own.startswith(f"{layer}/"))


def _layers(file):
    """(layer, its first node) of what has weights to quantise, in the file's order."""
    found = {}
    for node in file.operators:
        layer = file.layer(node.index)
        if node.name in _WITH_WEIGHTS and layer:
            found.setdefault(layer, node)
    return found.items()


def _costs(quantising, file, arrays, expected):
    """What each layer does to the outputs where it alone is quantised."""
    for layer, node in _layers(file):
        actual = load(quantising.of(_scope(file, layer), ())).run(*arrays)
        pairs = list(zip(actual, expected, strict=True))
        psnr_db = min(_psnr_db(*pair) for pair in pairs)
        weights = sum(
            int(np.prod(file.tensors[tensor].shape))
            for tensor in node.inputs
            if _is_weight(file, tensor)
        )
        yield {"layer": layer, "op": node.name, "psnr_db": psnr_db, "weights": weights}


def _is_weight(file, tensor):
    return tensor >= 0 and file.tensors[tensor].is_constant


def _psnr_db(actual, expected):
    return compare(actual, expected, data_range=output_scale(expected, None)).psnr_db


if __name__ == "__main__":
    answer_job(work, error_kinds=KINDS)

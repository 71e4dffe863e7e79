"""The child that runs a file on the classic GPU engine: `PYTHON child.py MODEL ANSWER`,
in a Python with mediapipe.

It imports nothing of this package, because that Python need not have it. First it leaves
the network, as mediapipe's tasks report their use; where that cannot be done it does
nothing. The answer, JSON in the file ANSWER, is written after each stage, so that it says
how far a child came that died.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_DIE_WITH_PARENT = 1
_WORD = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
ENDING = "ending"
STAGES = {"running on the CPU": "CPU", "running on OpenGL": "GPU"}
_OTHER_SHAPE = {"max_error": None, "smallest": 0.0, "largest": 0.0, "non_finite": 0}
# What stands in front of an input that is not the picture, by its code in the schema.
_CONV_2D, _DEQUANTIZE, _RESHAPE, _SLICE, _QUANTIZE = 3, 6, 22, 65, 114
_FLOAT32, _INT32 = 0, 2
_VERSIONS = {_DEQUANTIZE: 2}


def main(model_path: str, answer_path: str) -> int:
    """Runs one file; returns the exit status, 0 where the answer says what came of it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = _Answer(answer_path)
    answer.enter("leaving the network")
    system = ctypes.CDLL(None, use_errno=True)
    if system.unshare(_NEW_USER | _NEW_NETWORK) != 0:
        return answer.end(error=f"no namespace without network ({os.strerror(ctypes.get_errno())})")
    # A process that waits for itself would outlive whoever was to end it; a new namespace forgets
    # what was asked for before.
    system.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.environ.update(
        EGL_PLATFORM="surfaceless", force_gl_renderer="Mesa GL", force_gl_vendor="Mesa"
    )
    answer.enter("importing mediapipe")
    height, width, adapted = _adapted(Path(model_path).read_bytes())
    adapted_path = Path(f"{answer_path}.tflite")
    adapted_path.write_bytes(adapted)
    found = {}
    for stage, delegate in STAGES.items():
        answer.enter(stage)
        try:
            found[delegate] = _run(str(adapted_path), delegate, height, width)
        except (OSError, RuntimeError, ValueError) as error:
            return answer.end(refusal=" ".join(str(error).split()))
    answer.enter(ENDING)
    return answer.end(outputs=paired(found["CPU"], found["GPU"]))


class _Answer:
    """What the parent reads, replaced whole or not at all."""

    def __init__(self, path):
        self._path = path
        self._content = {}

    def enter(self, stage):
        """Says what is done next, should the process die of it."""
        self._content["stage"] = stage
        temporary = Path(f"{self._path}.part")
        temporary.write_text(json.dumps(self._content), encoding="utf-8")
        temporary.replace(self._path)

    def end(self, **more):
        """Says what came of it."""
        self._content.update(more)
        self.enter(self._content["stage"])
        return 0


def _adapted(content):
    """(height, width, the file with what mediapipe's tasks must know of it):
    pixels are divided by 255, and the picture is the only input.
    """
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as about
    from mediapipe.tasks.metadata import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    leave_main_graph(model)
    graph = model.subgraphs[0]
    graph.inputs, graph.outputs = list(map(int, graph.inputs)), list(map(int, graph.outputs))
    feeding = _Feeding(model, schema)
    height, width = _feed_from_picture(feeding)
    _unquantise(feeding)
    image = about.ImagePropertiesT()
    image.colorSpace = about.ColorSpaceType.RGB
    normalisation = about.NormalizationOptionsT()
    normalisation.mean, normalisation.std = [0.0], [255.0]
    unit = about.ProcessUnitT()
    unit.optionsType, unit.options = about.ProcessUnitOptions.NormalizationOptions, normalisation
    given = about.TensorMetadataT()
    given.content = about.ContentT()
    given.content.contentPropertiesType, given.content.contentProperties = (
        about.ContentProperties.ImageProperties,
        image,
    )
    given.processUnits = [unit]
    subgraph = about.SubGraphMetadataT()
    subgraph.inputTensorMetadata = [given]
    subgraph.outputTensorMetadata = [_output(about, number) for number in range(len(graph.outputs))]
    whole = about.ModelMetadataT()
    whole.subgraphMetadata = [subgraph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), file_identifier=_IDENTIFIER)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(builder.Output())
    model.buffers.append(buffer)
    entry.name, entry.buffer = _WORD, len(model.buffers) - 1
    others = [one for one in model.metadata or [] if one.name not in (_WORD, _WORD.encode())]
    model.metadata = [*others, entry]
    builder = flatbuffers.Builder(len(content) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return height, width, bytes(builder.Output())


def leave_main_graph(model) -> None:
    """Takes graphs out of a model that are other signatures: what mediapipe is built with makes one
    program of all of them. Those that nodes run stay.
    """
    nodes = model.subgraphs[0].operators or []
    fields = [
        name
        for node in nodes
        for options in (node.builtinOptions, node.builtinOptions2)
        if options is not None
        for name in vars(options)
    ]
    if any("subgraph" in name.lower() for name in fields):
        return
    model.subgraphs = model.subgraphs[:1]
    model.signatureDefs = [one for one in model.signatureDefs or [] if not one.subgraphIndex]


def as_picture(shape) -> tuple[int, ...]:
    """A shape of at most four dimensions as rows, columns and channels of a batch of one."""
    return (1,) * (4 - len(shape)) + tuple(map(int, shape))


class _Feeding:
    """Puts nodes in front of all others of a model, or behind them."""

    def __init__(self, model, schema):
        self.model, self.schema = model, schema
        self.graph = model.subgraphs[0]
        self._count = 0

    def tensor(self, shape, kind, values=None):
        """Adds a tensor, a constant one where there are values; returns its index."""
        buffer, tensor = self.schema.BufferT(), self.schema.TensorT()
        if values is not None:
            buffer.data = list(values.tobytes())
        self.model.buffers.append(buffer)
        tensor.name = f"fed_{len(self.graph.tensors)}"
        tensor.shape, tensor.type, tensor.hasRank = list(shape), kind, True
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def node(self, code, inputs, output, options, *, last=False):
        """Adds a node with the options of its kind."""
        operator_code = self.schema.OperatorCodeT()
        operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
        operator_code.version = _VERSIONS.get(code, 1)
        self.model.operatorCodes.append(operator_code)
        node = self.schema.OperatorT()
        node.opcodeIndex = len(self.model.operatorCodes) - 1
        node.inputs, node.outputs = inputs, [output]
        kind = type(options).__name__.removesuffix("T")
        node.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
        node.builtinOptions = options
        if last:
            self.graph.operators.append(node)
            return
        self.graph.operators.insert(self._count, node)
        self._count += 1


def _feed_from_picture(feeding):
    """(height, width) of the one picture that is left as an input: all others are made of its
    colours, each channel of another mixture of them, as the engine is handed a picture only.
    """
    import numpy as np

    graph = feeding.graph
    mixtures = np.random.default_rng(0)
    shapes = {index: as_picture(graph.tensors[index].shape) for index in graph.inputs}
    height, width = (max(shape[axis] for shape in shapes.values()) for axis in (1, 2))
    given = list(graph.inputs)
    floats = [index for index in given if graph.tensors[index].type == _FLOAT32]
    whole = [
        index for index in floats if tuple(graph.tensors[index].shape) == (1, height, width, 3)
    ]
    picture = whole[0] if whole else feeding.tensor((1, height, width, 3), _FLOAT32)
    for index in given:
        if index != picture:
            _feed(feeding, picture, index, shapes[index], mixtures)
    graph.inputs = [picture]
    return height, width


def _feed(feeding, picture, given, view, mixtures):
    import numpy as np

    schema, graph = feeding.schema, feeding.graph
    _, rows, columns, channels = view
    target, shape = given, list(map(int, graph.tensors[given].shape))
    if graph.tensors[given].type != _FLOAT32:
        target = feeding.tensor(shape, _FLOAT32)
    corner = picture
    if (rows, columns) != tuple(graph.tensors[picture].shape[1:3]):
        corner = feeding.tensor([1, rows, columns, 3], _FLOAT32)
        places = [
            feeding.tensor([4], _INT32, np.array(values, np.int32))
            for values in ([0, 0, 0, 0], [1, rows, columns, 3])
        ]
        feeding.node(_SLICE, [picture, *places], corner, schema.SliceOptionsT())
    shares = mixtures.random((channels, 1, 1, 3)) + 0.1
    shares /= shares.sum(axis=3, keepdims=True)
    weights = feeding.tensor([channels, 1, 1, 3], _FLOAT32, shares.astype(np.float32))
    biases = feeding.tensor([channels], _FLOAT32, np.zeros(channels, np.float32))
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    # Changes nothing, and keeps a root of the file out of this kernel.
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    mixed = target if len(shape) == 4 else feeding.tensor(list(view), _FLOAT32)
    feeding.node(_CONV_2D, [corner, weights, biases], mixed, options)
    if mixed != target:
        lengths = feeding.tensor([len(shape)], _INT32, np.array(shape, np.int32))
        options = schema.ReshapeOptionsT()
        options.newShape = shape
        feeding.node(_RESHAPE, [mixed, lengths], target, options)
    if target != given:
        feeding.node(_QUANTIZE, [target], given, schema.QuantizeOptionsT())


def _unquantise(feeding):
    """Lets every output be floats."""
    graph = feeding.graph
    for place, index in enumerate(graph.outputs):
        if graph.tensors[index].type != _FLOAT32:
            real = feeding.tensor(list(map(int, graph.tensors[index].shape)), _FLOAT32)
            feeding.node(_DEQUANTIZE, [index], real, feeding.schema.DequantizeOptionsT(), last=True)
            graph.outputs[place] = real


def _output(about, number):
    tensor = about.TensorMetadataT()
    tensor.name = f"output{number}"
    tensor.content = about.ContentT()
    tensor.content.contentPropertiesType = about.ContentProperties.FeatureProperties
    tensor.content.contentProperties = about.FeaturePropertiesT()
    return tensor


def _run(path, delegate, height, width):
    import mediapipe
    import numpy as np
    from mediapipe.tasks import python
    from mediapipe.tasks.python import vision

    base = python.BaseOptions(
        model_asset_path=path, delegate=getattr(python.BaseOptions.Delegate, delegate)
    )
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with vision.ImageEmbedder.create_from_options(
        vision.ImageEmbedderOptions(base_options=base)
    ) as embedder:
        result = embedder.embed(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
        )
    return [np.asarray(one.embedding, np.float64) for one in result.embeddings]


def paired(expected, found):
    """Each output of the CPU compared with that of OpenGL which is its own.

    Mediapipe hands on several outputs of OpenGL in an order of its own and without names:
    of those that are as large, the nearest one is meant.
    """
    waiting = list(found)
    compared = []
    for output in expected:
        choices = [_compared(output, other) for other in waiting]
        if not choices:
            compared.append(dict(_OTHER_SHAPE))
            continue
        nearest = min(range(len(choices)), key=lambda index: _distance(choices[index]))
        compared.append(choices[nearest])
        del waiting[nearest]
    return compared


def _distance(comparison):
    """Sorts other shapes last, and values that are not finite before them."""
    if comparison["max_error"] is not None:
        return (0, comparison["mean_squared_error"])
    return (1, 0) if comparison["non_finite"] else (2, 0)


def _compared(expected, found):
    import numpy as np

    if expected.shape != found.shape:
        return dict(_OTHER_SHAPE)
    is_number = np.isfinite(expected)
    numbers = expected[is_number]
    non_finite = int((is_number & ~np.isfinite(found)).sum())
    errors = _errors(expected, found)
    return {
        "max_error": None if non_finite else float(errors.max()),
        "mean_error": None if non_finite else float(errors.mean()),
        "mean_squared_error": None if non_finite else float(np.mean(errors**2)),
        "smallest": float(numbers.min()) if numbers.size else 0.0,
        "largest": float(numbers.max()) if numbers.size else 0.0,
        "non_finite": non_finite,
    }


def _errors(expected, found):
    """The differences; none between values that are alike not finite, infinite beside another."""
    import numpy as np

    alike = (expected == found) | (np.isnan(expected) & np.isnan(found))
    with np.errstate(invalid="ignore"):
        differences = np.abs(expected - found)
    return np.where(alike, 0, np.nan_to_num(differences, nan=np.inf, posinf=np.inf))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

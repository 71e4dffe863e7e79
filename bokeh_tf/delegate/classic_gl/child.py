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
import sys
from pathlib import Path

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_WORD = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
STAGES = {"running on the CPU": "CPU", "running on OpenGL": "GPU"}


def main(model_path: str, answer_path: str) -> int:
    """Runs one file; returns the exit status, 0 where the answer says what came of it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = _Answer(answer_path)
    answer.enter("leaving the network")
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NETWORK) != 0:
        return answer.end(error=f"no namespace without network ({os.strerror(ctypes.get_errno())})")
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
    pairs = zip(found["CPU"], found["GPU"], strict=True)
    answer.enter("done")
    return answer.end(outputs=[_compared(expected, actual) for expected, actual in pairs])


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
    pixels are divided by 255.
    """
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as about
    from mediapipe.tasks.metadata import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    graph = model.subgraphs[0]
    _, height, width, _ = map(int, graph.tensors[graph.inputs[0]].shape)
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


def _compared(expected, found):
    import numpy as np

    if expected.shape != found.shape:
        return {"max_error": None, "scale": None, "non_finite": 0}
    scale = max(float(np.ptp(expected)), float(np.abs(expected).max()), 2.0**-14)
    non_finite = int((~np.isfinite(found)).sum())
    largest = None if non_finite else float(np.abs(expected - found).max())
    squared = None if non_finite else float(np.mean((expected - found) ** 2))
    return {
        "max_error": largest,
        "mean_squared_error": squared,
        "scale": scale,
        "non_finite": non_finite,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

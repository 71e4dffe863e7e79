"""Photo to bokeh: any size, through a `.tflite` or a Keras model that
works at one size of its own.
"""

from bokeh_tf.rendering.backends import (
    BokehModel,
    KerasFile,
    KerasModel,
    ModelOutput,
    TfliteModel,
    load_model,
)
from bokeh_tf.rendering.jobs import comparison, render_files
from bokeh_tf.rendering.render import Rendering, render

__all__ = [
    "BokehModel",
    "KerasFile",
    "KerasModel",
    "ModelOutput",
    "Rendering",
    "TfliteModel",
    "comparison",
    "load_model",
    "render",
    "render_files",
]

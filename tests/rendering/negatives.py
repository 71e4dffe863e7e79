"""Plain photos, and a model that renders their negatives."""

import numpy as np
from PIL import Image

from bokeh_tf.rendering import ModelOutput


class Negative:
    """A model whose rendering nobody takes for the photo: its negative."""

    name = "negative"

    def canvas_size(self, photo_height, photo_width):
        return 32, 48

    def run(self, canvas):
        return ModelOutput(1 - canvas, np.zeros(canvas.shape[:2], np.float32))


def photo(path, value=60, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())

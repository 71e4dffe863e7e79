"""Writing the weights of a Keras model, whole or not at all."""

import tempfile
from pathlib import Path

from bokeh_tf.errors import OutputError
from bokeh_tf.files import write_bytes

# Keras insists on it.
SUFFIX = ".weights.h5"


def save_weights(model, path):
    """Writes the weights of `model` to `path` (`….weights.h5`) in one step."""
    path = Path(path)
    # The double suffix must end the temporary name too, which therefore needs a folder of its own.
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            temporary = Path(folder) / path.name
            model.save_weights(temporary)
            write_bytes(path, temporary.read_bytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot write ({error.strerror or error}). Free space or choose another.") from error

"""Distance of VGG-19 features (Simonyan and Zisserman 2015; Johnson et al. 2016):
what the picture looks like.

ImageNet's weights are not part of this package: they are read from a file, from Keras's own cache,
or, for trial runs only, drawn at random.
"""

import os
from pathlib import Path

import keras
import numpy as np
from keras import ops

from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.hdf5 import require_readable
from bokeh_tf.paths import printable, why_no_file

# The last convolution, after its ReLU: "relu5_4".
FEATURES_LAYER = "block5_conv4"
RANDOM = "random"
_FILE_NAME = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
# ImageNet's means in BGR order, 0..255, which the published weights expect to be taken off.
_MEANS_BGR = (103.939, 116.779, 123.68)


class PerceptualLoss:
    """Mean squared difference of VGG-19 features of pictures `[B, H, W, 3]`, RGB in [0,
    1]; one value each, `[B]`.

    Args:
        weights: an HDF5 file of VGG-19's weights without its top; "random";
            or None, for Keras's cache.
        scale: features are divided by it: 255 for features of pictures in [0,
            1], 1 for those of 0..255.

    Raises:
        DependencyError: there are no weights; says how to fetch them.
        ModelFileError: the file does not hold VGG-19's weights.
    """

    def __init__(self, weights=None, *, scale=255.0):
        self._scale = scale
        vgg = keras.applications.VGG19(include_top=False, weights=None, name="vgg19")
        path = find_weights(weights)
        if path:
            _load(vgg, path)
        self._features = keras.Model(
            vgg.input, vgg.get_layer(FEATURES_LAYER).output, trainable=False
        )

    def __call__(self, expected, actual):
        """The loss of each picture."""
        difference = self._features_of(expected) - self._features_of(actual)
        return ops.mean(ops.square(difference / self._scale), axis=(1, 2, 3))

    def _features_of(self, pictures):
        means = ops.convert_to_tensor(np.float32(_MEANS_BGR))
        return self._features(
            ops.take(pictures, [2, 1, 0], axis=-1) * 255.0 - means, training=False
        )


def cached_weights():
    """Where Keras keeps VGG-19's weights once they were fetched."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / _FILE_NAME


def find_weights(weights):
    """The file that `PerceptualLoss` reads, or None for random weights;
    `DependencyError` where it is not there.
    """
    if weights == RANDOM:
        return None
    path = Path(weights) if weights else cached_weights()
    reason = why_no_file(path)
    if reason:
        raise DependencyError(
            f"{printable(path)}: no weights of VGG-19 ({reason}). Fetch them with: python -c 'import keras; "
            "keras.applications.VGG19(include_top=False)', or name a file with --vgg-weights."
        )
    return path


def _load(vgg, path):
    require_readable(path)
    try:
        vgg.load_weights(path)
    except (OSError, ValueError, LookupError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(
            f"{path}: these are not VGG-19's weights without its top ({reason})."
        ) from error

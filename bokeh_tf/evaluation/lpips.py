"""LPIPS (Zhang et al. 2018) as papers on bokeh use it: AlexNet, version 0.1, whole pictures.

How different two pictures are to a network that learnt to name things; 0 is alike. The network's
weights are torchvision's and the user's to bring; the 1,152 numbers that weigh its features are in
the package. Computed in NumPy, so that no framework is needed once the weights are read.
"""

from importlib import resources
from pathlib import Path

import numpy as np

from bokeh_tf.errors import ModelFileError
from bokeh_tf.paths import printable, sha256_of, why_no_file

# torchvision names its files by the first digits of their SHA-256, and checks them. The older file
# holds the same numbers as PyTorch wrote them before version 1.6.
FILES = {
    "alexnet-owt-7be5be79.pth": "7be5be79",
    "alexnet-owt-4df8aa71.pth": "4df8aa71",
}
SOURCE = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
_LINEAR_NAME = "lpips_alex_v0.1.npz"
# (name in torchvision's file, kernel [out, in, height, width], stride, padding, pooled before).
_LAYERS = (
    ("features.0", (64, 3, 11, 11), 4, 2, False),
    ("features.3", (192, 64, 5, 5), 1, 2, True),
    ("features.6", (384, 192, 3, 3), 1, 1, True),
    ("features.8", (256, 384, 3, 3), 1, 1, False),
    ("features.10", (256, 256, 3, 3), 1, 1, False),
)
# What ImageNet's channels are, of values from -1 to 1.
_SHIFT = np.array((-0.030, -0.088, -0.188), np.float32)
_SCALE = np.array((0.458, 0.448, 0.450), np.float32)
_EPSILON = 1e-10
_POOLED_PX, _POOLED_STRIDE = 3, 2
# Rows of one step of a convolution: what is unfolded at once stays below 100 MB.
_ROWS_AT_ONCE = 16
# Of smaller pictures nothing is left after the second pooling.
LEAST_PX = 31


class Lpips:
    """The metric, with its weights.

    Args:
        tensors: those of torchvision's AlexNet by name; what is not a convolution is not looked at.
        label: what messages call their file.

    Raises:
        ModelFileError: a tensor is missing or has another shape.
    """

    def __init__(self, tensors, *, label="the weights"):
        self._kernels = []
        for name, shape, *_ in _LAYERS:
            kernel, bias = (tensors.get(f"{name}.{part}") for part in ("weight", "bias"))
            if kernel is None or bias is None or kernel.shape != shape or bias.shape != shape[:1]:
                raise ModelFileError(
                    f"{label}: {name} is not that of torchvision's AlexNet. Fetch {SOURCE}."
                )
            columns = kernel.transpose(2, 3, 1, 0).reshape(-1, shape[0])
            self._kernels.append((columns.astype(np.float32), bias.astype(np.float32)))
        packaged = resources.files("bokeh_tf.evaluation") / _LINEAR_NAME
        with packaged.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            self._linear = [archive[str(place)] for place in range(len(_LAYERS))]
        self._reference: np.ndarray | None = None
        self._reference_features: list[np.ndarray] = []

    def distance(self, first, second) -> float | None:
        """How different two RGB pictures are; None where they are too small.

        Args:
            first, second: uint8, or floats from 0 to 1, `[H, W, 3]`. What the second looks like
                to the network is kept for the next call with the same array.
        """
        if min(first.shape[:2]) < LEAST_PX:
            return None
        total = 0.0
        for weights, *pair in zip(
            self._linear, self._features(first), self._known_features(second), strict=True
        ):
            difference = np.square(_of_unit_length(pair[0]) - pair[1])
            total += float((difference @ weights).mean(dtype=np.float64))
        return total

    def _known_features(self, picture):
        """Those of the reference, in unit length: it stays the same while models are compared."""
        if self._reference is not picture:
            self._reference_features = list(map(_of_unit_length, self._features(picture)))
            self._reference = picture
        return self._reference_features

    def _features(self, picture):
        """What each convolution makes of a picture, one at a time."""
        high = 255 if picture.dtype == np.uint8 else 1
        hidden = (picture.astype(np.float32) * (2 / high) - 1 - _SHIFT) / _SCALE
        for (_, shape, stride, padding, is_pooled), (columns, bias) in zip(
            _LAYERS, self._kernels, strict=True
        ):
            if is_pooled:
                hidden = _pooled(hidden)
            hidden = _convolved(hidden, columns, bias, shape[2], stride, padding)
            yield hidden


def read_lpips(path) -> Lpips:
    """The metric with the weights of torchvision's file, which is read as tensors alone.

    Raises:
        ModelFileError: it is another file, or damaged.
        DependencyError: PyTorch, which reads it, is missing.
    """
    from bokeh_tf.porting.checkpoint import read_state_dict

    path, label = Path(path), printable(path)
    reason = why_no_file(path)
    if reason:
        raise ModelFileError(f"{label}: {reason}. Fetch {SOURCE}.")
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise ModelFileError(f"{label}: cannot be read ({error.strerror}).") from error
    if not digest.startswith(tuple(FILES.values())):
        names = " or ".join(FILES)
        raise ModelFileError(
            f"{label}: not torchvision's AlexNet ({names}): its SHA-256 begins with {digest[:8]}."
            f" Fetch {SOURCE}."
        )
    return Lpips(read_state_dict(path), label=label)


def _of_unit_length(features):
    length = np.sqrt(np.sum(np.square(features), axis=-1, keepdims=True))
    return features / (length + _EPSILON)


def _convolved(picture, columns, bias, kernel_px, stride, padding):
    """A convolution of `[H, W, C]` with RELU; `columns` is `[rows * columns * C, out]`."""
    padded = np.pad(picture, ((padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel_px, kernel_px), (0, 1))
    windows = windows[::stride, ::stride].transpose(0, 1, 3, 4, 2)
    rows, width = windows.shape[:2]
    result = np.empty((rows, width, columns.shape[1]), np.float32)
    for top in range(0, rows, _ROWS_AT_ONCE):
        part = windows[top : top + _ROWS_AT_ONCE]
        unfolded = part.reshape(part.shape[0] * width, -1)
        result[top : top + _ROWS_AT_ONCE] = (unfolded @ columns).reshape(*part.shape[:2], -1)
    return np.maximum(result + bias, 0)


def _pooled(picture):
    """The largest of squares of three by three, every second one."""
    height, width = (
        (side - _POOLED_PX) // _POOLED_STRIDE * _POOLED_STRIDE + 1 for side in picture.shape[:2]
    )
    places = [(row, column) for row in range(_POOLED_PX) for column in range(_POOLED_PX)]
    parts = [
        picture[row : row + height : _POOLED_STRIDE, column : column + width : _POOLED_STRIDE]
        for row, column in places
    ]
    return np.maximum.reduce(parts)

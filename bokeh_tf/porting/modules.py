"""How the published PyTorch models call what our Keras layers are: per model,
layer name -> module name.

The names are those in the state dicts of saikatdutta/Stacked_DMSHN_bokeh
(DMSHN.py, stacked_DMSHN.py) and zhengqili/MegaDepth (pytorch_DIW_scratch.py),
whose modules have numbers for names.
"""

from bokeh_tf.models.hierarchy import LEVELS
from bokeh_tf.models.layers import HOURGLASS, INCEPTIONS

# Per scale of DMSHN's encoder: number of the convolution that begins it, and
# of its residual blocks.
_ENCODER = {1: (1, (2, 3)), 2: (5, (6, 7)), 3: (9, (10, 11))}
# Per scale of the decoder: number of the transposed convolution before it, if any, and
# of its residual blocks.
_DECODER = {3: (None, (13, 14)), 2: (16, (17, 18)), 1: (20, (21, 22))}
_DECODER_HEAD = 24

# Per level of MegaDepth, finest first: positions of its main path and of its skip path.
_HOURGLASS_PATHS = ((0, 1), (0, 1), (1, 0), (1, 0))


def dmshn_modules(config):
    """Modules of DMSHN, one network or several."""
    modules = {}
    for number in range(1, config.networks + 1):
        ours, theirs = (f"net{number}_", f"net{number}.") if config.networks > 1 else ("", "")
        for level in range(1, LEVELS + 1):
            for part, layers in (("encoder", _encoder_layers()), ("decoder", _decoder_layers())):
                for layer, module in layers.items():
                    modules[f"{ours}level{level}_{part}_{layer}"] = (
                        f"{theirs}{part}_lv{level}.{module}"
                    )
    return modules


def _encoder_layers():
    layers = {}
    for scale, (first, blocks) in _ENCODER.items():
        layers |= {f"scale{scale}_conv": f"layer{first}", **_residual_layers(scale, blocks)}
    return layers


def _decoder_layers():
    layers = {"head": f"layer{_DECODER_HEAD}"}
    for scale, (first, blocks) in _DECODER.items():
        layers |= _residual_layers(scale, blocks)
        if first is not None:
            layers[f"scale{scale}_deconv"] = f"layer{first}"
    return layers


def _residual_layers(scale, numbers):
    """Convolution, ReLU, convolution: the second convolution's number is 2."""
    return {
        f"scale{scale}_block{block}_conv{conv}": f"layer{number}.{2 * (conv - 1)}"
        for block, number in enumerate(numbers, start=1)
        for conv in (1, 2)
    }


def megadepth_modules(config):
    """Modules of MegaDepth: convolution, normalisation, ReLU, hourglass, head."""
    head = "log_depth" if config.decimation == 1 else "reduced_log_depth"
    return {"stem_conv": "0", "stem_norm": "1", **_level_modules(1, "3"), head: "4"}


def _level_modules(number, module):
    """A level's two paths are the first element of its sequence, their sum is the second."""
    plan = HOURGLASS[number - 1]
    main, skip = (f"{module}.0.{position}" for position in _HOURGLASS_PATHS[number - 1])
    modules = _blocks_modules(f"level{number}_skip", plan["skip"], skip, first=0)
    # The pooling is the main path's element 0.
    modules |= _blocks_modules(f"level{number}_down", plan["down"], main, first=1)
    position = 1 + len(plan["down"])
    if number < len(HOURGLASS):
        modules |= _level_modules(number + 1, f"{main}.{position}")
        position += 1
    return modules | _blocks_modules(f"level{number}_up", plan["up"], main, first=position)


def _blocks_modules(layer, letters, module, *, first):
    modules = {}
    for index, letter in enumerate(letters):
        block, theirs = f"{layer}{index + 1}_{letter}", f"{module}.{first + index}"
        modules |= {f"{block}_1x1_conv": f"{theirs}.0.0", f"{block}_1x1_norm": f"{theirs}.0.1"}
        for branch in range(1, 1 + len(INCEPTIONS[letter].kernels)):
            ours = f"{block}_branch{branch}"
            modules |= {
                f"{ours}_reduce_conv": f"{theirs}.{branch}.0",
                f"{ours}_reduce_norm": f"{theirs}.{branch}.1",
                f"{ours}_conv": f"{theirs}.{branch}.3",
                f"{ours}_norm": f"{theirs}.{branch}.4",
            }
    return modules


TABLES = {"dmshn": dmshn_modules, "megadepth": megadepth_modules}

"""Tensors as the published checkpoints name them."""

import numpy as np

SHAPE = (32, 48)
# Channels, convolutions' numbers and residual blocks' numbers of the published encoder and decoder.
ENCODER = ((32, 3, 1, (2, 3)), (64, 32, 5, (6, 7)), (128, 64, 9, (10, 11)))
DECODER = ((128, None, None, (13, 14)), (64, 128, 16, (17, 18)), (32, 64, 20, (21, 22)))


def published_dmshn():
    """Random tensors under the names and in the shapes of the published DMSHN."""
    shapes = {}
    for level in (1, 2, 3):
        for part, plan in (("encoder", ENCODER), ("decoder", DECODER)):
            prefix = f"{part}_lv{level}.layer"
            for channels, in_channels, number, blocks in plan:
                if number is not None:
                    size = (
                        (channels, in_channels, 3, 3)
                        if part == "encoder"
                        else (in_channels, channels, 4, 4)
                    )
                    shapes |= {
                        f"{prefix}{number}.weight": size,
                        f"{prefix}{number}.bias": (channels,),
                    }
                for block in blocks:
                    for position in (0, 2):
                        shapes[f"{prefix}{block}.{position}.weight"] = (channels, channels, 3, 3)
                        shapes[f"{prefix}{block}.{position}.bias"] = (channels,)
        shapes |= {
            f"decoder_lv{level}.layer24.weight": (3, 32, 3, 3),
            f"decoder_lv{level}.layer24.bias": (3,),
        }
    random = np.random.default_rng(3)
    return {
        name: random.standard_normal(shape, dtype=np.float32) / 10 for name, shape in shapes.items()
    }

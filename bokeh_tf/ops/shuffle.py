"""Space-to-depth and depth-to-space on float32 images `[B, H, W, C]`, in
TensorFlow's channel order.

A cell is a square of `block_px` x `block_px` pixels. Space-to-depth makes it one pixel
with `block_px`² C channels, by row of the cell, then column, then channel;
depth-to-space is the inverse.

The usual reshape and transpose goes through tensors of six dimensions, which GPU delegates refuse,
and keras.ops has no operation of its own for it. In memory the columns of a cell already lie side
by side, so a reshape makes them channels; the rows of a cell are slices then, and a concatenation
puts them where they belong. That is all: no multiplication, no strided access, four dimensions.
Height, width and channels must be static.
"""

import keras
from keras import ops


def space_to_depth(images, block_px):
    """Returns `[B, H / block_px, W / block_px, block_px² C]`."""
    return ops.concatenate(cell_rows(images, block_px), axis=-1)


def depth_to_space(images, block_px):
    """Returns `[B, H block_px, W block_px, C / block_px²]`."""
    _, _, _, channels = _static_shape(images)
    if channels % block_px**2:
        raise ValueError(f"channels must be a multiple of {block_px}². Received: {channels}")
    row_channels = channels // block_px
    rows = [images[..., row * row_channels : (row + 1) * row_channels] for row in range(block_px)]
    return join_cell_rows(rows)


def cell_rows(images, block_px):
    """The rows of all cells, top first: `block_px` tensors `[B, H / block_px, W
    / block_px, block_px C]`.
    """
    _, height, width, channels = _static_shape(images)
    if height % block_px or width % block_px:
        raise ValueError(
            f"height and width must be multiples of {block_px}. Received: {height}x{width}"
        )
    cells_high, cells_wide = height // block_px, width // block_px
    side_by_side = ops.reshape(images, (-1, cells_high, block_px * cells_wide, block_px * channels))
    return [
        side_by_side[:, :, row * cells_wide : (row + 1) * cells_wide] for row in range(block_px)
    ]


def join_cell_rows(rows):
    """The images whose `cell_rows` these are."""
    block_px = len(rows)
    _, cells_high, cells_wide, row_channels = _static_shape(rows[0])
    side_by_side = ops.concatenate(rows, axis=2)
    return ops.reshape(
        side_by_side, (-1, cells_high * block_px, cells_wide * block_px, row_channels // block_px)
    )


def _static_shape(images):
    if len(images.shape) != 4 or None in images.shape[1:]:
        raise ValueError(
            f"images must be [B, H, W, C] with static H, W and C. Received: {tuple(images.shape)}"
        )
    return images.shape


class _Shuffle(keras.layers.Layer):
    """What both layers share: the side of a cell."""

    def __init__(self, block_px, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(block_px, int) or block_px < 1:
            raise ValueError(f"block_px must be a positive integer. Received: {block_px!r}")
        self.block_px = block_px

    def get_config(self):
        return {**super().get_config(), "block_px": self.block_px}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class SpaceToDepth(_Shuffle):
    """`space_to_depth` as a layer."""

    def call(self, images):
        return space_to_depth(images, self.block_px)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class DepthToSpace(_Shuffle):
    """`depth_to_space` as a layer."""

    def call(self, images):
        return depth_to_space(images, self.block_px)

"""The networks of the plans with one of every kind of block: to dispatch the operations of the
others takes long and shows nothing.
"""

from bokeh_tf.models.backbones import Encoder

_GROUPED = Encoder(planes=16, blocks=(1, 1, 1, 1), groups=8, width=32)
_PLAIN = Encoder(planes=16, blocks=(1, 1, 1, 1), width=16)

# What differs from a plan's own network, by plan; networks that are not here have no such blocks.
CHANGES = {
    "bgnet": (("residual_blocks", 1),),
    # With the unit that the published decoder never uses.
    "defocus": (("encoder", _GROUPED), ("has_idle_unit", True)),
    "dddf": (("block_layers", (2, 2, 2)),),
    "scrn": (("encoder", _PLAIN),),
}

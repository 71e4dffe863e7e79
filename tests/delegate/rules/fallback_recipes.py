"""The ten refusals that image networks meet most often, each as Keras code before and after: README
shows them as they are here, and `test_fallback_recipes.py` holds them to it.

A snippet goes from `x`, float32 [1, 16, 24, channels], to `y`; `np`, `layers` and
`ops` are what `IMPORTS` says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

IMPORTS = "import numpy as np\nfrom keras import layers, ops"


def reshaped(weights: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The weights of `before` as those of `after`, where only their shapes differ."""
    return [weight.reshape(shape) for weight, shape in zip(weights, shapes, strict=True)]


def split_groups(
    weights: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]]
) -> list[np.ndarray]:
    """Kernel and bias of a grouped convolution as those of one convolution per group."""
    kernel, bias = weights
    groups = len(shapes) // 2
    pairs = zip(np.split(kernel, groups, axis=-1), np.split(bias, groups), strict=True)
    return [part for pair in pairs for part in pair]


@dataclass(frozen=True)
class Recipe:
    """One refusal and its cure.

    `rules` are the rule ids that the static check must find in `before`, by target; a target that
    takes it as it is has none. `repair` is the recipe of `bokeh-tf repair` that mends `before`.
    `limit` is the largest difference between the two on values around 1. `move` turns the weights
    of the one into those of the other.
    """

    title: str
    cause: str
    instead: str
    before: str
    after: str
    rules: Mapping[str, str]
    repair: str
    channels: int = 8
    # The same sums in float32, perhaps in another order.
    limit: float = 1e-5
    move: Callable = field(default=reshaped)


RECIPES = (
    Recipe(
        title="Nearest upsampling",
        cause="`UpSampling2D` becomes a five-dimensional `RESHAPE` and `TILE`",
        instead="`Resizing`",
        before="y = layers.UpSampling2D(2)(x)",
        after='y = layers.Resizing(2 * x.shape[1], 2 * x.shape[2], interpolation="nearest")(x)',
        rules={"v2": "v2.rank", "mldrift": "mldrift.rank"},
        repair="nearest",
    ),
    Recipe(
        title="Pixel shuffle",
        cause="the reshape goes through six dimensions",
        instead="`depth_to_space`",
        before="""\
rows, columns, channels = x.shape[1:]
y = ops.reshape(x, (-1, rows, columns, 2, 2, channels // 4))
y = ops.transpose(y, (0, 1, 3, 2, 4, 5))
y = ops.reshape(y, (-1, 2 * rows, 2 * columns, channels // 4))""",
        after="y = ops.depth_to_space(x, 2)",
        rules={"v2": "v2.rank", "mldrift": "mldrift.rank"},
        repair="pixel-shuffle",
        limit=0.0,
    ),
    Recipe(
        title="Group and instance normalisation",
        cause="`GroupNormalization` works on five dimensions",
        instead="rows and columns as one dimension; scale and offset as a 1x1 depthwise"
        " convolution",
        before="y = layers.GroupNormalization(groups=4)(x)",
        after="""\
rows, columns, channels = x.shape[1:]
groups = ops.reshape(x, (-1, rows * columns, 4, channels // 4))
groups -= ops.mean(groups, axis=(1, 3), keepdims=True)
groups *= ops.rsqrt(ops.mean(ops.square(groups), axis=(1, 3), keepdims=True) + 1e-3)
y = layers.DepthwiseConv2D(1)(ops.reshape(groups, (-1, rows, columns, channels)))""",
        rules={"v2": "v2.rank", "mldrift": "mldrift.rank"},
        repair="reductions",
    ),
    Recipe(
        title="Layer normalisation",
        cause="`LayerNormalization` multiplies [C] by [H, W, 1], where neither covers the other",
        instead="scale last, as a 1x1 depthwise convolution",
        before="y = layers.LayerNormalization()(x)",
        after="""\
centred = x - ops.mean(x, axis=-1, keepdims=True)
variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
y = layers.DepthwiseConv2D(1)(centred * ops.rsqrt(variance + 1e-3))""",
        rules={"v2": "v2.mul.broadcast"},
        repair="full-operand",
    ),
    Recipe(
        title="One channel by its index",
        cause="`x[..., 0]` drops a dimension inside the slice",
        instead="a slice of length one",
        before="y = x * ops.expand_dims(x[..., 0], -1)",
        after="y = x * x[..., :1]",
        rules={
            "v2": "v2.strided_slice.shrink_axis",
            "mldrift": "mldrift.strided_slice.shrink_axis",
        },
        repair="slices",
        limit=0.0,
    ),
    Recipe(
        title="Reversed channels (RGB to BGR)",
        cause="a slice with a negative step",
        instead="`take`",
        before="y = x[..., ::-1]",
        after="y = ops.take(x, [2, 1, 0], axis=-1)",
        rules={"v2": "v2.strided_slice.reverse", "mldrift": "mldrift.strided_slice.reverse"},
        repair="slices",
        channels=3,
        limit=0.0,
    ),
    Recipe(
        title="Symmetric padding",
        cause="delegates mirror without the border pixel only",
        instead='`mode="reflect"`, or the border by hand',
        before='y = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")',
        after="""\
y = ops.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
y = ops.concatenate([y[:, :, :1], y, y[:, :, -1:]], axis=2)""",
        rules={"v2": "v2.pad.mode", "mldrift": "mldrift.pad.mode"},
        repair="mirror",
        limit=0.0,
    ),
    Recipe(
        title="Vectors of unit length",
        cause="the converter fuses x / sqrt(sum(x²)) into `L2_NORMALIZATION`, which delegates lack",
        instead="`UnitNormalization`, which it does not fuse",
        before="y = x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6)",
        after="y = layers.UnitNormalization()(x)",
        rules={"v2": "v2.op.normalization", "mldrift": "mldrift.op.normalization"},
        repair="l2-normalisation",
    ),
    Recipe(
        title="Several filters per channel",
        cause="V2 takes `depth_multiplier` above 1 for one channel only",
        instead="each channel copied by a fixed 1x1 convolution, then one filter per copy",
        before='y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)',
        after="""\
copies = np.kron(np.eye(8), np.ones((1, 2))).reshape(1, 1, 8, 16).astype("float32")
y = layers.DepthwiseConv2D(3, padding="same")(ops.conv(x, copies))""",
        rules={"v2": "v2.depthwise.multiplier"},
        repair="depth-multiplier",
    ),
    Recipe(
        title="Grouped convolution",
        cause="ML Drift takes it, but computes something else unless each group has 4, 8, 12, …"
        " channels in and out",
        instead="such groups, or a convolution for each",
        before='y = layers.Conv2D(8, 3, padding="same", groups=4)(x)',
        after="""\
parts = [layers.Conv2D(2, 3, padding="same")(x[..., first : first + 2]) for first in range(0, 8, 2)]
y = layers.Concatenate()(parts)""",
        rules={"mldrift": "mldrift.grouped_convolution"},
        repair="grouped-convolution",
        move=split_groups,
    ),
)


def _row(recipe):
    rules = "<br>".join(f"`{rule}`" for rule in recipe.rules.values())
    return f"| {recipe.title} | {rules} | {recipe.cause} | {recipe.instead} | `{recipe.repair}` |"


def _code(recipe):
    return (
        f"<details><summary>{recipe.title}</summary>\n\n"
        f"```python\n# before\n{recipe.before}\n\n# after\n{recipe.after}\n```\n\n</details>"
    )


def markdown() -> str:
    """README's section: the table, then the code of each row, folded."""
    heads = (
        "| your model has | the check says | because | write instead | or `bokeh-tf repair`"
        " does it |"
    )
    table = [heads, "|---|---|---|---|---|", *map(_row, RECIPES)]
    imports = (
        "Each as code from `x` to `y`; the two compute the same. All"
        f" need\n\n```python\n{IMPORTS}\n```"
    )
    return "\n\n".join(["\n".join(table), imports, *map(_code, RECIPES)]) + "\n"

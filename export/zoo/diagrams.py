"""The block diagram of every model, as data: boxes (column, row, label,
channels), and arrows between them.

Each shows the variant "base" as `bokeh_tf/models/<name>.py` builds it. Notes are channels
unless they say otherwise.
"""

from export.zoo.drawing import Box, Drawing, chain


def _data(column, row, label, note=""):
    return Box(column, row, label, note, "data")


def _fixed(column, row, label, note=""):
    return Box(column, row, label, note, "fixed")


def _blend(column, row, label, note=""):
    return Box(column, row, label, note, "blend")


_HALVES = ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64")

DIAGRAMS = {
    "megadepth": Drawing(
        "MegaDepth",
        "Letters are the inception blocks of the published network: a 1x1 branch and three of 1x1"
        " and k x k. Going "
        "down is a pooling, up a nearest resize; where two arrows meet, features are added.",
        _HALVES[:5],
        {
            "photo": _data(0, 0, "photo", "3"),
            "stem": Box(1, 0, "conv 7x7", "128"),
            "down1": Box(2, 1, "A A", "128"),
            "down2": Box(3, 2, "A B", "256"),
            "down3": Box(4, 3, "C C", "256"),
            "bottom": Box(5, 4, "C C C", "256"),
            "skip1": Box(5, 0, "K", "64"),
            "skip2": Box(5, 1, "A F", "128"),
            "skip3": Box(5, 2, "C D", "256"),
            "skip4": Box(5, 3, "C C", "256"),
            "up3": Box(6, 3, "C D", "256"),
            "up2": Box(7, 2, "C E", "128"),
            "up1": Box(8, 1, "G H", "64"),
            "head": Box(9, 0, "conv 3x3", "1"),
            "depth": _data(10, 0, "log_depth", "1"),
        },
        chain(
            "photo > stem > down1 > down2 > down3 >^ bottom > up3 > up2 > up1 > head > depth; stem"
            " > skip1 > head;"
            "down1 > skip2 > up1; down2 > skip3 > up2; down3 > skip4 > up3"
        ),
    ),
    "scrn": Drawing(
        "SCRN",
        "Four cross-refinement units let the branches of saliency and edges correct each other at"
        " every level, from "
        "their own and all coarser levels. The branch of edges has a decoder like that of"
        " saliency, for training.",
        ("1/4", "1/8", "1/16", "1/32"),
        {
            "photo": _data(0, 0, "photo", "3, full size"),
            **{
                f"stage{number}": Box(1, number - 1, f"ResNet-50, {number}", f"{128 << number}")
                for number in range(1, 5)
            },
            **{
                f"reduce{number}": Box(2, number - 1, "reduce", "32 and 32")
                for number in range(1, 5)
            },
            **{
                f"unit{number}": Box(3, number - 1, "4 units", "32 and 32")
                for number in range(1, 5)
            },
            **{f"fuse{number}": Box(4, number - 1, "convs", "32") for number in range(1, 5)},
            "logits": Box(5, 0, "conv 1x1", "1"),
            "saliency": _data(6, 0, "saliency", "1, full size"),
        },
        chain(
            "photo > stage1 > stage2 > stage3 > stage4; stage1 > reduce1 > unit1 > fuse1;"
            "stage2 > reduce2 > unit2 > fuse2; stage3 > reduce3 > unit3 > fuse3; stage4 > reduce4"
            " > unit4 > fuse4;"
            "unit4 ~ unit3 ~ unit2 ~ unit1; fuse4 > fuse3 > fuse2 > fuse1 > logits > saliency"
        ),
    ),
    "dbsi": Drawing(
        "DBSI",
        "Four weight maps that sum to one at every pixel blend the photo with three blurs of it.",
        ("1", "1", "1"),
        {
            "photo": _data(0, 1, "photo", "3"),
            "hourglass": Box(1, 0, "MegaDepth", "64"),
            "weights": Box(2, 0, "conv, softmax", "4"),
            "blurs": _fixed(1.5, 2, "3 Gaussians", "25, 45, 75 px"),
            "blend": _blend(3, 1, "weighted sum", "3"),
            "rendered": _data(4, 1, "rendered", "3"),
        },
        chain(
            "photo >^ hourglass > weights > blend; photo > blend > rendered; photo >^ blurs > blend"
        ),
    ),
    "dbsi_mobile": Drawing(
        "DBSI for phones",
        "Only the photo x itself, two enlargements and the sum are at full size. The blurs leave"
        " out what is in focus.",
        ("1", "256 rows", "256 rows", "128 rows"),
        {
            "photo": _data(0, 0, "photo x", "3"),
            "grid": _fixed(1, 1, "mean", "3"),
            "network": Box(2, 3, "U-Net", "4"),
            "filter": _fixed(3, 2, "guided filter", "W0: 1"),
            "blurs": _blend(4, 1, "blurred rest", "3"),
            "enlarged": _fixed(5, 1, "enlarge", "rest, W0"),
            "sum": _blend(6, 0, "W0 x + rest", "3"),
            "rendered": _data(7, 0, "rendered", "3"),
        },
        chain(
            "photo > grid > blurs > enlarged > sum > rendered; photo > sum; grid > filter > blurs;"
            "grid >^ network > filter; network > blurs"
        ),
    ),
    "saliency_blend": Drawing(
        "Saliency blend",
        "SCRN sees a copy of the photo that a whole number reduces to about 352x352; its map is"
        " enlarged again.",
        ("1", "1", "1"),
        {
            "photo": _data(0, 1, "photo", "3"),
            "network": Box(1, 0, "SCRN", "reduced: 1"),
            "weight": _fixed(2, 0, "enlarge", "W0: 1"),
            "blur": _fixed(1.5, 2, "Gaussian", "75 px"),
            "blend": _blend(3, 1, "weighted sum", "3"),
            "rendered": _data(4, 1, "rendered", "3"),
        },
        chain("photo >^ network > weight > blend; photo > blend > rendered; photo >^ blur > blend"),
    ),
    "bgnet": Drawing(
        "BGNet",
        "Two U-Nets in a row; the second one is shown the first one's picture y1 and what that"
        " took away from the "
        "photo x. Dashed arrows are concatenations, the residual blocks are instance-normalised.",
        (*_HALVES[:4], "1/8", *_HALVES[:4], "1/8"),
        {
            "photo": _data(0, 0, "photo x", "3"),
            "a0": Box(1, 0, "conv", "16"),
            "a1": Box(2, 1, "conv, stride 2", "32"),
            "a2": Box(3, 2, "conv, stride 2", "64"),
            "a3": Box(4, 3, "conv, stride 2", "128"),
            "a4": Box(5, 4, "9 res. blocks", "128"),
            "a5": _fixed(6, 3, "concat", "256"),
            "a6": Box(7, 2, "deconv", "64"),
            "a7": Box(8, 1, "deconv", "32"),
            "a8": Box(9, 0, "deconv", "16"),
            "first": _data(10, 0, "y1: conv, tanh", "3"),
            "input": _data(0, 5, "y1, x - y1", "6"),
            "b0": Box(1, 5, "conv", "24"),
            "b1": Box(2, 6, "conv, stride 2", "48"),
            "b2": Box(3, 7, "conv, stride 2", "96"),
            "b3": Box(4, 8, "conv, stride 2", "192"),
            "b4": Box(5, 9, "conv, 9 blocks", "192"),
            "b5": _fixed(6, 8, "concat", "384"),
            "b6": Box(7, 7, "deconv", "96"),
            "b7": Box(8, 6, "deconv", "48"),
            "b8": Box(9, 5, "deconv", "24"),
            "rendered": _data(10, 5, "conv, tanh", "3"),
        },
        chain(
            "photo > a0 > a1 > a2 > a3 >^ a4 > a5 > a6 > a7 > a8 > first; a3 ~ a5; photo > input;"
            "input > b0 > b1 > b2 > b3 >^ b4 > b5 > b6 > b7 > b8 > rendered; b3 ~ b5; b2 ~ b6; b1"
            " ~ b7"
        ),
    ),
    "defocus": Drawing(
        "Defocus estimation",
        "Layers of disk blur are laid over one another, from the largest disk to the sharp photo,"
        " by six probabilities "
        "per pixel and weighted by the light that a pixel has. single_channel has one defocus"
        " value, 15 layers, and "
        "pastes the photo's foreground over the result.",
        ("1", "1/2", "1/4 ..", "1/2"),
        {
            "photo": _data(0, 0, "photo", "3"),
            "half": _fixed(1, 1, "mean", "3"),
            "encoder": Box(2, 2, "ResNeXt-50", "256 to 2048"),
            "decoder": Box(3, 2, "MiDaS decoder", "256"),
            "layers": Box(4, 2, "head, softmax", "6, at 1/2"),
            "light": Box(3, 3, "radiance", "3 conv 1x1: 1"),
            "blur": _blend(5, 1, "layered blur", "disks 9 to 69"),
            "enlarged": _fixed(6, 0, "enlarge", "3"),
            "rendered": _data(7, 0, "rendered", "3"),
        },
        chain(
            "photo > half > blur > enlarged > rendered; half > encoder > decoder > layers >"
            " blur;half >^ light > blur"
        ),
    ),
    "wavelet_cnn": Drawing(
        "Dilated wavelet CNN",
        "Going down is a Haar transform, up its inverse; dashed arrows are sums. All convolutions"
        " are 3x3, with the "
        "dilations 1 2 1 on the way down, 1 2 3 3 2 at the bottom and 2 1 on the way up.",
        ("1", "1", "1/2", "1/4", "1/8"),
        {
            "photo": _data(0, 0, "photo", "3"),
            "down0": Box(1, 1, "3 convs", "16"),
            "down1": Box(2, 2, "3 convs", "32"),
            "down2": Box(3, 3, "3 convs", "64"),
            "bottom": Box(4, 4, "6 convs", "128, then 256"),
            "up2": Box(5, 3, "3 convs", "64, then 128"),
            "up1": Box(6, 2, "3 convs", "32, then 64"),
            "up0": Box(7, 1, "2 convs", "16"),
            "change": Box(8, 1, "conv", "3"),
            "sum": _blend(9, 0, "sum", "3"),
            "rendered": _data(10, 0, "rendered", "3"),
        },
        chain(
            "photo > down0 > down1 > down2 > bottom > up2 > up1 > up0 > change > sum > rendered;"
            " photo ~ sum;"
            "down0 ~ up0; down1 ~ up1; down2 ~ up2"
        ),
    ),
    "horizon": Drawing(
        "Hierarchical weight maps",
        "At each level four weight maps blend the reduced photo with three blurs of it. Picture"
        " and maps, doubled, "
        "join the input of the next level; the encoder's features, doubled, are added to the next"
        " level's.",
        ("1", "", "1/2", "", "1/4"),
        {
            "photo1": _data(0, 0, "photo", "3"),
            "photo2": _data(0, 2, "photo", "3"),
            "photo3": _data(0, 4, "photo", "3"),
            "encoder3": Box(1, 4, "encoder", "32, 64, 128"),
            "decoder3": Box(2, 4, "decoder", "4"),
            "blend3": _blend(3, 4, "blend", "7, 11, 19 px"),
            "doubled3": _fixed(2, 3, "double", "128"),
            "encoder2": Box(4, 2, "encoder", "32, 64, 128"),
            "decoder2": Box(5, 2, "sum, decoder", "4"),
            "blend2": _blend(6, 2, "blend", "13, 23, 37 px"),
            "doubled2": _fixed(5, 1, "double", "128"),
            "encoder1": Box(7, 0, "encoder", "32, 64, 128"),
            "decoder1": Box(8, 0, "sum, decoder", "4"),
            "blend1": _blend(9, 0, "blend", "25, 45, 75 px"),
            "rendered": _data(10, 0, "rendered", "3"),
        },
        chain(
            "photo3 > encoder3 > decoder3 > blend3 > encoder2 > decoder2 > blend2 > encoder1 >"
            " decoder1 > blend1;"
            "blend1 > rendered; photo2 > encoder2; photo1 > encoder1; encoder3 ~^ doubled3 ~"
            " decoder2;"
            "encoder2 ~^ doubled2 ~ decoder1"
        ),
    ),
    "dmshn": Drawing(
        "DMSHN",
        "The picture of each level, doubled, is added to the next level's reduced photo, and the"
        " encoder's features, "
        "doubled, to the next level's features. stacked is two such networks in a row.",
        ("1", "", "1/2", "", "1/4"),
        {
            "photo1": _data(0, 0, "photo", "3"),
            "photo2": _data(0, 2, "photo", "3"),
            "photo3": _data(0, 4, "photo", "3"),
            "encoder3": Box(1, 4, "encoder", "32, 64, 128"),
            "decoder3": Box(2, 4, "decoder", "3"),
            "doubled3": _fixed(2, 3, "double", "128"),
            "encoder2": Box(3, 2, "sum, encoder", "32, 64, 128"),
            "decoder2": Box(4, 2, "sum, decoder", "3"),
            "doubled2": _fixed(4, 1, "double", "128"),
            "encoder1": Box(5, 0, "sum, encoder", "32, 64, 128"),
            "decoder1": Box(6, 0, "sum, decoder", "3"),
            "rendered": _data(7, 0, "rendered", "3"),
        },
        chain(
            "photo3 > encoder3 > decoder3 > encoder2 > decoder2 > encoder1 > decoder1 > rendered;"
            " photo2 > encoder2;"
            "photo1 > encoder1; encoder3 ~^ doubled3 ~ decoder2; encoder2 ~^ doubled2 ~ decoder1"
        ),
    ),
}

"""More diagrams, see `diagrams`: the U-Net, and the networks of dense and of parallel blocks."""

from export.zoo.drawing import Box, Drawing, chain

DIAGRAMS = {
    "dddf": Drawing(
        "Dense dynamic filtering",
        "One decoder renders colours, the other the weights with which every pixel of the photo is"
        " averaged with its "
        "9x9 neighbours. Dashed arrows are concatenations; the filter branch and the colour branch"
        " both take the "
        "features at 1/2. In fused, saliency and depth are estimated inside.",
        ("1", "1", "1/2", "1/4", "1/8"),
        {
            "inputs": Box(0, 1, "photo, maps", "3, 1, 1", "data"),
            "stem": Box(1, 2, "cells, conv", "64"),
            "dense1": Box(2, 3, "6 dense", "128"),
            "dense2": Box(3, 4, "12, 24 dense", "256, 512"),
            "decoder": Box(4, 4, "dense, deconv", "128"),
            "quarter": Box(5, 3, "concat", "256", "fixed"),
            "filters": Box(6, 2, "filter branch", "dense: 64"),
            "colours": Box(8, 2, "colour branch", "dense: 64"),
            "weights": Box(6, 1, "softmax", "81"),
            "context": Box(8, 1, "context means", "3"),
            "filtered": Box(7, 0, "9x9 filter", "3", "blend"),
            "sum": Box(9, 0, "sum, mean", "3", "blend"),
            "rendered": Box(10, 0, "rendered", "3", "data"),
        },
        chain(
            "inputs > stem > dense1 > dense2 > decoder > quarter > filters > weights > filtered >"
            " sum > rendered;"
            "quarter > colours > context > sum; inputs >^ filtered; stem ~ filters; dense1 ~"
            " quarter"
        ),
    ),
    "unet": Drawing(
        "Modified U-Net",
        "Strided convolutions go down, transposed ones up. Dashed arrows are concatenations,"
        " before the activation.",
        ("1", "1/2", "1/4", "1/8", "1/16"),
        {
            "photo": Box(0, 0, "photo", "3", "data"),
            **{
                f"down{scale}": Box(1 + scale, scale, "2 convs", f"{16 << scale}")
                for scale in range(4)
            },
            "bottom": Box(5, 4, "2 convs", "256"),
            **{
                f"up{scale}": Box(9 - scale, scale, "2 convs", f"{16 << scale}")
                for scale in range(4)
            },
            "rendered": Box(10, 0, "conv", "rendered: 3", "data"),
        },
        chain(
            "photo > down0 > down1 > down2 > down3 > bottom > up3 > up2 > up1 > up0 > rendered;"
            "down0 ~ up0; down1 ~ up1; down2 ~ up2; down3 ~ up3"
        ),
    ),
    "wide_activation": Drawing(
        "Wide activation with channel attention",
        "A block is a 3x3 convolution to 128 channels, ReLU, one back to 32, their scaling by"
        " numbers that come from "
        "the means of all channels, and a sum with the block's input.",
        ("1", "1/4", "1/4"),
        {
            "photo": Box(0, 0, "photo", "3", "data"),
            "cells": Box(1, 1, "cells to depth", "48", "fixed"),
            "features": Box(2, 1, "conv", "32"),
            "blocks": Box(3, 2, "8 blocks", "32, 128, 32"),
            "last": Box(4, 2, "conv", "32"),
            "sum": Box(5, 1, "sum", "32", "blend"),
            "colours": Box(6, 1, "conv", "48"),
            "rendered": Box(7, 0, "depth to cells", "rendered: 3", "data"),
        },
        chain(
            "photo > cells > features >^ blocks > last > sum > colours > rendered; features ~ sum"
        ),
    ),
    "pynet": Drawing(
        "PyNET with depth",
        "A block has parallel branches of two convolutions, with kernels from 3x3 to at most 9x9"
        " at level 3. Each "
        "level takes the coarser one's features, enlarged twice by transposed convolutions of"
        " their own, and, dashed, "
        "the encoder's. Levels are trained from the coarsest on.",
        ("1", "1/2", "1/4", "1/8", "1/16", "1/32", "1/64"),
        {
            "inputs": Box(0, 0, "photo, depth", "3, 1", "data"),
            "half": Box(1, 1, "mean", "4", "fixed"),
            "encoder3": Box(2, 2, "cells, block", "32"),
            "encoder4": Box(3, 3, "pool, block", "64"),
            "encoder5": Box(4, 4, "pool, block", "128"),
            "encoder6": Box(5, 5, "pool, block", "256"),
            "level7": Box(6, 6, "level 7", "512"),
            "level6": Box(7, 5, "level 6", "256"),
            "level5": Box(8, 4, "level 5", "128"),
            "level4": Box(9, 3, "level 4", "64"),
            "level3": Box(10, 2, "level 3", "32"),
            "level2": Box(11, 1, "level 2", "8, then 3"),
            "rendered": Box(12, 0, "level 1", "rendered: 3", "data"),
        },
        chain(
            "inputs > half > encoder3 > encoder4 > encoder5 > encoder6 > level7 > level6 > level5"
            " > level4 > level3;"
            "level3 > level2 > rendered; encoder3 ~ level3; encoder4 ~ level4; encoder5 ~ level5;"
            " encoder6 ~ level6"
        ),
    ),
}

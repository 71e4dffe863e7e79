"""PyTorch twins of our models, with the module names of the published ones; run by
a Python that has PyTorch.

`python torch_twins.py MODEL FOLDER` writes random weights as `checkpoint.pth`, a photo as
`photo.npy` `[1, H, W, 3]` and what the twin makes of it as `expected.npy` `[1, H, W, C]`. Structure
and names are those of saikatdutta/Stacked_DMSHN_bokeh and zhengqili/MegaDepth.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

# Legal for every model, not square, and no power of two.
SHAPE = (48, 80)
SEED = 5


class Numbered(nn.Module):
    """A DMSHN encoder or decoder: `layer<number>` is a plain or strided
    convolution, or a pair with a detour.
    """

    def __init__(self, plan):
        super().__init__()
        for number, layer in plan.items():
            self.add_module(f"layer{number}", layer)

    def forward(self, x):
        for layer in self.children():
            x = layer(x) + x if isinstance(layer, nn.Sequential) else layer(x)
        return x


def pair(channels):
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
    )


def dmshn_encoder():
    plan = {1: nn.Conv2d(3, 32, 3, padding=1), 2: pair(32), 3: pair(32)}
    plan |= {5: nn.Conv2d(32, 64, 3, stride=2, padding=1), 6: pair(64), 7: pair(64)}
    return Numbered(
        plan | {9: nn.Conv2d(64, 128, 3, stride=2, padding=1), 10: pair(128), 11: pair(128)}
    )


def dmshn_decoder():
    plan = {13: pair(128), 14: pair(128), 16: nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)}
    plan |= {17: pair(64), 18: pair(64), 20: nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)}
    return Numbered(plan | {21: pair(32), 22: pair(32), 24: nn.Conv2d(32, 3, 3, padding=1)})


class Dmshn(nn.Module):
    def __init__(self):
        super().__init__()
        for level in (1, 2, 3):
            self.add_module(f"encoder_lv{level}", dmshn_encoder())
        for level in (1, 2, 3):
            self.add_module(f"decoder_lv{level}", dmshn_decoder())

    def forward(self, image):
        half = interpolate(image, scale_factor=0.5, mode="bilinear")
        quarter = interpolate(half, scale_factor=0.5, mode="bilinear")
        features3 = self.encoder_lv3(quarter)
        residual3 = self.decoder_lv3(features3)
        features2 = self.encoder_lv2(half + doubled(residual3))
        residual2 = self.decoder_lv2(features2 + doubled(features3))
        features1 = self.encoder_lv1(image + doubled(residual2))
        return self.decoder_lv1(features1 + doubled(features2))


def doubled(x):
    return interpolate(x, scale_factor=2, mode="bilinear")


def stacked_dmshn():
    return nn.Sequential(OrderedDict(net1=Dmshn(), net2=Dmshn()))


class Concatenated(nn.Sequential):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], dim=1)


class Both(nn.Sequential):
    def forward(self, x):
        return [path(x) for path in self]


class Sum(nn.Module):
    def forward(self, paths):
        return paths[0] + paths[1]


def normalised(in_channels, out_channels, size):
    convolution = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
    return [convolution, nn.BatchNorm2d(out_channels, 1e-5, 0.1, affine=False), nn.ReLU()]


# Letter: input channels, output channels of each branch, channels between, kernel sizes.
INCEPTIONS = {
    "a": (128, 32, 32, (3, 5, 7)),
    "b": (128, 64, 32, (3, 5, 7)),
    "c": (256, 64, 32, (3, 5, 7)),
    "d": (256, 64, 64, (3, 7, 11)),
    "e": (256, 32, 32, (3, 5, 7)),
    "f": (128, 32, 64, (3, 7, 11)),
    "g": (128, 32, 64, (3, 5, 7)),
    "h": (128, 16, 32, (3, 7, 11)),
    "k": (128, 16, 64, (3, 7, 11)),
}


def inceptions(letters):
    return [inception(*INCEPTIONS[letter]) for letter in letters]


def inception(channels, out, middle, sizes):
    branches = [normalised(channels, out, 1)]
    branches += [normalised(channels, middle, 1) + normalised(middle, out, size) for size in sizes]
    return Concatenated(*(nn.Sequential(*branch) for branch in branches))


def megadepth():
    up = [nn.Upsample(scale_factor=2)]
    level4 = [
        nn.Sequential(*inceptions("cc")),
        nn.Sequential(nn.AvgPool2d(2), *inceptions("ccc"), *up),
    ]
    inside = [
        nn.AvgPool2d(2),
        *inceptions("cc"),
        nn.Sequential(Both(*level4), Sum()),
        *inceptions("cd"),
        *up,
    ]
    level3 = [nn.Sequential(*inceptions("cd")), nn.Sequential(*inside)]
    inside = [
        nn.MaxPool2d(2),
        *inceptions("ab"),
        nn.Sequential(Both(*level3), Sum()),
        *inceptions("ce"),
        *up,
    ]
    level2 = [nn.Sequential(*inside), nn.Sequential(*inceptions("af"))]
    inside = [
        nn.MaxPool2d(2),
        *inceptions("aa"),
        nn.Sequential(Both(*level2), Sum()),
        *inceptions("gh"),
        *up,
    ]
    level1 = [nn.Sequential(*inside), nn.Sequential(*inceptions("k"))]
    stem = [nn.Conv2d(3, 128, 7, padding=3), nn.BatchNorm2d(128), nn.ReLU()]
    return nn.Sequential(*stem, nn.Sequential(Both(*level1), Sum()), nn.Conv2d(64, 1, 3, padding=1))


TWINS = {"dmshn": Dmshn, "dmshn_stacked": stacked_dmshn, "megadepth": megadepth}


def main(name, folder):
    folder = Path(folder)
    generator = torch.manual_seed(SEED)
    twin = TWINS[name]()
    for module in twin.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(
                0.2 * torch.randn(module.running_mean.shape, generator=generator)
            )
            module.running_var.copy_(
                torch.rand(module.running_var.shape, generator=generator) + 0.5
            )
        elif isinstance(module, nn.Conv2d) and name == "megadepth":
            # PyTorch's own start is so faint that nothing but biases would come
            # through the many layers.
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
    # MegaDepth was published before PyTorch's files became zip archives.
    is_archive = name != "megadepth"
    state = nn.DataParallel(twin).state_dict()
    torch.save(state, folder / "checkpoint.pth", _use_new_zipfile_serialization=is_archive)
    photo = torch.rand(1, 3, *SHAPE, generator=generator)
    with torch.no_grad():
        rendered = twin.eval()(photo)
    for array_name, tensor in (("photo", photo), ("expected", rendered)):
        np.save(folder / f"{array_name}.npy", tensor.permute(0, 2, 3, 1).contiguous().numpy())
    print(sum(parameter.numel() for parameter in twin.parameters()))


if __name__ == "__main__":
    main(*sys.argv[1:])

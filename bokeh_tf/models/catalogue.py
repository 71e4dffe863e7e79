"""What is known of every model before building one: whose it is, where it is
described, its sizes and variants.

Facts only, so that lists and documents need neither Keras nor a network; what was measured of the
built models is in `measured`, what papers report in `reported`.
"""

from dataclasses import dataclass

from bokeh_tf.models.reported import ReportedRow, rows_of

PHOTO_PX = (1024, 1536)
_SMALL_PX = (128, 192)


@dataclass(frozen=True)
class Variant:
    """One variant: its name, what it is in a few words, and the maps that
    it takes besides the image.
    """

    name: str
    summary: str
    maps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One model.

    `fidelity` says how much of the structure is its authors'. `reference_size_px` and
    `check_size_px` are (height, width): the size that arithmetic and memory are given for, and a
    small one that every variant accepts.
    """

    name: str
    title: str
    team: str
    sources: tuple[str, ...]
    fidelity: str
    variants: tuple[Variant, ...]
    reference_size_px: tuple[int, int] = PHOTO_PX
    check_size_px: tuple[int, int] = _SMALL_PX

    @property
    def reported(self) -> tuple[ReportedRow, ...]:
        """What papers report about it."""
        return rows_of(self.name)

    def variant(self, name) -> Variant:
        """One of its variants; `ValueError` where there is none of that name."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants)
        raise ValueError(
            f"variant must be one of {self.name}'s. Received: {name!r}. Known: {known}."
        )


_AIM_2020 = (
    "Ignatov et al., AIM 2020 Challenge on Rendering Realistic Bokeh, ECCV Workshops 2020, section"
)
_DBSI = "Dutta, Depth-aware Blending of Smoothed Images for Bokeh Effect Generation, 2021"
_TINY = "the same structure small enough for a phone; ours, untrained"
_AS_PUBLISHED = "the published network"


def _variants(*others, base=_AS_PUBLISHED, tiny=_TINY, maps=()):
    """The variants base and tiny with `others` between them."""
    return (Variant("base", base, maps), *others, Variant("tiny", tiny, maps))


ENTRIES = (
    Entry(
        "megadepth",
        "MegaDepth: depth of a single photo",
        "Li and Snavely",
        ("Li and Snavely, MegaDepth, CVPR 2018", "github.com/zhengqili/MegaDepth"),
        "as released",
        _variants(),
        reference_size_px=(384, 512),
    ),
    Entry(
        "scrn",
        "SCRN: saliency by stacked cross refinement",
        "Wu, Su and Huang",
        (
            "Wu, Su and Huang, Stacked Cross Refinement Network, ICCV 2019",
            "github.com/wuzhe71/SCRN",
        ),
        "as released",
        _variants(
            Variant("edges", "with the map of edges, which training wants, as a second output")
        ),
        reference_size_px=(352, 352),
    ),
    Entry(
        "dbsi",
        "Depth-aware blending of smoothed images",
        "CVL-IITM (Dutta)",
        (f"{_DBSI}, section 3", "github.com/zhengqili/MegaDepth"),
        "as described, on MegaDepth as released; the blurs' sigma is our choice",
        _variants(
            Variant("one_kernel", "one blur, of 75 pixels (table 2)"),
            Variant("small_kernels", "blurs of 5, 25 and 45 pixels (table 3)"),
            base="blurs of 25, 45 and 75 pixels",
        ),
        reference_size_px=(768, 1024),
    ),
    Entry(
        "dbsi_mobile",
        "Depth-aware blending for phones",
        "this package",
        (f"after {_DBSI}",),
        "ours",
        (
            Variant(
                "focus", "with a network that knows subjects, a tap, an aperture and a lens's discs"
            ),
            Variant(
                "guided",
                "without a network: a mask or a disparity of the phone says what is in focus",
                ("guide",),
            ),
            Variant("base", "DBSI's phone model; ours, trained weights come with the package"),
        ),
        check_size_px=(256, 384),
    ),
    Entry(
        "saliency_blend",
        "Saliency-weighted blend with one blur",
        "Dutta's baseline",
        (f"{_DBSI}, section 5.3", "github.com/wuzhe71/SCRN"),
        "as described, on SCRN as released",
        _variants(
            Variant("from_map", "the blend alone, without weights", ("saliency",)),
            base="with SCRN in the graph",
        ),
    ),
    Entry(
        "bgnet",
        "BGNet: two stacked U-Nets",
        "Airia-bokeh",
        (
            f"{_AIM_2020} 4.1",
            "Qian et al., BGGAN, ECCV Workshops 2020",
            "github.com/qianmingduowan/AIM2020-bokeh-BGNet",
        ),
        "as released, but for the instance normalisation, which divides by the standard deviation",
        _variants(),
    ),
    Entry(
        "defocus",
        "Bokeh rendering from defocus estimation",
        "AIA-Smart",
        (
            f"{_AIM_2020} 4.2",
            "Luo et al., Bokeh Rendering from Defocus Estimation, ECCV Workshops 2020",
            "github.com/xianrui-luo/defocustofocus",
        ),
        "network as released; the six-layer compositor is our choice",
        _variants(
            Variant(
                "single_channel",
                "one channel of defocus instead of six layers, and the foreground pasted",
            ),
            base="six layers of defocus",
        ),
    ),
    Entry(
        "wavelet_cnn",
        "Dilated wavelet CNN",
        "CET_CVLab, CET_SP",
        (
            f"{_AIM_2020} 4.3",
            "Liu et al., Multi-level Wavelet-CNN for Image Restoration, CVPR Workshops 2018",
            "github.com/lpj-github-io/MWCNNv2",
        ),
        "as described; widths are our choice",
        _variants(
            Variant("width32", "32 channels at full size"),
            Variant("width64", "64 channels at full size, the width of MWCNNv2"),
            base="16 channels at full size",
        ),
    ),
    Entry(
        "horizon",
        "Hierarchical weight maps",
        "Team Horizon",
        (f"{_AIM_2020} 4.4", "github.com/saikatdutta/Stacked_DMSHN_bokeh (encoder and decoder)"),
        "as described; heads and blurs are our choice",
        _variants(base="the network of the challenge as described"),
    ),
    Entry(
        "dmshn",
        "Deep multi-scale hierarchical network",
        "Team Horizon, later work",
        (
            "Dutta et al., Stacked Deep Multi-Scale Hierarchical Network for Fast Bokeh Effect"
            " Rendering, CVPRW 2021",
            "github.com/saikatdutta/Stacked_DMSHN_bokeh",
        ),
        "as released",
        _variants(Variant("stacked", "two in a row")),
    ),
    Entry(
        "dddf",
        "Depth-guided dense dynamic filtering",
        "IPCV_IITM",
        (
            f"{_AIM_2020} 4.5",
            "Purohit et al., Depth-guided Dense Dynamic Filtering Network, ICCV Workshops 2019",
            "github.com/kuldeeppurohit/DDDF-Bokeh-Effect-Rendering-ICCV2019",
        ),
        "as released; depth and saliency from MegaDepth and SCRN",
        _variants(
            Variant("fused", "with both estimators in the graph"), maps=("saliency", "depth")
        ),
    ),
    Entry(
        "unet",
        "Modified U-Net",
        "CET21_CV",
        (f"{_AIM_2020} 4.6",),
        "as described; widths and depth are our choice",
        _variants(Variant("width32", "32 channels at full size"), base="16 channels at full size"),
    ),
    Entry(
        "wide_activation",
        "Wide activation with channel attention",
        "CET_ECE",
        (
            f"{_AIM_2020} 4.7",
            "github.com/krasserm/super-resolution (WDSR)",
            "github.com/yulunzhang/RCAN",
        ),
        "as described; width and number of blocks are our choice",
        _variants(base="eight blocks of 32 channels"),
    ),
    Entry(
        "pynet",
        "PyNET with depth",
        "Xuehuapiaopiao-team, Terminator",
        (
            f"{_AIM_2020} 4.8",
            "Ignatov et al., Rendering Natural Camera Bokeh Effect with Deep Learning, CVPR"
            " Workshops 2020",
            "github.com/aiff22/PyNET-Bokeh",
        ),
        "PyNET-Bokeh as released; the teams' changes to it are not published",
        _variants(
            Variant("fused", "with the depth estimator in the graph"),
            Variant("without_depth", "the photo alone"),
            base="the finest level's picture alone",
            maps=("depth",),
        ),
    ),
)


def entry(name) -> Entry:
    """The entry of one model; `ValueError` where there is none of that name."""
    for candidate in ENTRIES:
        if candidate.name == name:
            return candidate
    raise ValueError(
        f"name must be a model. Received: {name!r}. Known:"
        f" {', '.join(candidate.name for candidate in ENTRIES)}."
    )

"""What papers report about the systems built here and those they are compared with:
rows of their result tables.

AIM 2020 is "AIM 2020 Challenge on Rendering Realistic Bokeh" (Ignatov et al., ECCV Workshops 2020),
DBSI "Depth-aware Blending of Smoothed Images for Bokeh Effect Generation" (Dutta, 2021): every row,
as printed. DMSHN and those after it are measured by DMSHN's script on Val294; where the table
itself was not read, a row's `doubt` says so. The numbers are their authors', measured with their
weights, which this package does not have: none of them is a claim about what is built here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conditions:
    """Where a table is, what it was measured on, and what its mean opinion score means.

    `protocol` is the name by which `bokeh_tf.evaluation.protocols` measures in the
    same way, "" where none does.
    """

    paper: str
    table: str
    data: str
    runtime_on: str = ""
    mos_scale: str = ""
    protocol: str = ""


@dataclass(frozen=True)
class ReportedRow:
    """One row. A number is None where the table has none; `note` is the table's
    or the paper's own remark.

    `doubt` says what stands against the number: a source that is not the table itself,
    or weights that had seen the pairs they were measured on, which is
    `is_contaminated` and no bar for anybody.

    `models` are the models built here that the row is about, none for a system
    that neither paper describes.
    """

    subject: str
    conditions: Conditions
    models: tuple[str, ...] = ()
    psnr_db: float | None = None
    ssim: float | None = None
    lpips: float | None = None
    mos: float | None = None
    runtime_s: float | None = None
    note: str = ""
    doubt: str = ""
    is_contaminated: bool = False


_TEST_SET_2020 = "EBB! test set of 200 pairs"
_BEST_IS_5 = "5 is best, judged against the photo taken with a wide aperture"
_CPU_2020 = Conditions(
    "AIM 2020",
    "table 1, track 1",
    _TEST_SET_2020,
    "a desktop CPU by the table's heading; section 3.2 calls the same times those of Nvidia cards",
    _BEST_IS_5,
)
_GPU_2020 = Conditions(
    "AIM 2020",
    "table 2, track 2",
    _TEST_SET_2020,
    "a smartphone's GPU, OpenCL TFLite delegate",
    _BEST_IS_5,
)
VAL294 = "Val294: 294 pairs of EBB!'s training set"
_BASELINE = Conditions("DBSI", "table 1", VAL294, protocol="dbsi")
_KERNEL_COUNT = Conditions("DBSI", "table 2", VAL294, protocol="dbsi")
_KERNEL_SIZES = Conditions("DBSI", "table 3", VAL294, protocol="dbsi")
_PHASES = Conditions("DBSI", "table 4", VAL294, protocol="dbsi")
_AIM_2019 = Conditions(
    "DBSI", "table 5", "AIM 2019 test set of 200 pairs", mos_scale="lower is better"
)
_EFFICIENCY = Conditions(
    "DBSI", "section 5.7", "one image of 1024x1575", "GeForce TITAN X (section 4.1), without I/O"
)
_DMSHN = Conditions("DMSHN", "table 1", VAL294, "a GPU", protocol="dmshn")
_AFTER_DMSHN = {
    name: Conditions(name, where, VAL294, protocol="dmshn")
    for name, where in (
        ("MPFNet", "its published pictures"),
        ("BRViT", "its repository's README"),
        ("Federated bokeh", "a thesis's page"),
    )
}
_RECALLED = (
    "quoted from memory of the paper's table, which was not read again: look it up before citing it"
)
_SECOND_HAND = (
    "quoted by another work (a thesis on federated bokeh rendering), not by the paper itself"
)
_SAW_THEM = (
    "contaminated: the published weights were trained on all training pairs, those of"
    " Val294 among them"
)

_UNRANKED = "not ranked: it uses depth maps computed beforehand"
_ONE_MODEL_2020 = (
    # Team, model, then seconds, PSNR, SSIM, MOS.
    ("Airia-bokeh", "bgnet", 5.52, 23.58, 0.8770, 4.2),
    ("AIA-Smart", "defocus", 1.71, 23.56, 0.8829, 3.8),
    ("CET_SP", "wavelet_cnn", 1.17, 21.91, 0.8201, 3.3),
    ("CET_CVLab", "wavelet_cnn", 1.17, 23.05, 0.8591, 3.2),
    ("Team Horizon", "horizon", 19.27, 23.27, 0.8818, 3.2),
    ("IPCV_IITM", "dddf", 27.24, 23.77, 0.8866, 2.5),
    ("CET21_CV", "unet", 0.74, 22.80, 0.8628, 1.3),
    ("CET_ECE", "wide_activation", 0.74, 22.85, 0.8629, 1.2),
)
_DMSHN_TABLE = (
    # Subject, models, then PSNR, SSIM, LPIPS, seconds.
    ("DDDF", ("dddf",), 24.14, 0.8713, 0.2482, 2.5),
    ("BGGAN", ("bgnet",), 24.39, 0.8645, 0.2467, 0.03),
    ("SKN", (), 24.66, 0.8521, 0.3323, 0.055),
    ("DMSHN", ("dmshn",), 24.65, 0.8765, 0.2289, 0.020),
)

ROWS = (
    *(
        ReportedRow(
            team, _CPU_2020, (model,), psnr_db=psnr_db, ssim=ssim, mos=mos, runtime_s=runtime_s
        )
        for team, model, runtime_s, psnr_db, ssim, mos in _ONE_MODEL_2020
    ),
    ReportedRow(
        "xuehuapiaopiao-team", _CPU_2020, ("pynet",), psnr_db=22.98, ssim=0.8758, note=_UNRANKED
    ),
    ReportedRow("Terminator", _CPU_2020, ("pynet",), psnr_db=23.04, ssim=0.8756, note=_UNRANKED),
    ReportedRow(
        "Airia-bokeh", _GPU_2020, ("bgnet",), psnr_db=23.58, ssim=0.8770, mos=4.2, runtime_s=1.52
    ),
    ReportedRow(
        "AIA-Smart", _GPU_2020, ("defocus",), psnr_db=22.94, ssim=0.8842, mos=4.0, runtime_s=15.2
    ),
    ReportedRow(
        "CET_CVLab",
        _GPU_2020,
        ("wavelet_cnn",),
        psnr_db=23.05,
        ssim=0.8591,
        mos=3.2,
        runtime_s=2.75,
    ),
    ReportedRow(
        "Team Horizon",
        _GPU_2020,
        ("horizon",),
        psnr_db=23.27,
        ssim=0.8818,
        mos=3.2,
        note="did not run on a GPU: channels first (NCHW)",
    ),
    ReportedRow(
        "Baseline (SCRN)",
        _BASELINE,
        ("saliency_blend", "scrn"),
        psnr_db=22.53,
        ssim=0.8330,
        lpips=0.3251,
    ),
    ReportedRow("Proposed", _BASELINE, ("dbsi",), psnr_db=23.45, ssim=0.8675, lpips=0.2463),
    ReportedRow(
        "One kernel: 75", _KERNEL_COUNT, ("dbsi",), psnr_db=23.17, ssim=0.8613, lpips=0.2506
    ),
    ReportedRow(
        "Three kernels: 25, 45, 75",
        _KERNEL_COUNT,
        ("dbsi",),
        psnr_db=23.45,
        ssim=0.8675,
        lpips=0.2463,
    ),
    ReportedRow(
        "Kernels 5, 25, 45", _KERNEL_SIZES, ("dbsi",), psnr_db=23.22, ssim=0.8572, lpips=0.2607
    ),
    ReportedRow(
        "Kernels 25, 45, 75", _KERNEL_SIZES, ("dbsi",), psnr_db=23.45, ssim=0.8675, lpips=0.2463
    ),
    ReportedRow("Phase 1", _PHASES, ("dbsi",), psnr_db=23.91, ssim=0.8533, lpips=0.2716),
    ReportedRow("Phase 2", _PHASES, ("dbsi",), psnr_db=23.56, ssim=0.8557, lpips=0.2574),
    ReportedRow("Phase 3", _PHASES, ("dbsi",), psnr_db=23.45, ssim=0.8675, lpips=0.2463),
    ReportedRow("islab-zju", _AIM_2019, psnr_db=23.43, ssim=0.89, mos=0.87),
    ReportedRow(
        "CVL-IITM-PERC", _AIM_2019, ("dbsi",), psnr_db=22.14, ssim=0.86, mos=0.88, note="phase 3"
    ),
    ReportedRow("IPCV IITM", _AIM_2019, ("dddf",), psnr_db=23.17, ssim=0.88, mos=0.93),
    ReportedRow("VIDAR", _AIM_2019, psnr_db=23.93, ssim=0.89, mos=0.98),
    ReportedRow("XMU-VIPLab", _AIM_2019, psnr_db=23.18, ssim=0.89, mos=1.02),
    ReportedRow("KAIST-VICLAB", _AIM_2019, psnr_db=23.37, ssim=0.86, mos=1.08),
    ReportedRow("SLYYM", _AIM_2019, psnr_db=22.25, ssim=0.85, mos=1.10),
    ReportedRow("Bazinga", _AIM_2019, psnr_db=22.15, ssim=0.84, mos=1.48),
    ReportedRow("aps vision@IITG", _AIM_2019, psnr_db=20.88, ssim=0.77, mos=1.53),
    ReportedRow("CVL-IITM-FDL", _AIM_2019, ("dbsi",), psnr_db=22.90, ssim=0.87, note="phase 1"),
    ReportedRow("Proposed", _EFFICIENCY, ("dbsi",), runtime_s=0.03),
    *(
        ReportedRow(
            subject,
            _DMSHN,
            models,
            psnr_db=psnr_db,
            ssim=ssim,
            lpips=lpips,
            runtime_s=runtime_s,
            doubt=_RECALLED,
        )
        for subject, models, psnr_db, ssim, lpips, runtime_s in _DMSHN_TABLE
    ),
    ReportedRow(
        "Stacked DMSHN",
        _DMSHN,
        ("dmshn",),
        psnr_db=24.72,
        ssim=0.8793,
        lpips=0.2271,
        runtime_s=0.040,
        doubt=_SECOND_HAND,
    ),
    ReportedRow(
        "PyNET",
        _DMSHN,
        ("pynet",),
        psnr_db=24.93,
        ssim=0.8788,
        lpips=0.2219,
        runtime_s=0.27,
        doubt=f"{_SAW_THEM} (asked in issue 5 of Stacked_DMSHN_bokeh); {_RECALLED}",
        is_contaminated=True,
    ),
    ReportedRow(
        "MPFNet",
        _AFTER_DMSHN["MPFNet"],
        psnr_db=24.74,
        ssim=0.8807,
        doubt="measured anew of the pictures that its authors published (24.7413 dB, 0.8807), not"
        " quoted",
    ),
    ReportedRow("BRViT", _AFTER_DMSHN["BRViT"], psnr_db=24.76, ssim=0.8904, lpips=0.1924),
    ReportedRow(
        "BRViT, five hooks, ViT-Large",
        _AFTER_DMSHN["Federated bokeh"],
        psnr_db=24.89,
        ssim=0.8896,
        doubt=_SECOND_HAND,
    ),
    ReportedRow(
        "BRViT, federated",
        _AFTER_DMSHN["Federated bokeh"],
        psnr_db=24.42,
        ssim=0.8937,
        lpips=0.1921,
        doubt=_SECOND_HAND,
    ),
)


def rows_of(model) -> tuple[ReportedRow, ...]:
    """The rows about one model, in the papers' order."""
    return tuple(row for row in ROWS if model in row.models)

"""One plan per system of the AIM 2020 bokeh report (Ignatov et al. 2020, section 4), of
DBSI and of their baselines.

What the authors published is theirs; fields named in `ours` are not published, and hold what the
networks of the same report, or the public code of a relative, make plausible. Where nearly all is
ours, the source says so.
"""

import dataclasses

from bokeh_tf.training.plans.schedule import Adversary, LearningRate, Phase, Plan, Term

_ADAM_1E4 = LearningRate(1e-4)
_L1, _SSIM, _VGG, _CHARBONNIER = Term("l1"), Term("ssim"), Term("vgg", 0.1), Term("charbonnier")


def _dbsi_phases():
    length = ("batch_size", "epochs", "learning_rate")
    flips = ("horizontal", "vertical")
    return (
        Phase(
            "l1_384",
            losses=(_L1,),
            learning_rate=LearningRate(1e-3, 1e-4, decay="cosine"),
            image_shape=(384, 512),
            framing="resize",
            batch_size=8,
            epochs=50,
            augmentations=flips,
            ours=length,
        ),
        Phase(
            "l1_768",
            losses=(_L1,),
            learning_rate=LearningRate(1e-4, 3e-5, decay="cosine"),
            image_shape=(768, 1024),
            framing="resize",
            batch_size=2,
            epochs=20,
            augmentations=flips,
            starts_from="l1_384",
            ours=length,
        ),
        Phase(
            "ssim_768",
            losses=(_SSIM,),
            learning_rate=LearningRate(3e-5, 1e-5, decay="cosine"),
            image_shape=(768, 1024),
            framing="resize",
            batch_size=2,
            epochs=20,
            augmentations=flips,
            starts_from="l1_768",
            ours=length,
        ),
    )


def _bgnet_phases():
    apart = {
        "losses": (Term("l1", 0.5), _SSIM),
        "learning_rate": LearningRate(1e-4, 1e-5, decay="linear"),
        "image_shape": (1024, 1024),
        "batch_size": 1,
        "epochs": 60,
        "augmentations": ("horizontal", "vertical"),
        "ours": ("learning_rate", "image_shape", "batch_size", "epochs", "augmentations"),
    }
    return (
        Phase(
            "first_unet",
            learning_layers=("stage1_*",),
            output_layer="stage1_rendered",
            is_output_signed=True,
            **apart,
        ),
        Phase("second_unet", starts_from="first_unet", learning_layers=("stage2_*",), **apart),
        Phase(
            "wgan_gp",
            losses=(Term("l1", 0.5), Term("vgg", 0.1), Term("ssim", 0.05)),
            learning_rate=LearningRate(1e-5),
            image_shape=(1024, 1024),
            batch_size=1,
            epochs=60,
            beta_1=0.0,
            beta_2=0.9,
            starts_from="second_unet",
            adversary=Adversary(),
            ours=(
                "losses",
                "learning_rate",
                "image_shape",
                "epochs",
                "beta_1",
                "beta_2",
                "augmentations",
            ),
        ),
    )


# Disks of the compositor with one value of defocus per pixel; with the sharp layer fifteen.
_FIFTEEN_LAYERS_PX = (3, 5, 7, 11, 15, 19, 23, 27, 33, 39, 45, 53, 61, 69)


def _defocus_phases():
    losses = (_L1, _VGG, _SSIM, Term("gradient"))
    ours = ("losses", "batch_size", "epochs", "learning_rate", "augmentations")
    rate = LearningRate(1e-4, decay="steps", every_epochs=30, factor=0.1)
    layered = (("is_single_channel", False),)
    # All but the residual unit of the published decoder that leads nowhere.
    learning = (
        *("defocus_resnext*", "defocus_adapter*", "defocus_fusion[123]*", "defocus_fusion4_unit2*"),
        *("defocus_head*", "defocus_classes", "radiance*"),
    )
    shared = {"losses": losses, "learning_rate": rate}
    fine = {
        **shared,
        "image_shape": (512, 512),
        "batch_size": 4,
        "epochs": 60,
        "ours": ours,
    }
    return (
        Phase(
            "layered_coarse",
            **shared,
            image_shape=(256, 256),
            batch_size=8,
            epochs=90,
            changes=layered,
            learning_layers=learning,
            ours=("losses", "batch_size", "epochs", "augmentations"),
        ),
        Phase(
            "layered_fine",
            changes=layered,
            learning_layers=learning,
            starts_from="layered_coarse",
            **fine,
        ),
        # The published fourth stage, upsampling and pasting the foreground, has nothing to
        # learn: it is in the graph.
        Phase(
            "single_channel",
            changes=(("is_single_channel", True), ("disk_sizes_px", _FIFTEEN_LAYERS_PX)),
            learning_layers=("defocus_head*", "defocus_regression"),
            starts_from="layered_fine",
            **fine,
        ),
    )


def _wavelet_phases(losses, *, epochs):
    return (
        Phase(
            "whole",
            losses=losses,
            learning_rate=_ADAM_1E4,
            image_shape=(256, 256),
            batch_size=10,
            epochs=epochs,
            ours=("learning_rate", "image_shape", "augmentations"),
        ),
    )


def _horizon_phases(terms):
    return (
        Phase(
            "whole",
            losses=terms,
            learning_rate=_ADAM_1E4,
            image_shape=(1024, 1024),
            batch_size=2,
            epochs=100,
            ours=("learning_rate", "image_shape", "batch_size", "epochs", "augmentations"),
        ),
    )


def _dmshn_phases():
    ours = ("losses", "learning_rate", "image_shape", "batch_size", "epochs", "augmentations")
    sizes = {"image_shape": (1024, 1024), "batch_size": 2, "ours": ours}
    return (
        Phase("fidelity", losses=(_L1, _SSIM), learning_rate=_ADAM_1E4, epochs=60, **sizes),
        Phase(
            "ms_ssim",
            losses=(Term("ms_ssim"),),
            learning_rate=LearningRate(1e-5),
            epochs=20,
            starts_from="fidelity",
            **sizes,
        ),
        Phase(
            "stacked",
            losses=(Term("ms_ssim"),),
            learning_rate=LearningRate(1e-5),
            epochs=20,
            changes=(("networks", 2),),
            starts_from="ms_ssim",
            # Both networks start from the one.
            prefixes=("net1_", "net2_"),
            **sizes,
        ),
    )


# Per level of PyNET, coarsest first: batch and iterations as released.
_PYNET_LEVELS = {
    7: (50, 5_000),
    6: (50, 5_000),
    5: (40, 20_000),
    4: (14, 20_000),
    3: (9, 30_000),
    2: (9, 80_000),
}


def _pynet_phases():
    common = {
        "learning_rate": LearningRate(5e-5),
        # 512 rows of the half-size photo.
        "image_shape": (1024, 1024),
        "augmentations": ("rotate", "vertical"),
    }
    phases = [
        Phase(
            f"level{level}",
            losses=(Term("l1", 100.0),),
            batch_size=batch_size,
            steps=steps,
            changes=(("level", level),),
            starts_from=None if level == 7 else f"level{level + 1}",
            **common,
        )
        for level, (batch_size, steps) in _PYNET_LEVELS.items()
    ]
    # The mean square of VGG features of pictures in 0..255, on which the
    # published weight 0.1 rests.
    losses = (Term("l1", 10.0), Term("vgg_255", 0.1), Term("ssim", 10.0))
    return (
        *phases,
        Phase("level1", losses=losses, batch_size=5, steps=100_000, starts_from="level2", **common),
    )


def _one_phase(
    losses, *, image_shape, batch_size, epochs, learning_rate=_ADAM_1E4, ours, **settings
):
    return (
        Phase(
            "whole",
            losses=losses,
            learning_rate=learning_rate,
            image_shape=image_shape,
            batch_size=batch_size,
            epochs=epochs,
            ours=ours,
            **settings,
        ),
    )


_ALL_BUT_THE_LOSS = ("learning_rate", "image_shape", "batch_size", "epochs", "augmentations")
# The edges that the saliency is made of: those of the encoder and of all
# cross-refinement units but the last.
_SCRN_LEARNING = (
    "scrn_resnet*",
    "scrn_saliency*",
    "scrn_edges[1-4]_*",
    "scrn_unit[1-3]_*",
    "scrn_unit4_saliency*",
)
_SGD = {
    "optimizer": "sgd",
    "beta_1": 0.9,
    "weight_decay": 5e-4,
    "framing": "resize",
    "target": "saliency",
}

# What the shipped weights were trained with.
_FLAGSHIP = Phase(
    "scenes",
    losses=(Term("weight_maps"), Term("picture", 4.0)),
    learning_rate=LearningRate(2e-3, 0.0, decay="cosine", warm_up_steps=200),
    image_shape=(256, 384),
    batch_size=8,
    steps=10_000,
    optimizer="adamw",
    weight_decay=1e-4,
    gradient_norm_limit=1.0,
    average_steps=500,
    data="scenes",
)

# The encoder's first blocks see edges and colours, which are the same everywhere: they
# stay as they were brought, and first more of them than later.
_SUBJECT_LEARNING = ("encoder_block[5-9]_*", "encoder_block1[01]_*", "subject_*")
_MORE_LEARNING = ("encoder_block[2-9]_*", "encoder_block1[01]_*", "subject_*")
_SUBJECTS = Phase(
    "subjects",
    losses=(Term("focus"), Term("presence", 0.2)),
    learning_rate=LearningRate(2e-3, 2e-5, decay="cosine", warm_up_steps=20),
    image_shape=(192, 288),
    batch_size=8,
    steps=480,
    optimizer="adamw",
    weight_decay=1e-4,
    gradient_norm_limit=1.0,
    average_steps=80,
    data="subjects",
    learning_layers=_SUBJECT_LEARNING,
)
# At the size of the grid that the network sees in a photo.
_SUBJECTS_AT_SIZE = dataclasses.replace(
    _SUBJECTS,
    name="at_size",
    learning_rate=LearningRate(1.2e-3, 1e-5, decay="cosine", warm_up_steps=15),
    image_shape=(256, 384),
    steps=2900,
    learning_layers=_MORE_LEARNING,
    starts_from="subjects",
)
# What a tap changes, with all that answers without one as it is.
_TAPS = dataclasses.replace(
    _SUBJECTS_AT_SIZE,
    name="taps",
    data="tapped_subjects",
    learning_rate=LearningRate(5e-3, 2.5e-5, decay="cosine", warm_up_steps=10),
    batch_size=16,
    steps=900,
    average_steps=40,
    learning_layers=("tap_*",),
    starts_from="at_size",
)
# Both together: what tells things apart is in the features that a tap compares, too.
_TOGETHER = dataclasses.replace(
    _SUBJECTS_AT_SIZE,
    name="together",
    data="partly_tapped_subjects",
    losses=(Term("focus"), Term("presence", 0.15)),
    learning_rate=LearningRate(8e-4, 1.6e-5, decay="cosine", warm_up_steps=10),
    batch_size=10,
    steps=600,
    learning_layers=(*_MORE_LEARNING, "tap_*"),
    starts_from="taps",
)

_ROWS = (
    Plan("dbsi_mobile", "dbsi_mobile", "Ours", (_FLAGSHIP,)),
    Plan(
        "dbsi_mobile_focus",
        "dbsi_mobile",
        "Ours",
        (_SUBJECTS, _SUBJECTS_AT_SIZE, _TAPS, _TOGETHER),
        variant="focus",
    ),
    Plan("dbsi", "dbsi", "Dutta 2021, section 4.3.2 and 4.3.3", _dbsi_phases()),
    Plan(
        "bgnet",
        "bgnet",
        "Ignatov et al. 2020, section 4.1; adversarial weights after a later user of the released"
        " files",
        _bgnet_phases(),
    ),
    Plan(
        "defocus",
        "defocus",
        "Ignatov et al. 2020, section 4.2",
        _defocus_phases(),
        result="single_channel",
    ),
    Plan(
        "wavelet_cnn_cet_sp",
        "wavelet_cnn",
        "Ignatov et al. 2020, section 4.3, the first numbers of its last sentence",
        _wavelet_phases((_CHARBONNIER, _VGG), epochs=600),
    ),
    Plan(
        "wavelet_cnn_cet_cvlab",
        "wavelet_cnn",
        "Ignatov et al. 2020, section 4.3, the second numbers of its last sentence",
        _wavelet_phases((_CHARBONNIER, _VGG, Term("sobel", 0.5), Term("grey", 0.5)), epochs=500),
    ),
    Plan(
        "horizon",
        "horizon",
        "Ignatov et al. 2020, section 4.4",
        _horizon_phases((Term("ms_ssim"), _SSIM)),
    ),
    Plan(
        "dmshn",
        "dmshn",
        "Ours: the authors published no schedule for bokeh",
        _dmshn_phases(),
        result="stacked",
    ),
    Plan(
        "dddf",
        "dddf",
        "Defaults of the released code,"
        " github.com/kuldeeppurohit/DDDF-Bokeh-Effect-Rendering-ICCV2019",
        _one_phase(
            (_L1,),
            learning_rate=LearningRate(1e-4, decay="steps", every_epochs=200),
            image_shape=(192, 192),
            batch_size=16,
            epochs=300,
            augmentations=("horizontal", "vertical", "rotate"),
            ours=("epochs",),
        ),
    ),
    Plan(
        "unet",
        "unet",
        "Ignatov et al. 2020, section 4.6",
        _one_phase(
            (_L1,), image_shape=(512, 512), batch_size=8, epochs=200, ours=_ALL_BUT_THE_LOSS
        ),
    ),
    Plan(
        "wide_activation",
        "wide_activation",
        "Ignatov et al. 2020, section 4.7",
        _one_phase(
            (_CHARBONNIER,),
            image_shape=(512, 512),
            batch_size=8,
            epochs=200,
            ours=_ALL_BUT_THE_LOSS,
        ),
    ),
    Plan("pynet", "pynet", "train_model.py of github.com/aiff22/PyNET-Bokeh", _pynet_phases()),
    Plan(
        "scrn",
        "scrn",
        "train_SCRN.py of github.com/wuzhe71/SCRN",
        _one_phase(
            (Term("binary_cross_entropy"),),
            learning_rate=LearningRate(2e-3, decay="steps", every_epochs=20, factor=0.1),
            image_shape=(352, 352),
            batch_size=8,
            epochs=30,
            learning_layers=_SCRN_LEARNING,
            ours=("losses", "augmentations"),
            **_SGD,
        ),
    ),
)
PLANS = {plan.name: plan for plan in _ROWS}

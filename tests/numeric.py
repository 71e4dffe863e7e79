"""Which test files run twice: with TensorFlow's oneDNN kernels and without.

TensorFlow turns oneDNN on for some processors only, and with it other kernels compute, and
differentiate, nearly all there is. So what trains, and what compares the numbers of operations and
networks, is tested with both, on whatever processor: `make test` says how. Files are named by their
place below `tests/`; `python -m tests.numeric` lists them for `make`, so that the second run does
not import all the others to leave them out.
"""

NUMERIC_FILES = frozenset(
    {
        # Training.
        "training/test_adversarial.py",
        "losses/test_losses.py",
        "training/test_run.py",
        "training/test_scene_training.py",
        "training/test_subjects.py",
        "training/test_train_command.py",
        "training/test_training_plans.py",
        "training/test_validation.py",
        # Operations.
        "ops/test_blur.py",
        "ops/test_channelwise.py",
        "ops/test_disk.py",
        "ops/test_dynamic_filter.py",
        "ops/test_extremes.py",
        "ops/test_filtering.py",
        "ops/test_grouped.py",
        "ops/test_lens.py",
        "ops/test_resize.py",
        "ops/test_transposed.py",
        "ops/test_wavelet.py",
        # Networks.
        "models/test_backbones.py",
        "models/test_bgnet.py",
        "models/test_dbsi.py",
        "models/test_dbsi_focus.py",
        "models/test_dbsi_guided.py",
        "models/test_dbsi_mobile.py",
        "models/test_dddf.py",
        "models/test_defocus.py",
        "models/test_dmshn.py",
        "models/test_horizon.py",
        "models/test_layers.py",
        "models/test_maps.py",
        "models/test_megadepth.py",
        "models/test_pynet.py",
        "models/test_saliency_blend.py",
        "models/test_scrn.py",
        "models/test_unet.py",
        "models/test_wavelet_cnn.py",
        "models/test_wide_activation.py",
    }
)

if __name__ == "__main__":
    print("\n".join(sorted(f"tests/{place}" for place in NUMERIC_FILES)))

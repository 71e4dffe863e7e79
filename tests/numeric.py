"""Which test files run twice: with TensorFlow's oneDNN kernels and without.

TensorFlow turns oneDNN on for some processors only, and with it other kernels compute, and
differentiate, nearly all there is. So what trains, and what compares the numbers of operations and
networks, is tested with both, on whatever
processor: `make test` says how. Files are known by their name alone,
    wherever below `tests/` they are.
"""

NUMERIC_FILES = frozenset(
    {
        # Training.
        "test_adversarial.py",
        "test_losses.py",
        "test_run.py",
        "test_scene_training.py",
        "test_subjects.py",
        "test_train_command.py",
        "test_training_plans.py",
        "test_validation.py",
        # Operations.
        "test_blur.py",
        "test_channelwise.py",
        "test_disk.py",
        "test_dynamic_filter.py",
        "test_filtering.py",
        "test_grouped.py",
        "test_lens.py",
        "test_resize.py",
        "test_transposed.py",
        "test_wavelet.py",
        # Networks.
        "test_backbones.py",
        "test_bgnet.py",
        "test_dbsi.py",
        "test_dbsi_focus.py",
        "test_dbsi_mobile.py",
        "test_dddf.py",
        "test_defocus.py",
        "test_dmshn.py",
        "test_horizon.py",
        "test_layers.py",
        "test_maps.py",
        "test_megadepth.py",
        "test_pynet.py",
        "test_saliency_blend.py",
        "test_scrn.py",
        "test_unet.py",
        "test_wavelet_cnn.py",
        "test_wide_activation.py",
    }
)

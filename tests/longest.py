"""Which test files are begun first: the longest, so that none runs by itself at the end.

Files go to the workers whole, in the order in which pytest collects them. The list is by what they
took on two cores; a file that is missing here costs time, no verdict. Files are named by their
place below `tests/`.
"""

LONGEST_FIRST = (
    "training/test_training_plans.py",
    "models/test_zoo.py",
    "training/test_distribution.py",
    "bench/phone/test_android_bench.py",
    "training/test_train_command.py",
    "training/test_interruptions.py",
    "models/test_models.py",
    "web/test_in_chromium.py",
    "training/test_adversarial.py",
    "delegate/rules/test_agreement.py",
    "training/test_run.py",
    "training/test_scene_training.py",
    "models/test_dbsi.py",
    "training/test_validation.py",
    "models/test_dbsi_mobile.py",
    "models/test_megadepth.py",
    "models/test_maps.py",
    "models/test_dddf.py",
    "repairing/test_repair.py",
    "delegate/test_bisection.py",
    "delegate/test_check.py",
    "tflite/test_conversion.py",
    "benchmarks/test_data_benchmark.py",
)

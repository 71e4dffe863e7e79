"""Packaging: the base install checks, times and renders `.tflite` files; extras add building, training and tests."""

from pathlib import Path

from setuptools import find_packages, setup

_HERE = Path(__file__).parent
_VERSION = next(
    line.split('"')[1]
    for line in (_HERE / "bokeh_tf" / "__init__.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)

# The CPU wheel is less than half the download and every job here runs on it; other platforms have one wheel only.
_TENSORFLOW = [
    'tensorflow-cpu>=2.19; platform_system == "Linux" and platform_machine == "x86_64"',
    'tensorflow>=2.19; platform_system != "Linux" or platform_machine != "x86_64"',
    "keras>=3.14",
    "tensorboard>=2.19",
]

setup(
    name="bokeh-tf",
    version=_VERSION,
    description="Bokeh networks for phones: train, convert to float16 TFLite, check on the GPU delegate, render.",
    long_description=(_HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["bokeh_tf", "bokeh_tf.*"]),
    package_data={
        "bokeh_tf": [
            "ai_benchmark/*.json",
            "delegate/rules/*.json",
            "models/*.json",
            # By it type checkers know that the annotations are meant for them.
            "py.typed",
            "samples/*",
            "weights/*",
        ],
    },
    install_requires=[
        "absl-py>=2.1",
        "ai-edge-litert>=2.3",
        "flatbuffers>=24.3",
        "msgspec>=0.19",
        "numpy>=1.26",
        "opencv-python-headless>=4.11",
        "pillow>=11.3",
        "rich>=14.3",
    ],
    extras_require={
        "tensorflow": _TENSORFLOW,
        # Older readers of checkpoints can be tricked into running code (CVE-2025-32434).
        "pytorch": ["torch>=2.6"],
        # FLIP, with no dependency but NumPy; ColorVideoVDP would bring PyTorch.
        "perceptual": ["flip-evaluator>=1.7"],
        # HEIC photos; AVIF comes with Pillow.
        "photos": ["pillow-heif>=1.0"],
        "dev": [
            *_TENSORFLOW,
            "adbutils>=2.12",
            "check-jsonschema>=0.29",
            "jax>=0.4.30",
            "jsonschema>=4.20",
            "mypy>=1.10",
            "pillow-heif>=1.0",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "pyyaml>=6",
            "ruff>=0.6",
            "scikit-image>=0.22",
        ],
    },
    entry_points={"console_scripts": ["bokeh-tf = bokeh_tf.__main__:main"]},
)

"""Packaging: the base install checks `.tflite` files; extras run, time and render
them, build and train models.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

_HERE = Path(__file__).parent
_VERSION = next(
    line.split('"')[1]
    for line in (_HERE / "bokeh_tf" / "__init__.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)

# All that runs a model or opens a picture: ten times the size of what the static check needs.
_RUN = [
    "ai-edge-litert>=2.3",
    "flatbuffers>=24.3",
    "numpy>=1.26",
    "opencv-python-headless>=4.11",
    "pillow>=11.3",
]
# The CPU wheel is less than half the download and every job here runs on it; other
# platforms have one wheel only.
_TENSORFLOW = [
    'tensorflow-cpu>=2.19; platform_system == "Linux" and platform_machine == "x86_64"',
    'tensorflow>=2.19; platform_system != "Linux" or platform_machine != "x86_64"',
    "keras>=3.14",
    "tensorboard>=2.19",
]

_REPOSITORY = "https://github.com/OWNER/bokeh-tf"
_FILES = f"{_REPOSITORY}/blob/v{_VERSION}"
_PICTURES = f"https://raw.githubusercontent.com/OWNER/bokeh-tf/v{_VERSION}"


def _description():
    """The README with absolute links: where it is shown as a package's page,
    there are no files beside it.
    """
    text = (_HERE / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?!https?:|#)", rf"\1{_PICTURES}/", text)
    return re.sub(r"((?<!!)\[[^\]]*\]\()(?!https?:|#)", rf"\1{_FILES}/", text)


class _SourceArchive(sdist):
    """A source archive without the tests, of which setuptools would take
    some and not what they need.
    """

    def prune_file_list(self):
        super().prune_file_list()
        self.filelist.prune("tests")


setup(
    name="bokeh-tf",
    version=_VERSION,
    description="Bokeh networks for phones: train, convert to float16 TFLite, check on the GPU"
    " delegate, render.",
    long_description=_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    url=_REPOSITORY,
    project_urls={
        "Source": _REPOSITORY,
        "Issues": f"{_REPOSITORY}/issues",
        "Changelog": f"{_FILES}/CHANGELOG.md",
        "Models": f"{_FILES}/docs/models.md",
    },
    keywords=["bokeh", "depth of field", "tflite", "litert", "gpu delegate", "android", "keras"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: GPU",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Multimedia :: Graphics",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Topic :: Software Development :: Quality Assurance",
        "Typing :: Typed",
    ],
    cmdclass={"sdist": _SourceArchive},
    python_requires=">=3.11",
    packages=find_packages(include=["bokeh_tf", "bokeh_tf.*"]),
    package_data={
        "bokeh_tf": [
            "ai_benchmark/*.json",
            "apps/templates/*/*",
            "bench/browser/page/*",
            "delegate/rules/*.json",
            "evaluation/*.npz",
            "models/*.json",
            # By it type checkers know that the annotations are meant for them.
            "py.typed",
            "samples/*",
            "web/page/*",
            "weights/*",
        ],
    },
    install_requires=[
        "absl-py>=2.1",
        # Older ones read a whole number beyond all floats as -1.0.
        "msgspec>=0.22",
        "rich>=14.3",
        "shtab>=1.7",
    ],
    extras_require={
        "run": _RUN,
        "tensorflow": [*_RUN, *_TENSORFLOW],
        # Older readers of checkpoints can be tricked into running code (CVE-2025-32434).
        "pytorch": ["torch>=2.6"],
        # It pins the runtime to the release that it was made with.
        "quantise": [*_RUN, "ai-edge-quantizer>=0.10"],
        # LiteRT's NPU path without an NPU: the runtime's plugin is linked to this release alone.
        "openvino": [*_RUN, "ai-edge-litert==2.3.*", "openvino==2026.3.1"],
        # FLIP, with no dependency but NumPy; ColorVideoVDP would bring PyTorch.
        "perceptual": [*_RUN, "flip-evaluator>=1.7"],
        # HEIC photos; AVIF comes with Pillow.
        "photos": [*_RUN, "pillow-heif>=1.0"],
        # The address of a page for a phone's camera; pure Python, without dependencies.
        "qr": ["segno>=1.6"],
        "dev": [
            *_RUN,
            *_TENSORFLOW,
            "adbutils>=2.12",
            "ai-edge-quantizer>=0.10",
            "check-jsonschema>=0.29",
            "flip-evaluator>=1.7",
            "jax>=0.4.30",
            "jsonschema>=4.20",
            "mypy>=1.10",
            "pillow-heif>=1.0",
            "playwright>=1.50",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "pyyaml>=6",
            "ruff>=0.6",
            "scikit-image>=0.22",
            "segno>=1.6",
        ],
    },
    entry_points={"console_scripts": ["bokeh-tf = bokeh_tf.__main__:main"]},
)

"""Whose compilers LiteRT can call, and how one is named: `VENDOR:SOC=FOLDER`.

The runtime's wheel has a plugin for each vendor; the compiler itself is the vendor's, under the
vendor's terms, and whoever wants its answer has accepted these and names the folder of its
libraries.
"""

from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.paths import is_dir


@dataclass(frozen=True)
class Vendor:
    """`folder` is that of its plugin in the runtime, `manufacturer` its name there."""

    folder: str
    manufacturer: str


VENDORS = {
    "google": Vendor("google_tensor", "Google"),
    "intel": Vendor("intel_openvino", "IntelOpenVINO"),
    "mediatek": Vendor("mediatek", "MediaTek"),
    "qualcomm": Vendor("qualcomm", "Qualcomm"),
    "samsung": Vendor("samsung", "Samsung"),
}
FORM = "VENDOR:SOC=FOLDER"


@dataclass(frozen=True)
class NpuCompiler:
    """One compiler for one chip.

    Attributes:
        vendor: a name of `VENDORS`.
        soc: the chip as the vendor calls it, such as "SM8750"; the compiler knows which there are.
        libraries: the folder of the vendor's libraries for this machine.
    """

    vendor: str
    soc: str
    libraries: Path

    @classmethod
    def parse(cls, text: str) -> "NpuCompiler":
        """Reads `qualcomm:SM8750=/opt/qairt/lib/x86_64-linux-clang`; a `ValueError` says what is
        wrong with it.
        """
        chip, _, folder = text.partition("=")
        vendor, _, soc = chip.partition(":")
        if not (vendor and soc and folder):
            raise ValueError(
                f"--npu-compiler takes {FORM}, such as qualcomm:SM8750=/opt/qairt/lib."
                f" Received: {text!r}."
            )
        if vendor not in VENDORS:
            known = ", ".join(VENDORS)
            raise ValueError(f"--npu-compiler: unknown vendor {vendor!r}. Known: {known}.")
        if not is_dir(Path(folder)):
            raise ValueError(f"--npu-compiler: {folder!r} is no folder of libraries.")
        return cls(vendor, soc, Path(folder))

    def __str__(self):
        return f"{self.vendor} {self.soc}"

"""The models we ship: one line per `.tflite`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """One shipped file. A packaged one also goes into the Python package, where `bokeh-tf render` finds it."""

    model: str
    variant: str
    precision: str
    image_height_px: int
    image_width_px: int
    is_packaged: bool = False

    @property
    def name(self) -> str:
        """The artifact's name without its suffix."""
        size = f"{self.image_height_px}x{self.image_width_px}"
        return f"{self.model}_{self.variant}_{self.precision}_{size}"

    @property
    def weights_name(self) -> str:
        """The name of the weights file that all sizes and precisions of a variant share."""
        return f"{self.model}_{self.variant}.weights.h5"


RECIPES = (
    Recipe("dbsi_mobile", "base", "float16", 1024, 1536, is_packaged=True),
    Recipe("dbsi_mobile", "base", "float16", 512, 768),
)

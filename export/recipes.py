"""The models we ship: one line per `.tflite`."""

from dataclasses import dataclass

from bokeh_tf import exporting
from bokeh_tf.models.weights import weights_name


@dataclass(frozen=True)
class Recipe:
    """One shipped file. A packaged one also goes into the Python package, where
    `bokeh-tf render` finds it; one is what the page for static hosts runs.
    """

    model: str
    variant: str
    precision: str
    image_height_px: int
    image_width_px: int
    is_packaged: bool = False
    is_on_page: bool = False

    @property
    def name(self) -> str:
        """The artifact's name without its suffix."""
        shape = (self.image_height_px, self.image_width_px)
        return exporting.artifact_name(self.model, self.variant, self.precision, shape)

    @property
    def weights_name(self) -> str:
        """The name of the weights file that all sizes and precisions of a variant share."""
        return weights_name(self.model, self.variant)


RECIPES = (
    Recipe("dbsi_mobile", "focus", "float16", 1024, 1536, is_packaged=True, is_on_page=True),
    # The flagship before it, of one input: to be left out after one release.
    Recipe("dbsi_mobile", "base", "float16", 1024, 1536, is_packaged=True),
    Recipe("dbsi_mobile", "base", "float16", 512, 768),
    # Without weights: what is in focus comes from the phone.
    Recipe("dbsi_mobile", "guided", "float16", 1024, 1536, is_packaged=True),
)

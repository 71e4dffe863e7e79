"""How far a converted file is from the model that it comes from, and how far it may be.

Errors are shares of an output's scale: the larger of the width of its values and their magnitude.
"""

from dataclasses import dataclass

# A float32 file adds up in another order; weights of 11 bits move an output of a dozen layers by
# some thousandths; eight bits by some hundredths.
TOLERANCES = {"float32": 1e-3, "float16": 0.02, "dynamic_int8": 0.1, "int8": 0.2, "int16x8": 0.1}


@dataclass(frozen=True)
class OutputParity:
    """One output for one sample: the file on the CPU against the Keras model in float32.

    `max_abs`, `mean_abs`, `low`, `high` and `scale` are in the output's units; errors are NaN where
    a value is not finite. `own_max_abs` is how far the model itself is in its own, lower precision;
    None where that is float32.
    """

    sample: str
    output: str
    max_abs: float
    mean_abs: float
    psnr_db: float
    non_finite: int
    reference_non_finite: int
    low: float
    high: float
    scale: float
    own_max_abs: float | None

    @property
    def share(self) -> float:
        """The largest error as a share of the output's scale; NaN where there is none."""
        return self.max_abs / self.scale

    def failure(self, tolerance: float) -> str | None:
        """Why this output is too far off, in words; None where it is not, or where
        the model has no numbers.
        """
        place = f"output {self.output} on {self.sample}"
        if self.reference_non_finite:
            return None
        if self.non_finite:
            return f"{place}: {self.non_finite} values of the file are not finite"
        if self.share > tolerance:
            return f"{place}: largest error {self.share:.2g} of its range (tolerance {tolerance:g})"
        return None


@dataclass(frozen=True)
class LayerCost:
    """What a layer costs where it alone is quantised: PSNR of the worst output
    against the float32 file.
    """

    layer: str
    op: str
    psnr_db: float
    weights: int

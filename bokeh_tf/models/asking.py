"""What a model that can be told may be asked for; imports no Keras, for the command line.

An aperture goes from 0, everything sharp, to 1. Without a clear subject that nobody
tapped a photo is left as it is ("keep"), graded along the ground ("grade"), or rendered
as the model guesses ("force").
"""

UNSURE = ("keep", "grade", "force")
# The f-number of a full-frame camera whose look is the widest aperture of a model.
_WIDEST_F_NUMBER = 1.4


def aperture_of(number: float) -> float:
    """The aperture from 0 to 1 for a number from 0 to 1, which it is, or above 1, an
    f-number's full-frame look.
    """
    if not number >= 0:
        raise ValueError(f"aperture must not be negative. Received: {number}")
    if number <= 1:
        return float(number)
    # A disc's diameter is the focal length over the f-number.
    return min(1.0, _WIDEST_F_NUMBER / number)

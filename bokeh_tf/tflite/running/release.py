"""Which release of the runtime is installed, and whether what its GPU
delegate says can be believed.
"""

import re
from importlib.metadata import PackageNotFoundError, version

from bokeh_tf.errors import DependencyError
from bokeh_tf.tflite.running import RUNTIME

# 2.2.0 and 2.1.6 give up on what the GPU has not done after 20 seconds, which a software adapter
# may need, and refuse some of what 2.3.0 takes and computes right (`docs/releases.md`).
LOWEST = "2.3"
_INSTALL = f'Run: pip install --upgrade "{RUNTIME}>={LOWEST}"'


def installed() -> str:
    """The version of the runtime; `DependencyError` where there is none."""
    try:
        return version(RUNTIME)
    except PackageNotFoundError as error:
        raise DependencyError(f"{RUNTIME} is not installed. {_INSTALL}") from error


def refusal(release: str) -> str | None:
    """Why nothing that this release says of a file may be believed, in
    one line; None where it may.
    """
    if numbers(release) >= numbers(LOWEST):
        return None
    return f"{RUNTIME} {release} fails on valid files, {LOWEST} and newer do not. {_INSTALL}"


def doubt(release: str, measured: str) -> str | None:
    """What to know of a release that the rules were not `measured` with, in
    one line; None of that one.
    """
    if numbers(release)[:2] == numbers(measured)[:2]:
        return None
    return f"the rules were measured with {RUNTIME} {measured}, this is {release}"


def numbers(release: str) -> tuple[int, ...]:
    """`"2.3.0.dev20261001"` as (2, 3, 0), by which releases are in order."""
    leading = re.match(r"\d+(\.\d+)*", release)
    return tuple(map(int, leading[0].split("."))) if leading else (0,)

"""Where OpenVINO's libraries are, and what is wrong where they do not fit the runtime.

The runtime's wheel has the plugin and the dispatch library, which are linked to one release of
OpenVINO. Of its Python package only the folder is asked for: nothing of it is imported.
"""

import importlib.util
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bokeh_tf.errors import install
from bokeh_tf.paths import is_dir

# OpenVINO's own numbering: 2026.3.1 is 2631.
_LIBRARY = re.compile(r"libopenvino\w*\.so\.(\d\d)(\d+)(\d)\b")


def folder() -> Path | None:
    """The folder of OpenVINO's libraries, None where it is not installed."""
    found = importlib.util.find_spec("openvino")
    if found is None or not found.submodule_search_locations:
        return None
    libraries = Path(found.submodule_search_locations[0]) / "libs"
    return libraries if is_dir(libraries) else None


def missing() -> str | None:
    """Why nobody can be asked here, in one line; None where somebody can."""
    lacking = [] if folder() is not None else ["OpenVINO"]
    lacking += [] if importlib.util.find_spec("ai_edge_litert") is not None else ["ai-edge-litert"]
    if not lacking:
        return None
    noun = "is" if len(lacking) == 1 else "are"
    return f"{' and '.join(lacking)} {noun} not installed. Run: {install('openvino')}"


def misfit(words: str) -> str:
    """What the loader's words about a library mean, in one line."""
    wanted = _LIBRARY.search(words)
    if wanted is None:
        return f"the runtime's plugin cannot be loaded ({words})"
    release = f"20{wanted[1]}.{wanted[2]}.{wanted[3]}"
    return (
        f"the runtime's plugin needs OpenVINO {release}, installed is {_installed()}."
        f' Run: pip install "openvino=={release}"'
    )


def _installed():
    try:
        return version("openvino")
    except PackageNotFoundError:
        return "another"

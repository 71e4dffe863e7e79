"""What a long piece of work is at, for whoever shows it: `with stage("half
precision on the GPU"):`.

One process has one such trail, of its main thread; a command's display may read it from another.
"""

from collections.abc import Iterator
from contextlib import contextmanager

_trail: list[str] = []


@contextmanager
def stage(text: str) -> Iterator[None]:
    """Says for the time of the block what is done in it, in a few words;
    blocks lie in each other.
    """
    _trail.append(text)
    try:
        yield
    finally:
        _trail.pop()


def current() -> str:
    """What is being done, the outermost first: "model.tflite: half precision on
    the GPU"; "" for nothing.
    """
    return ": ".join(_trail)

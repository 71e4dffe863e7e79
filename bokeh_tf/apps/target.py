"""What one kind of app is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bokeh_tf.apps.ports import Facts


@dataclass(frozen=True)
class Target:
    """A kind of app.

    Attributes:
        name: what `--for` calls it; its templates lie in `templates/` under the
            same name, with `_` for `-`.
        title: language and runtime, in a few words.
        types: which of NumPy's types the runtime's arrays have, with the name of
            the array in the language.
        always: templates that every file gets.
        for_photos: templates for files with a photo and a picture, of `Facts`.
        lines: what further placeholders become for a file.
        tried: what is known to work of the result, in one sentence; it stands in
            every file that is written.
    """

    name: str
    title: str
    types: Mapping[str, str]
    always: tuple[str, ...]
    for_photos: tuple[str, ...]
    lines: Callable[[Facts], Mapping[str, str]]
    tried: str


def indented(lines, columns: int, *, end: str = "") -> str:
    """Lines of code as a placeholder that stands alone in its line: each indented,
    `end` after all but the last.
    """
    return (end + "\n").join(" " * columns + line for line in lines)

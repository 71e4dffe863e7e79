"""All that a page consists of, by name: whatever is not in the table cannot be asked for."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from bokeh_tf.apps.generation import TARGETS, app_texts
from bokeh_tf.apps.ports import facts_of
from bokeh_tf.errors import ModelFileError, PhotoError
from bokeh_tf.paths import open_file, printable
from bokeh_tf.tflite.output_labels import output_labels
from bokeh_tf.tflite.subject import Model, subject_of
from bokeh_tf.web.runtime import IMPORT_MAP, VERSION, runtime_files
from bokeh_tf.web.views import is_colour_picture, views_of

INDEX = "index.html"
_LIMIT_BYTES = 256_000_000
# JPEG, PNG, WebP, GIF and BMP; AVIF and HEIC have "ftyp" after four bytes.
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM")
_START_BYTES = 8
_PAGE = (
    "LICENSE.txt",
    "style.css",
    *(
        f"{name}.js"
        for name in (
            "composite",
            "demo",
            "edge_model",
            "photo_strip",
            "placement",
            "resampling",
            "views",
        )
    ),
)
_OF_APP = ("gpu_model.js",)
# Whoever puts the page elsewhere hands LiteRT.js on.
_NOTICE = f"""This page runs LiteRT.js {VERSION} (@litertjs/core and @litertjs/wasm-utils), copyright Google LLC, under
the Apache License, Version 2.0, whose text is in LICENSE.txt. It is unchanged.
"""
_IMPORT_MAP_PLACE = b'<script type="importmap"></script>'


def site(
    model: Model,
    *,
    photos: Sequence[Path] = (),
    input_range: Sequence[float] | None = None,
    output_range: Sequence[float] | None = None,
    runtime: Mapping[str, Path] | None = None,
) -> dict[str, bytes | Path]:
    """Content, or the file that holds it, by name below the page's address.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`; it takes a
            photo.
        photos: picture files that the page offers; it shows the first one.
        input_range: (lowest, highest) value of the model's photo, where the file does not say.
        output_range: the same of its picture.
        runtime: what `runtime.runtime_files` returned; asked for if None.

    Raises:
        ModelFileError: the file cannot be read, or takes no photo.
        PhotoError: one of `photos` cannot be read, or is no picture that a browser knows.
        DependencyError: LiteRT.js cannot be had.
    """
    subject = subject_of(model)
    facts = facts_of(subject, input_range=input_range, output_range=output_range)
    if facts.beside_photo:
        others = " and ".join(port.name for port in facts.beside_photo)
        raise ModelFileError(
            f"{facts.asset}: takes {others} beside a photo, which a page cannot give it. Name a"
            " model that takes a photo alone, or with a focus."
        )
    if facts.photo is None:
        raise ModelFileError(
            f"{facts.asset}: no input is known to be a picture of floats, so a page cannot show it."
            " If one is, say which values it has: --input-range 0 1."
        )
    texts = app_texts(facts, TARGETS["web"])
    folder = files("bokeh_tf.web") / "page"
    content: dict[str, bytes | Path] = {name: (folder / name).read_bytes() for name in _PAGE}
    content[INDEX] = with_import_map((folder / INDEX).read_bytes())
    content |= {name: texts[name].encode() for name in _OF_APP}
    by_name = {f"photo_{number}": _picture_at(path) for number, path in enumerate(photos, 1)}
    offered = [{"name": path.stem, "address": name} for name, path in by_name.items()]
    told = {**_told(facts), **_shown(facts, subject), "photos": offered}
    content["facts.json"] = json.dumps(told).encode()
    content[facts.asset] = facts.content
    content["NOTICE.txt"] = _NOTICE.encode()
    return content | by_name | dict(runtime_files() if runtime is None else runtime)


def _told(facts):
    """What the page must know of the model, beside the code that runs it."""
    return {
        "name": facts.asset.removesuffix(".tflite"),
        "takesFocus": facts.focus is not None,
        "inputs": ["photo" if port is facts.photo else "focus" for port in facts.inputs],
        "canvas": _image(facts.photo),
    }


def _shown(facts, subject):
    """What to show of the outputs: a picture and where it keeps the photo, or each by itself."""
    labels, note = _labels(subject)
    views = [{**view, "note": note} for view in views_of(facts, labels)]
    pictures = _pictures(facts, views)
    if pictures and pictures["isBlend"]:
        return pictures
    maps = {view["name"] for view in views if view["kind"] != "numbers"}
    if pictures and maps <= {one["name"] for one in (pictures["picture"], pictures["map"]) if one}:
        return pictures
    return {"picture": None, "map": None, "isBlend": False, "views": views}


def _labels(subject):
    """(names of each output's classes, why there are none although the file may list some)."""
    try:
        return output_labels(subject), ""
    except ModelFileError:
        nothing = (None,) * len(subject.model_file.outputs)
        return nothing, "The file's metadata is damaged, so names of classes are not shown."


def _pictures(facts, views):
    """What to show of a model with a picture: that, and where it keeps the photo; None without one."""
    picture = next(filter(is_colour_picture, facts.outputs), None)
    if picture is None:
        return None
    size = facts.photo.shape[1:3]
    # Whole numbers say no share of the photo.
    weights = (
        port
        for port, view in zip(facts.outputs, views, strict=True)
        if view["kind"] == "grey" and port.dtype == "float32" and len(port.shape) == 4
    )
    shown = next(weights, None)
    return {
        "picture": _image(picture),
        "map": shown and _image(shown),
        # A blend of the photo and blurs of it can be computed anew in the photo's own pixels.
        "isBlend": picture.shape[1:] == (*size, 3)
        and shown is not None
        and shown.shape[1:] == (*size, 1),
        "views": [],
    }


def _image(port):
    low, high = port.value_range or (0.0, 1.0)
    _, height, width, channels = port.shape
    return {
        "name": port.camel,
        "height": height,
        "width": width,
        "channels": channels,
        "low": low,
        "high": high,
    }


def _picture_at(path):
    """The picture file `path`, which is one by its beginning; a browser says what it makes of the rest."""
    try:
        with open_file(path, limit_bytes=_LIMIT_BYTES) as file:
            start = file.read(_START_BYTES)
    except OSError as error:
        reason = error.strerror or error
        raise PhotoError(
            f"{printable(path)}: cannot be read ({reason}). Check the path."
        ) from error
    if not start.startswith(_PICTURES) and start[4:8] != b"ftyp":
        raise PhotoError(
            f"{printable(path)}: no picture that a browser knows. Choose another file."
        )
    return path


def with_import_map(index: bytes) -> bytes:
    """A page's HTML that says where LiteRT.js is."""
    assert index.count(_IMPORT_MAP_PLACE) == 1
    filled = _IMPORT_MAP_PLACE.replace(b"><", f">{IMPORT_MAP}<".encode())
    return index.replace(_IMPORT_MAP_PLACE, filled)


def content_policy(*, has_frames: bool = False) -> str:
    """The Content-Security-Policy under which the page works: its own files and its
    import map, nothing else; with `has_frames` the page may be in a frame of its own.
    """
    framed = "'self'" if has_frames else "'none'"
    digest = base64.b64encode(hashlib.sha256(IMPORT_MAP.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}' 'wasm-unsafe-eval' blob:;"
        " connect-src 'self' blob:;"
        " style-src 'self'; img-src 'self' blob: data:; worker-src 'self' blob:; base-uri 'none';"
        f" form-action 'none'; frame-src {framed}; frame-ancestors {framed}"
    )

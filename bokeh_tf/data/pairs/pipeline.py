"""Training batches as a `tf.data.Dataset`, deterministic by seed and position.

Batch n of a seed is the same however many workers draw it and wherever a run starts, so a resumed
run sees what an uninterrupted one would have seen.
"""

import functools
import os
from dataclasses import dataclass

import cv2
import numpy as np
import tensorflow as tf

from bokeh_tf.data.pairs import transforms
from bokeh_tf.data.pairs.reading import PairReader

FRAMINGS = ("crop", "resize")
TARGETS = ("bokeh", "saliency")
_PREFETCHED = 4
# What iterating a dataset raises when a function in it has raised.
PipelineError = tf.errors.OpError


@dataclass(frozen=True)
class PairSettings:
    """What to make of pairs of photographs."""

    # (height, width) of what the network sees, and how it is framed: "crop" or "resize".
    image_shape: tuple[int, int]
    framing: str = "crop"
    batch_size: int = 1
    # Kinds of `transforms.AUGMENTATIONS`.
    augmentations: tuple[str, ...] = ()
    # Maps and conditions that the network takes besides the image.
    maps: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    # "bokeh" or "saliency", and the size at which it is compared.
    target: str = "bokeh"
    target_shape: tuple[int, int] | None = None

    def __post_init__(self):
        known = {"framing": FRAMINGS, "target": TARGETS, "augmentations": transforms.AUGMENTATIONS}
        for name, values in known.items():
            received = getattr(self, name)
            if not set([received] if isinstance(received, str) else received) <= set(values):
                raise ValueError(
                    f"{name} must be known. Received: {received!r}. Known: {', '.join(values)}."
                )


def pair_batches(
    pairs,
    settings,
    *,
    seed,
    first_batch=0,
    skipped=frozenset(),
    share=(0, 1),
    reader=None,
    parallel_calls=None,
):
    """Endless batches of (inputs, target) from pairs of photographs, shuffled anew for every pass.

    Inputs are {"image": `[B, h, w, 3]`, "depth": `[B, h, w, 1]`, …} in [0, 1], and conditions `[B,
    1]`; the target is `[B, h', w', 3]`, or `[B, h', w', 1]` for a saliency map.

    Args:
        settings: `PairSettings`.
        first_batch: number of the batch to start at.
        skipped: numbers of batches to leave out.
        share: (index, count): only every count-th example of a batch, for
            processes that train together.
        reader: a `reading.PairReader` to share its cache.
        parallel_calls: pairs that are read at a time; as many as there are cores unless given.
    """
    if not pairs:
        raise ValueError("pairs must hold at least one. Received: none")
    index, count = share
    if not 0 <= index < count or settings.batch_size % count:
        received = f"Received: {share} of {settings.batch_size}"
        raise ValueError(f"share must be one of equal parts of a batch, counted from 0. {received}")
    # The decoding threads are tf.data's: OpenCV's own would only stand in their way.
    cv2.setNumThreads(1)
    reader = reader or pair_reader(pairs, settings)
    names = ("image", *settings.maps, *settings.conditions, "target")

    def draw(position):
        example = _pair_example(reader, settings, seed, len(pairs), position)
        return [example[name] for name in names]

    def load(position):
        parts = tf.numpy_function(draw, [position], [_type_of(name, settings) for name in names])
        for part, name in zip(parts, names, strict=True):
            part.set_shape(_shape_of(name, settings))
        return dict(zip(names, parts, strict=True))

    def finish(batch):
        # As late as possible: floats take four times as long to hand on as bytes.
        batch = {name: _to_float(part) for name, part in batch.items()}
        return batch, batch.pop("target")

    positions = _positions(first_batch, skipped, settings.batch_size, share)
    examples = positions.map(load, num_parallel_calls=parallel_calls or _usable_cores())
    return _batched(examples, settings.batch_size // count, finish)


def pair_reader(pairs, settings, *, cache_bytes=2**31):
    """A `reading.PairReader` of `pairs` for `settings`, that keeps so many bytes of pictures."""
    return PairReader(
        pairs,
        maps=settings.maps,
        conditions=settings.conditions,
        target=settings.target,
        shape=settings.image_shape if settings.framing == "resize" else None,
        cache_bytes=cache_bytes,
    )


def batch_pairs(pairs, batch_size, *, seed, batch):
    """The pairs of batch number `batch`."""
    return [
        pairs[_pair_index(batch * batch_size + n, batch_size, len(pairs), seed)]
        for n in range(batch_size)
    ]


def _pair_index(position, batch_size, count, seed):
    """The pair at a position of the endless sequence; a pass drops an incomplete last batch."""
    per_pass = max(1, count // batch_size) * batch_size
    number, rest = divmod(int(position), per_pass)
    return int(_order(seed, number, count)[rest % count])


# Neighbouring batches may lie in two passes.
@functools.lru_cache(maxsize=4)
def _order(seed, number, count):
    """The order of the pairs in pass `number`."""
    return np.random.default_rng([seed, 0, number]).permutation(count)


def _pair_example(reader, settings, seed, count, position):
    random = np.random.default_rng([seed, 1, int(position)])
    example = reader.read(_pair_index(position, settings.batch_size, count, seed))
    if settings.framing == "crop":
        example = transforms.random_crop(example, random, shape=settings.image_shape)
    example = transforms.augment(example, random, kinds=settings.augmentations)
    if settings.target_shape:
        example["target"] = transforms.resized(example["target"], settings.target_shape)
    # TensorFlow is handed pictures whose rows follow each other.
    return {name: np.ascontiguousarray(value) for name, value in example.items()}


def _to_float(part):
    if part.dtype != tf.uint8:
        return part
    # Divides by 255 in one pass over the pixels, where a cast and a multiplication take two.
    return tf.quantization.dequantize(tf.bitcast(part, tf.quint8), 0.0, 1.0, mode="MIN_FIRST")


def _type_of(name, settings):
    is_colour = name == "image" or (name == "target" and settings.target == "bokeh")
    return tf.uint8 if is_colour else tf.float32


def _shape_of(name, settings):
    if name in settings.conditions:
        return (1,)
    if name == "target":
        channels = 1 if settings.target == "saliency" else 3
        return (*(settings.target_shape or settings.image_shape), channels)
    return (*settings.image_shape, 3 if name == "image" else 1)


def _positions(first_batch, skipped, batch_size, share=(0, 1)):
    """Positions of examples in the endless sequence, batch by batch."""
    index, count = share
    batches = tf.data.Dataset.counter(start=first_batch)
    if skipped:
        left_out = tf.constant(sorted(skipped), tf.int64)
        batches = batches.filter(lambda batch: tf.reduce_all(batch != left_out))
    slots = tf.range(index, batch_size, count, dtype=tf.int64)
    return batches.map(lambda batch: batch * batch_size + slots).unbatch()


def _usable_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _batched(examples, batch_size, finish=None):
    options = tf.data.Options()
    options.deterministic = True
    # Several threads that copy one batch together would only take cores from decoding.
    options.threading.max_intra_op_parallelism = 1
    # Nothing is left to tune, and the end of an iteration would wait for the tuner's
    # next turn, up to a minute.
    options.autotune.enabled = False
    batches = examples.batch(batch_size, drop_remainder=True)
    batches = batches.map(finish) if finish else batches
    return batches.prefetch(_PREFETCHED).with_options(options)


def blurs_of_the_rest(image, in_focus_weight, sigmas_px):
    """Gaussian blurs of what is out of focus, `[H, W, 3 n]`: of image (1 - W0),
    divided by that of 1 - W0.
    """
    mask = np.maximum(1 - in_focus_weight, 0.02)[..., None]
    masked = np.concatenate([image * mask, mask], axis=-1)
    blurred = (cv2.GaussianBlur(masked, (0, 0), float(sigma_px)) for sigma_px in sigmas_px)
    return np.concatenate([b[..., :3] / np.maximum(b[..., 3:], 0.01) for b in blurred], axis=-1)


def scene_batches(maker, *, batch_size, seed, first_batch=0, skipped=frozenset()):
    """Endless batches of `(inputs, targets, importance)` from a `scenes.SceneMaker`.

    Inputs are {"image": `[B, h, w, 3]`, "blurs": `[B, h, w, 3 n]`}, targets {"weights": `[B, h, w,
    1 + n]`, "rendered": `[B, h, w, 3]`}, importance one weight per example for each target.

    Args:
        first_batch: number of the batch to start at.
        skipped: numbers of batches to leave out.
    """
    # The pictures are small: OpenCV's own threads would only stand in each other's way.
    cv2.setNumThreads(1)
    rows, columns = maker.shape
    count = len(maker.sigmas_px)

    def draw(index):
        scene = maker.draw(np.random.default_rng([seed, int(index)]))
        blurs = blurs_of_the_rest(scene.image, scene.weights[..., 0], maker.sigmas_px)
        return scene.image, blurs, scene.weights, scene.bokeh, np.float32(scene.importance)

    def load(index):
        parts = tf.numpy_function(draw, [index], [tf.float32] * 5)
        for part, channels in zip(parts, (3, 3 * count, 1 + count, 3), strict=False):
            part.set_shape((rows, columns, channels))
        parts[-1].set_shape(())
        image, blurs, weights, bokeh, importance = parts
        targets = {"weights": weights, "rendered": bokeh}
        return {"image": image, "blurs": blurs}, targets, dict.fromkeys(targets, importance)

    positions = _positions(first_batch, skipped, batch_size)
    return _batched(positions.map(load, num_parallel_calls=_usable_cores()), batch_size)


def subject_batches(maker, *, batch_size, seed, first_batch=0, skipped=frozenset()):
    """Endless batches of `(inputs, targets)` from a `scenes.subjects.SubjectMaker`.

    Inputs are {"image": `[B, H, W, 3]`, "focus": `[B, 1, 1, 4]`}. Targets hold an answer and its weight as channels:
    {"focus_logit": `[B, H / 2, W / 2, 2]`, "presence_logit": `[B, 1, 1, 2]`}.

    Args:
        first_batch: number of the batch to start at.
        skipped: numbers of batches to leave out.
    """
    cv2.setNumThreads(1)
    rows, columns = maker.shape
    shapes = ((rows, columns, 3), (1, 1, 4), (rows // 2, columns // 2, 2), (1, 1, 2))

    def draw(index):
        example = maker.draw(np.random.default_rng([seed, int(index)]))
        presence = np.float32([example.presence, example.presence_weight])[None, None]
        return (
            example.image,
            example.tap,
            np.concatenate([example.focus, example.trust], axis=-1),
            presence,
        )

    def load(index):
        parts = tf.numpy_function(draw, [index], [tf.float32] * len(shapes))
        for part, shape in zip(parts, shapes, strict=True):
            part.set_shape(shape)
        image, tap, focus, presence = parts
        return {"image": image, "focus": tap}, {"focus_logit": focus, "presence_logit": presence}

    positions = _positions(first_batch, skipped, batch_size)
    return _batched(positions.map(load, num_parallel_calls=_usable_cores()), batch_size)

"""Examples and losses of a run, for people: pictures in a folder, and all of it for TensorBoard."""

import numpy as np
import tensorflow as tf

from bokeh_tf.files import make_folder, write_bytes

_GAP_PX = 4


class ExamplePictures:
    """After every round, one example as photo | picture | target, and the round's numbers.

    Args:
        out: the run's folder.
        phase: name of the phase.
        job: its `jobs.Job`; the example is the first of the phase's first batch.
    """

    def __init__(self, out, phase, job):
        self._folder = make_folder(out / "pictures")
        self._phase = phase
        self._trainer = job.trainer
        self._writer = tf.summary.create_file_writer(str(out / "logs" / phase))
        inputs, target = next(iter(job.batches(0, frozenset()).take(1)))[:2]
        self._inputs = {name: np.asarray(value)[:1] for name, value in inputs.items()}
        self._target = np.asarray(_picture_of(target))[:1]

    def add(self, batch, values):
        """Writes the example as it looks after `batch` batches, and the numbers `values`."""
        rendered = self._trainer(self._inputs, training=False)
        rendered = np.asarray(_picture_of(rendered)).astype(np.float32)
        picture = side_by_side([self._inputs["image"][0], rendered[0], self._target[0]])
        png = tf.io.encode_png(np.round(picture * 255).astype(np.uint8)).numpy()
        write_bytes(self._folder / f"{self._phase}_{batch:08d}.png", png)
        with self._writer.as_default(step=batch):
            for name, value in values.items():
                tf.summary.scalar(name, value)
            tf.summary.image("photo, picture, target", picture[None])
        self._writer.flush()


def _picture_of(parts):
    """The picture or map among a trainer's outputs or targets; of a map with weights, the map."""
    if not isinstance(parts, dict):
        return parts
    return parts["rendered"] if "rendered" in parts else parts["focus_logit"][..., :1]


def side_by_side(pictures):
    """Pictures `[h, w, 1 or 3]` of any sizes in one row, as high as the
    first; clipped to [0, 1].
    """
    height = len(pictures[0])
    row = []
    for picture in pictures:
        picture = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
        factor = height // len(picture)
        row += [np.kron(picture, np.ones((factor, factor, 1))), np.ones((height, _GAP_PX, 3))]
    return np.clip(np.nan_to_num(np.concatenate(row[:-1], axis=1)), 0, 1).astype(np.float32)

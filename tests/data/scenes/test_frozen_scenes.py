"""The scenes that the shipped weights were trained on: another renderer or another order
of draws would be noticed.

A checksum would also notice the last bit of a sum, which processors round differently. So each
picture is projected on a wave, which is compared to a millionth, and the generator's next number,
which is compared exactly, tells what was drawn before.
"""

import numpy as np
import pytest

from bokeh_tf.data.scenes.scenes import SceneMaker
from bokeh_tf.data.scenes.sources import Source
from tests.photographs import disc

SHAPE = (64, 96)
# float32 roundings; another number of radii for a map of disparities changes 1e-5.
TOLERANCE = 1e-6
# By the version that the weights of `dbsi_mobile` were trained with: image, bokeh, weights,
# importance, next number.
FROZEN = (
    (0.00477339, 0.00462903, 0.00230483, 1.0, 2169410632),
    (-0.00029591, -0.00034608, 0.00023152, 1.0, 559903812),
    (-0.00701691, -0.00700985, 0.00616605, 1.0, 2909505441),
    (-0.00091627, -0.00083276, -0.00123566, 1.0, 416766740),
    (-0.00407274, -0.00358289, -0.00277534, 1.0, 3665143653),
    (-0.00500708, -0.00486753, -0.00302117, 1.0, 1825781256),
    (0.00088513, 0.00062162, 0.00181806, 1.0, 3491948730),
    (-0.01034671, -0.01034851, 0.00432412, 1.0, 3548595314),
    (-0.00415363, -0.00392680, 0.00428932, 0.4, 49145932),
    (0.00192288, 0.00184468, 0.00336366, 1.0, 3052816209),
)


def coloured(colour, *, seed):
    noise = np.random.default_rng(seed).normal(0, 12, (90, 130, 1))
    return np.clip(np.asarray(colour) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def maker():
    mask = disc((90, 130), radius=0.35)
    subject = np.where(
        mask[..., None], coloured((190, 50, 50), seed=1), coloured((50, 180, 50), seed=2)
    )
    sources = [
        Source("backdrop.png", coloured((50, 60, 190), seed=3), None, 0.9, False),
        Source("subject.png", subject, mask.astype(np.float32), 0.3, True),
    ]
    return SceneMaker(sources, shape=SHAPE, sigmas_px=(16.0, 64.0))


def projected(picture):
    rows, columns = np.indices(SHAPE)
    wave = np.cos(0.37 * rows + 0.23 * columns)[..., None] * [1.0, -2.0, 4.0]
    return (wave * picture).mean()


@pytest.mark.parametrize("seed", range(len(FROZEN)))
def test_scenes_are_those_of_the_shipped_weights(maker, seed):
    *projections, importance, next_number = FROZEN[seed]
    random = np.random.default_rng([5, seed])
    scene = maker.draw(random)
    assert int(random.integers(2**32)) == next_number and scene.importance == importance
    found = [projected(picture) for picture in (scene.image, scene.bokeh, scene.weights)]
    assert found == pytest.approx(projections, abs=TOLERANCE)

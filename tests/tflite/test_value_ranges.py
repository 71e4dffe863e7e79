"""`bokeh_tf.tflite.value_ranges`: what counts as a range, and what a file of any kind states."""

import pytest

from bokeh_tf.tflite.value_ranges import is_range, stated_ranges


@pytest.mark.parametrize("pair", [(0, 1), [0, 255], (-1.0, 1.0)])
def test_ranges(pair):
    assert is_range(pair)


@pytest.mark.parametrize(
    "pair",
    [
        *(
            None,
            1,
            "01",
            {0: 1},
            (0,),
            (0, 1, 2),
            (1, 0),
            (1, 1),
            ("0", "1"),
            (None, 1),
            (False, True),
        ),
        *((float("nan"), 1), (0, float("inf")), (0, 10**5000)),
    ],
)
def test_no_ranges(pair):
    assert not is_range(pair)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"inputs": [{"range": [0, 1]}]}, (0, 1)),
        ({"inputs": [{"range": None}]}, None),
        ({"inputs": [{}]}, None),
        ({"inputs": ["image"]}, None),
        ({"inputs": [{"range": [0, 1]}, {"range": [0, 1]}]}, None),
        ({"inputs": {"range": [0, 1]}}, None),
        ({"inputs": [{"range": [0, 10**5000]}]}, None),
        ([], None),
        ({}, None),
        (None, None),
    ],
)
def test_what_a_file_states(metadata, expected):
    assert stated_ranges(metadata, "inputs", 1) == (expected,)

"""The rules about the classic engine against what was recorded of it on the op matrix, and the
record against the engine where its Python is at hand.
"""

import re

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from bokeh_tf.delegate.classic_gl.engine import default_python
from bokeh_tf.delegate.probing.verdicts import Verdict
from tests.delegate.rules.rule_graphs import build_graph
from tests.op_matrix import VERDICTS, build_all, opengl
from tests.op_matrix.feeding import fed_by_a_picture

RECORD = opengl.read()
_NUMBER = re.compile(r"[\d.]+")
_DIED = re.compile(r"SIG[A-Z]+|it stands still, as its threads wait for each other")
# So many tell what is said; what follows names the variant's own tensors.
_WORDS = 4


def _telling():
    """One variant for each thing that was ever said of one, and the exceptions."""
    first = {}
    for name, answer in RECORD.items():
        first.setdefault((answer.verdict, *_NUMBER.sub("", answer.words).split()[:_WORDS]), name)
    return sorted({*first.values(), *opengl.EXCEPTIONS})


def _differing(names, folder):
    paths = build_all(folder, names)
    return {name for name in names if opengl.differs(RECORD[name], paths[name])}


def test_every_variant_was_asked_about():
    assert set(RECORD) == {name for name, one in VERDICTS.items() if not one.not_rebuilt}
    fed = [name for name, answer in RECORD.items() if answer.verdict is not Verdict.UNAVAILABLE]
    assert len(fed) > 520
    assert all(bool(one.words) is (one.verdict is not Verdict.FULL) for one in RECORD.values())


def test_every_exception_is_a_variant_that_was_fed_and_has_a_reason():
    for name, reason in opengl.EXCEPTIONS.items():
        assert RECORD[name].verdict is not Verdict.UNAVAILABLE and len(reason.split()) > 5


def test_agrees_with_the_engine_on_one_variant_of_each_kind(tmp_path):
    names = _telling()
    assert len(names) > 20
    assert _differing(names, tmp_path) == set(opengl.EXCEPTIONS)


@pytest.mark.slow
def test_agrees_with_the_engine_on_the_whole_op_matrix(tmp_path):
    assert _differing(sorted(RECORD), tmp_path) == set(opengl.EXCEPTIONS)


def test_a_variant_on_which_they_differ_is_seen(tmp_path):
    (path,) = build_all(tmp_path, ["relu_mul_self"]).values()
    assert not opengl.differs(opengl.OpenGLAnswer(Verdict.FULL), path)
    assert opengl.differs(opengl.OpenGLAnswer(Verdict.WRONG), path)
    assert not opengl.differs(opengl.OpenGLAnswer(Verdict.UNAVAILABLE), path)


@pytest.mark.slow
@pytest.mark.skipif(
    default_python() is None, reason="BOKEH_CLASSIC_GL_PYTHON names no Python with mediapipe"
)
@pytest.mark.parametrize("name", _telling())
def test_the_engine_still_says_what_is_recorded(name, tmp_path):
    (path,) = build_all(tmp_path, [name]).values()
    answer = opengl.ask(name, path, default_python())
    assert answer.verdict is RECORD[name].verdict, answer.words
    # How a wrong answer is wrong, and of what a process dies, is another thing each time where a
    # kernel reads what nobody wrote or writes what is another's.
    if answer.verdict is Verdict.CRASHED:
        assert _DIED.fullmatch(answer.words) and _DIED.fullmatch(RECORD[name].words)
    elif answer.verdict is not Verdict.WRONG:
        assert _NUMBER.sub("", answer.words) == _NUMBER.sub("", RECORD[name].words)


@pytest.mark.parametrize(
    ("variant", "low", "high"), [("abs", -1, 1), ("log", 0.1, 1), ("rng_instnorm_256_255", 0, 255)]
)
def test_a_variant_is_fed_with_its_range(variant, low, high):
    graph = "NEG v1: float32[1,16,16,7] -> float32[1,16,16,7]"
    interpreter = Interpreter(model_content=fed_by_a_picture(build_graph(graph), variant))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    colours = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1) / 255
    interpreter.set_tensor(given["index"], colours.repeat(3, axis=3))
    interpreter.invoke()
    values = -interpreter.get_tensor(made["index"])[0]
    assert (values.min(), values.max()) == pytest.approx((low, high), abs=1e-5 * high)
    assert np.abs(values - (low + high) / 2).min() > (high - low) / 1000
    channels = values.reshape(-1, 7)
    assert len(np.unique(channels[0].round(5))) == 7, "each channel has other values"


def test_inputs_of_any_rank_and_size_are_fed_and_others_left_alone():
    ported = fed_by_a_picture(
        build_graph("MUL v1: float32[1,5], float32[1,6,8,5] -> float32[1,6,8,5]"), "mul"
    )
    (given,) = Interpreter(model_content=ported).get_input_details()
    assert given["shape"].tolist() == [1, 6, 8, 3]
    for other in ("int32[1,4]", "float32[2,4]"):
        graph = build_graph(f"CAST v1: {other} -> float32[1,4]")
        assert fed_by_a_picture(graph, "mul") == graph

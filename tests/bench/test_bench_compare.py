"""Comparing two results: what is alike, what the ratio says, and the budget."""

from dataclasses import replace

import numpy as np
import pytest

from bokeh_tf.bench.results.comparison import FIELDS, NOISE, Outcome, compare_results
from bokeh_tf.bench.results.environment import Environment
from bokeh_tf.bench.results.measurement import make_measurement
from bokeh_tf.bench.results.result import Result, write_result
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.bench.results.statistics import unpaired_ratio
from bokeh_tf.cli import main
from bokeh_tf.errors import CheckError

MS = 1_000_000
MACHINE = Environment(
    "A CPU", "x86_64", 2, "Linux 6", "3.11", "ai-edge-litert 2.3.0", "0.1.0", None, 0.1
)


def measured(median_ms, *, name="a, 1 thread", sha="ab" * 32, threads=1, spread=0.01, seed=0):
    rounds_ns = median_ms * MS * (1 + spread * np.random.default_rng(seed).standard_normal((10, 5)))
    samples = Samples(
        int(2 * median_ms * MS),
        (int(median_ms * MS),) * 6,
        True,
        tuple(tuple(int(time_ns) for time_ns in round_ns) for round_ns in rounds_ns),
    )
    return make_measurement(
        name,
        samples,
        backend="litert-xnnpack",
        threads=threads,
        model=f"{name}.tflite",
        model_sha256=sha,
        runtime="ai-edge-litert 2.3.0",
    )


def result(*measurements, machine=MACHINE):
    return Result("2025-01-02T03:04:05Z", machine, (), measurements)


def pair_of(first_ms, second_ms, *, spread=0.01, budget=None):
    first = result(measured(first_ms, spread=spread))
    second = result(measured(second_ms, spread=spread, seed=1))
    (pair,) = compare_results(first, second, budget=budget).pairs
    return pair


@pytest.mark.parametrize(
    ("second_ms", "outcome"),
    [(120, Outcome.SLOWER), (80, Outcome.FASTER), (101, Outcome.NO_DIFFERENCE)],
)
def test_the_ratio_decides(second_ms, outcome):
    pair = pair_of(100, second_ms)
    assert pair.outcome is outcome
    assert pair.ratio.value == pytest.approx(second_ms / 100, rel=0.01)
    assert pair.ratio.low < pair.ratio.value < pair.ratio.high


def test_the_interval_must_leave_the_band_of_noise():
    # A tenth slower, yet so unsteady that it may be nothing.
    assert pair_of(100, 110, spread=0.3).outcome is Outcome.NO_DIFFERENCE
    # Steady, and within the band.
    assert pair_of(100, 100 * (1 + NOISE / 2), spread=0.0001).outcome is Outcome.NO_DIFFERENCE


def test_the_ratio_of_two_runs_is_that_of_their_medians_and_covers_the_truth():
    constant = unpaired_ratio([(30.0, 30.0)] * 4, [(10.0, 10.0)] * 6)
    assert (constant.low, constant.value, constant.high) == (3.0, 3.0, 3.0)
    generator = np.random.default_rng(3)
    covered = 0
    for seed in range(100):
        first, second = generator.normal(100, 5, (10, 3)), generator.normal(110, 5, (10, 3))
        interval = unpaired_ratio(second, first, seed=seed)
        covered += interval.low <= 1.1 <= interval.high
    # 95 of 100 are expected; a bootstrap of ten rounds is somewhat too narrow,
    # and 100 trials scatter.
    assert 85 <= covered <= 100


@pytest.mark.parametrize(
    ("second_ms", "budget", "exceeds"),
    [(120, 0.05, True), (120, 0.3, False), (104, 0.05, False), (80, 0.0, False)],
)
def test_a_budget_is_exceeded_by_what_is_slower_and_by_more(second_ms, budget, exceeds):
    assert pair_of(100, second_ms, budget=budget).exceeds_budget is exceeds


def test_too_little_measured_to_judge_a_budget_is_said():
    pair = pair_of(100, 104, spread=0.3, budget=0.05)
    assert not pair.exceeds_budget and "beyond the budget: measure more rounds" in pair.doubts[-1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model_sha256": "cd" * 32}, "model"),
        ({"backend": "litert"}, "backend"),
        ({"threads": 2}, "threads"),
        ({"precision": "float32"}, "precision"),
        ({"device": "a phone"}, "machine"),
        ({"accelerator": "a GPU"}, "machine"),
        ({"runtime": "ai-edge-litert 2.2.0"}, "runtime"),
    ],
)
def test_unlike_runs_are_refused_unless_allowed(change, field):
    first, second = result(measured(100)), result(replace(measured(50), **change))
    with pytest.raises(CheckError, match=rf"not alike \({field}: .*--across {field}$"):
        compare_results(first, second)
    (pair,) = compare_results(first, second, across=[field]).pairs
    assert pair.outcome is Outcome.FASTER
    others = [name for name in FIELDS if name != field]
    with pytest.raises(CheckError, match="not alike"):
        compare_results(first, second, across=others)


def test_another_machine_is_another_machine():
    with pytest.raises(CheckError, match="machine: A CPU, 2 cores, x86_64 and Another, 2 cores"):
        compare_results(
            result(measured(100)), result(measured(100), machine=replace(MACHINE, cpu="Another"))
        )


def test_all_that_is_alike_is_paired_and_the_rest_named():
    first = result(
        measured(10),
        measured(20, name="a, 2 threads", threads=2),
        measured(30, name="b", sha="cd" * 32),
    )
    second = result(
        measured(20, name="a, 2 threads", threads=2),
        measured(10),
        measured(9, name="c", sha="ef" * 32),
    )
    compared = compare_results(first, second)
    assert [(pair.first.name, pair.second.name) for pair in compared.pairs] == [
        ("a, 1 thread", "a, 1 thread"),
        ("a, 2 threads", "a, 2 threads"),
    ]
    assert (compared.only_in_first, compared.only_in_second) == (("b",), ("c",))
    # A gate must not pass because something was no longer measured.
    with pytest.raises(CheckError, match="b: not alike"):
        compare_results(first, second, budget=0.05)


def test_threads_are_paired_with_their_like_also_across_them():
    first = result(measured(10), measured(20, name="a, 2 threads", threads=2))
    compared = compare_results(first, first, across=["threads"])
    assert all(pair.first == pair.second for pair in compared.pairs) and len(compared.pairs) == 2


def test_ambiguous_pairs_are_refused():
    twins = result(measured(10, name="x"), measured(10, name="y"))
    with pytest.raises(CheckError, match=r"several measurements .* are alike \(x, y\)"):
        compare_results(result(measured(10, name="z")), twins)


def test_doubts_and_stamps_of_both_sides_are_told():
    stamped = replace(measured(10), stamp="not a GPU timing: llvmpipe")
    (pair,) = compare_results(
        result(stamped), replace(result(measured(10)), doubts=("busy: rest",))
    ).pairs
    assert (
        "first: not a GPU timing: llvmpipe" in pair.doubts
        and "second: unstable: busy: rest" in pair.doubts
    )


def test_what_was_not_timed_is_not_compared():
    untimed = replace(measured(10), samples=None, summary=None)
    with pytest.raises(CheckError, match="nothing that was timed"):
        compare_results(result(untimed), result(measured(10)))
    with pytest.raises(CheckError, match="the second result has nothing like it"):
        compare_results(result(measured(10)), result(untimed))


def test_fields_are_known():
    with pytest.raises(ValueError, match="Received: weather"):
        compare_results(result(measured(1)), result(measured(1)), across=["weather"])


@pytest.fixture
def written(tmp_path):
    """Paths of a result, of one a fifth slower, and of one with another model."""
    others = (measured(10), measured(12, seed=1), measured(10, sha="cd" * 32))
    return [
        str(write_result(result(one), tmp_path / str(number))) for number, one in enumerate(others)
    ]


@pytest.mark.parametrize(
    ("second", "options", "status", "words"),
    [
        (0, [], 0, "no difference"),
        (1, [], 0, "slower"),
        (1, ["--budget", "5%"], 3, "slower, beyond the budget"),
        (1, ["--budget", "30"], 0, "slower"),
        (1, ["--noise", "40%", "--budget", "5%"], 0, "no difference"),
        (2, [], 1, "not alike (model: abababababab and cdcdcdcdcdcd)"),
        (2, ["--across", "model,threads"], 0, "no difference"),
    ],
)
def test_command(written, second, options, status, words, capsys):
    assert main(["compare", written[0], written[second], *options]) == status
    captured = capsys.readouterr()
    assert words in captured.out + captured.err
    assert captured.err.count("\n") == (1 if status == 1 else 0)


@pytest.mark.parametrize(
    "options", [["--budget", "-5"], ["--budget", "much"], ["--noise", "nan"], ["--across", "x"]]
)
def test_wrong_options_are_status_2(written, options, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare", *written[:2], *options])
    assert stop.value.code == 2 and options[0] in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"schema_version": 3}'])
def test_files_that_are_no_results_are_one_line(written, tmp_path, content, capsys):
    path = tmp_path / "größe.json"
    path.write_bytes(content)
    assert main(["compare", written[0], str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"bokeh-tf: {path}: ")
    assert main(["compare", str(tmp_path / "none.json"), written[0]]) == 1
    assert capsys.readouterr().err.count("\n") == 1

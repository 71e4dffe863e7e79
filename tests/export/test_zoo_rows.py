"""`python -m export.zoo`: which rows are measured again, what becomes of one that
fails; the ratios of the suite.
"""

import json
from types import SimpleNamespace

import pytest

from benchmarks import zoo
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.models import catalogue, measured
from export.zoo import rows
from export.zoo.__main__ import main


def row_of(key, **changes):
    about = {"model": key[0], "variant": key[1], "parameters": 7, "versions": rows.versions()}
    return {**about, "sources_sha256": rows.sources_sha256(key[0]), **changes}


def test_sources_are_the_files_that_a_models_numbers_depend_on():
    names = {path.relative_to(rows.PACKAGE).as_posix() for path in rows.sources("saliency_blend")}
    # Through maps to SCRN and MegaDepth's layers, and to the operations below.
    assert {
        "models/saliency_blend.py",
        "models/scrn.py",
        "models/layers.py",
        "models/backbones.py",
    } <= names
    assert {"ops/blur.py", "ops/resize.py", "ops/channelwise.py", "tflite/converter.py"} <= names
    assert not {"models/pynet.py", "models/catalogue.py", "ops/wavelet.py", "cli.py"} & names


WHOLE = '''"""Doubles and halves."""

from bokeh_tf.delegate.linting.memory import SIDE

FACTOR = 2


def double(value):
    """Twice."""
    import math

    return math.prod([value, FACTOR])


def halve(value):
    # By what it was doubled with.
    return value / FACTOR
'''
FIRST = '''"""Halves."""

from here import FACTOR


def halve(value):
    """Half."""
    return (
        value / FACTOR
    )
'''
SECOND = """FACTOR = 2
def double(value):
    return math.prod([value, FACTOR])
"""


def test_code_that_moves_is_the_same_code_and_code_that_changes_is_not(tmp_path):
    def digest(*texts):
        paths = [tmp_path / f"{index}.py" for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="utf-8")
        return rows.code_sha256(paths)

    assert digest(WHOLE) == digest(FIRST, SECOND) == digest(SECOND, FIRST)
    changes = [
        ("value / FACTOR", "value // FACTOR"),
        ("FACTOR = 2", "FACTOR = 2.0"),
        ("[value,", "[value, value,"),
    ]
    for before, after in changes:
        assert digest(WHOLE.replace(before, after)) != digest(WHOLE)
    assert digest(FIRST) != digest(FIRST, SECOND)


def test_rows_hold_until_sources_or_versions_change():
    key = ("unet", "tiny")
    assert rows.holds(row_of(key), "unet")
    assert not rows.holds(None, "unet")
    assert not rows.holds(row_of(key, sources_sha256="0" * 64), "unet")
    assert not rows.holds(row_of(key, versions={**rows.versions(), "keras": "0.1"}), "unet")
    assert not rows.holds(row_of(key, parameters=None), "unet"), (
        "what could not be measured is tried again"
    )


def test_rows_are_chosen_by_model_or_variant():
    assert rows.wanted_keys(["unet", "dmshn.stacked"]) == (
        ("dmshn", "stacked"),
        ("unet", "base"),
        ("unet", "width32"),
        ("unet", "tiny"),
    )
    assert rows.wanted_keys([]) == rows.all_keys()
    with pytest.raises(ValueError, match=r"Received: unet\.huge, nope\."):
        rows.wanted_keys(["unet.huge", "nope", "dmshn"])


@pytest.mark.parametrize(
    "arguments", [["--only", "nope"], ["--timeout", "0"], ["--timeout", "nan"]]
)
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "Received" in capsys.readouterr().err


def test_a_measurement_that_takes_too_long_is_a_row_that_says_so(tmp_path):
    key = ("unet", "tiny")
    row = rows.measure_row(key, timeout_s=0.05)
    assert (
        row["reasons"] == ["not measured: it took longer than 0.05 s"] and row["parameters"] is None
    )
    assert not measured.is_green(row) and not rows.holds(row, "unet")
    rows.write({key: row, ("gone", "base"): row}, tmp_path / "measured.json")
    assert measured.read(path=tmp_path / "measured.json") == {key: row}


def test_a_measurement_that_breaks_is_a_row_that_says_why():
    row = rows.measure_row(("unet", "huge"), timeout_s=120)
    assert row["reasons"][0].startswith("not measured: ValueError: variant must be one of unet's")


@pytest.mark.slow
@pytest.mark.gpu
def test_a_measured_row_has_what_the_table_shows(gpu):
    row = rows.measure_row(("unet", "tiny"), timeout_s=600)
    assert measured.is_green(row) and row["probe"]["adapter"] == gpu
    assert row["parameters"] == 736_507 and row["moving_statistics"] == 0
    assert row["macs"]["1024x1536"] == 4 * row["macs"]["512x768"]
    # Eight upsampled and eight skipped channels, joined to sixteen, at full size.
    assert row["memory"]["peak_bytes"] == 32 * 1024 * 1536 * 2
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def timed(name, milliseconds, *, threads=1, rounds=5):
    samples = Samples(1, (), True, ((milliseconds * 1_000_000,) * 3,) * rounds)
    file = f"{name}_float16_256x384.tflite"
    return SimpleNamespace(
        model=file, backend="cpu", threads=threads, precision=None, samples=samples
    )


def test_ratios_are_to_dmshn_of_the_same_variant_and_setting():
    one_thread = [
        timed("dmshn_tiny", 10),
        timed("unet_tiny", 5),
        timed("dmshn_base", 100),
        timed("unet_base", 300),
    ]
    two_threads = [timed("dmshn_tiny", 8, threads=2), timed("dbsi_mobile_base", 2, threads=2)]
    failed = SimpleNamespace(
        model="bgnet_tiny", backend="cpu", threads=1, precision=None, samples=None
    )
    ratios = zoo.find_ratios(SimpleNamespace(measurements=[*one_thread, *two_threads, failed]))
    found = {
        (model.split("_float16")[0], setting[1]): ratio.value
        for (model, setting), ratio in ratios.items()
    }
    assert found == {
        ("dmshn_tiny", 1): 1.0,
        ("unet_tiny", 1): 0.5,
        ("dmshn_base", 1): 1.0,
        ("unet_base", 1): 3.0,
        ("dmshn_tiny", 2): 1.0,
        ("dbsi_mobile_base", 2): 0.25,
    }


def test_the_suite_times_every_model_once_per_variant():
    tiny, both = list(zoo.keys_of(("tiny",))), list(zoo.keys_of(("tiny", "base")))
    assert [name for name, _ in tiny] == [entry.name for entry in catalogue.ENTRIES]
    assert ("dbsi_mobile", "base") in tiny and both.count(("dbsi_mobile", "base")) == 1
    assert len(both) == 2 * len(tiny) - 1

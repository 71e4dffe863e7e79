"""The pack for the AI Benchmark app: what is refused, what the card says, what is never
overwritten, and the push.
"""

import argparse
import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from PIL import Image

from bokeh_tf.ai_benchmark import releases
from bokeh_tf.ai_benchmark.card import make_card, to_markdown
from bokeh_tf.ai_benchmark.card_picture import to_png
from bokeh_tf.ai_benchmark.pack import write_pack
from bokeh_tf.ai_benchmark.phone import push
from bokeh_tf.ai_benchmark.requirements import accept
from bokeh_tf.ai_benchmark.sheet import COLUMNS, read_sheet
from bokeh_tf.commands import ai_benchmark as command
from bokeh_tf.errors import BokehError, DeviceError, ModelFileError, OutputError
from bokeh_tf.models.weights import BASE_FILE
from bokeh_tf.tflite.inspection import inspect
from tests.ai_benchmark.ai_benchmark_files import model, row, sheet_text, write_model, write_sheet
from tests.model_writer import FLOAT32, INT32

pytest_plugins = ["tests.fakes.fixtures"]

RANGE = json.dumps({"inputs": [{"name": "image", "range": [0, 255]}]}).encode()
REMOTE = "/sdcard/Download/model.tflite"


@pytest.fixture
def model_file(tmp_path):
    return write_model(tmp_path / "größe x.tflite", metadata=RANGE)


def test_needs_agree_with_what_the_converter_wrote():
    needs = releases.read_needs(inspect(BASE_FILE))
    by_table = max((operator.release for operator in needs.operators), key=releases.release_key)
    assert by_table == needs.declared == needs.release
    assert [operator.label for operator in needs.deciding] == ["RESIZE_BILINEAR v3"]
    assert needs.unknown == ()


def test_table_of_releases_is_sound():
    known = {name for name in vars(schema.BuiltinOperator) if name.isupper()}
    table = releases._table()
    assert set(table) <= known
    for versions in table.values():
        keys = [releases.release_key(versions[version]) for version in sorted(versions, key=int)]
        assert keys == sorted(keys) and releases.parse_release(versions[max(versions, key=int)])


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("2.9", "2.9.0"),
        (" 2.10.0", "2.10.0"),
        ("1.5.0", "1.5.0"),
        ("", None),
        ("2", None),
        ("2.x", None),
        ("9" * 9, None),
    ],
)
def test_releases_are_read_strictly(text, release):
    assert releases.parse_release(text) == release


def test_a_file_may_need_more_than_its_operators_say():
    needs = releases.read_needs(inspect(model(runtime=b"2.10.0").finish()))
    assert (needs.release, needs.deciding) == ("2.10.0", ())
    needs = releases.read_needs(inspect(model(version=99, runtime=b"garbage").finish()))
    assert (needs.release, [operator.label for operator in needs.unknown]) == (
        "1.15.0",
        ["ADD v99"],
    )


def test_what_the_app_wants_is_accepted(model_file):
    accepted = accept(model_file)
    assert (accepted.input_range, accepted.warnings) == ((0.0, 255.0), ())
    assert accept(model_file, input_range=(-1, 1)).input_range == (-1, 1)


def dynamic_model():
    writer = model()
    writer.graph.tensors[0].shapeSignature = [1, -1, 6, 3]
    return writer


REFUSED = {
    "dynamic": (dynamic_model, "the size of 'image' is not fixed"),
    "batch": (lambda: model(shape=[2, 4, 6, 3]), "batch size 1"),
    "integers": (lambda: model(image_type=INT32), "is int32; mode FP16 needs float32"),
    "custom": (lambda: model(custom="Resampler"), "'Resampler'"),
    "range": (lambda: model(metadata=RANGE.replace(b"255", b"0")), "--input-range"),
    "infinite range": (lambda: model(metadata=RANGE.replace(b"255", b"1e999")), "--input-range"),
    "long range": (lambda: model(metadata=RANGE.replace(b"255", b"9" * 400)), "--input-range"),
    "no range": (lambda: model(metadata=None), "--input-range"),
    "another's description": (
        lambda: model(metadata=json.dumps({"inputs": []}).encode()),
        "--input-range",
    ),
    "not runnable": (lambda: model(version=99, metadata=RANGE), "interpreter refuses"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_app_cannot_use_is_refused_in_one_line(case, tmp_path):
    build, words = REFUSED[case]
    path = tmp_path / "m.tflite"
    path.write_bytes(build().finish())
    with pytest.raises(ModelFileError) as error:
        write_pack(path, tmp_path / "pack")
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_type": FLOAT32}, "100% float32"),
        ({"runtime": b"2.4.0"}, "It needs TensorFlow Lite 2.4.0 (says the file itself)"),
    ],
)
def test_doubts_are_warnings(tmp_path, changes, words):
    accepted = accept(write_model(tmp_path / "m.tflite", **{"metadata": RANGE, **changes}))
    assert len(accepted.warnings) == 1 and words in accepted.warnings[0]


def test_a_known_app_that_is_too_old_is_a_refusal(model_file):
    assert accept(model_file, app_release="1.15.0").warnings == ()
    with pytest.raises(
        ModelFileError, match=r"1\.15\.0 \(DEQUANTIZE v3\) and the app has 1\.14\.0"
    ):
        accept(model_file, app_release="1.14.0")


def test_pack_holds_the_file_and_says_so(model_file, tmp_path):
    pack = write_pack(model_file, tmp_path / "new" / "päck", iterations=20)
    assert [path.name for path in pack.files] == [
        "model.tflite",
        "card.md",
        "card.png",
        "results.csv",
    ]
    assert sorted(pack.model.parent.iterdir()) == sorted(pack.files)
    assert pack.model.read_bytes() == model_file.read_bytes()
    text = pack.files[1].read_text(encoding="utf-8")
    digest = hashlib.sha256(model_file.read_bytes()).hexdigest()
    for line in (
        f"| sha256 | `{digest}` |",
        "| Inference mode | **FP16** |",
        "| Input range, max | **255** |",
        "| Iterations | **20** |",
        "| needs TensorFlow Lite | 1.15.0 or newer (DEQUANTIZE v3) |",
        "adb push model.tflite /sdcard/Download/model.tflite",
        '| input | `"image" 1 x 4 x 6 x 3`, float32 |',
    ):
        assert line in text.splitlines()
    assert digest in pack.files[3].read_text() and read_sheet(pack.files[3]) == ()
    assert pack.files[3].read_text().splitlines()[0] == ",".join(COLUMNS)
    first = [path.read_bytes() for path in pack.files]
    again = write_pack(model_file, tmp_path / "new" / "päck", iterations=20)
    assert [path.read_bytes() for path in again.files] == first


def test_markdown_survives_hostile_names(tmp_path):
    path = write_model(tmp_path / "a|b`c``d.tflite", metadata=RANGE)
    text = to_markdown(make_card(accept(path)))
    assert text.splitlines()[0] == "# AI Benchmark settings: ``` a\\|b`c``d.tflite ```"


@pytest.mark.parametrize(
    "name", ["m", "Wort " * 40, "x" * 200, "模型" * 20], ids=["short", "words", "long", "foreign"]
)
def test_picture_is_portrait_and_nothing_leaves_it(tmp_path, name):
    accepted = accept(write_model(tmp_path / f"{name}.tflite", metadata=RANGE, weight_type=FLOAT32))
    with Image.open(io.BytesIO(to_png(make_card(accepted)))) as picture:
        assert len(picture.getcolors()) > 2
        pixels = np.asarray(picture.convert("RGB"))
    height_px, width_px = pixels.shape[:2]
    assert width_px == 1080 and height_px > 1.5 * width_px
    for edge in (pixels[:, :40], pixels[:, -40:]):
        # The title's ground reaches the edges, text does not: every row there has one colour.
        assert (edge == edge[:, :1]).all()


def test_results_and_other_models_are_not_overwritten(model_file, tmp_path):
    folder = tmp_path / "pack"
    folder.mkdir()
    write_sheet(folder / "results.csv", row())
    with pytest.raises(OutputError, match=r"results\.csv: holds results"):
        write_pack(model_file, folder)
    (folder / "results.csv").write_text("mine")
    with pytest.raises(OutputError, match="not a blank sheet"):
        write_pack(model_file, folder)
    (folder / "results.csv").unlink()
    (folder / "model.tflite").write_bytes(b"mine")
    with pytest.raises(OutputError, match="another model"):
        write_pack(model_file, folder)
    assert [path.name for path in folder.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("card.md", b"# My own card\n"),
        ("card.md", b""),
        ("card.png", b"\x89PNG\r\n\x1a\nmine"),
        ("card.png", b"mine"),
        ("results.csv", sheet_text(row(mean_ms="")).encode()),
        ("results.csv", sheet_text().encode()),
    ],
)
def test_what_a_person_put_there_is_kept(model_file, tmp_path, name, content):
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(OutputError) as caught:
        write_pack(model_file, folder)
    assert str(caught.value).startswith(f"{folder / name}: ") and "\n" not in str(caught.value)
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [(name, content)]


@pytest.mark.parametrize("change", ["notes", "phone", "threads", "row", "cell beyond"])
def test_a_sheet_with_anything_filled_in_is_kept(model_file, tmp_path, change):
    sheet = write_pack(model_file, tmp_path / "pack").files[3]
    lines = sheet.read_text(encoding="utf-8").splitlines()
    if change == "row":
        lines.append(lines[1])
    elif change == "cell beyond":
        lines[1] += ",mine"
    else:
        cells = lines[1].split(",")
        cells[COLUMNS.index(change)] = "8"
        lines[1] = ",".join(cells)
    sheet.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(OutputError, match=r"results\.csv: holds results or notes"):
        write_pack(model_file, tmp_path / "pack")
    assert sheet.read_text(encoding="utf-8") == "\n".join(lines)


def test_a_blank_sheet_that_a_spreadsheet_program_saved_is_still_blank(model_file, tmp_path):
    sheet = write_pack(model_file, tmp_path / "pack").files[3]
    sheet.write_bytes(sheet.read_text(encoding="utf-8").replace(",", ";").encode("utf-16"))
    write_pack(model_file, tmp_path / "pack")


def test_the_model_of_a_pack_is_not_packed_into_it(model_file, tmp_path):
    packed = write_pack(model_file, tmp_path / "pack").model
    with pytest.raises(OutputError, match="this run reads that file"):
        write_pack(packed, tmp_path / "pack")


def test_an_earlier_pack_is_replaced(model_file, tmp_path):
    write_pack(model_file, tmp_path / "pack")
    newer = write_model(tmp_path / "newer.tflite", metadata=RANGE, shape=[1, 8, 6, 3])
    assert write_pack(newer, tmp_path / "pack").model.read_bytes() == newer.read_bytes()


@pytest.fixture
def on_path(adb, monkeypatch):
    """The tests' own adb server for calls that look for adb themselves."""
    for name, value in adb.environment.items():
        monkeypatch.setenv(name, value)
    return adb.path


def test_push_is_verified_on_the_phone(model_file, phone, on_path):
    assert push(model_file, adb=on_path, serial=phone.serial) == phone.serial
    assert phone.local(REMOTE).read_bytes() == model_file.read_bytes()


def test_a_damaged_push_is_noticed_and_removed(model_file, phone, on_path):
    phone.faults.flip_pushed_bit = True
    with pytest.raises(DeviceError, match="arrived damaged"):
        push(model_file, adb=on_path, serial=phone.serial)
    assert not phone.local(REMOTE).exists()


def run(*words):
    """(exit status, error) of the command."""
    parser = argparse.ArgumentParser(prog="bokeh-tf")
    command.add(parser.add_subparsers(required=True))
    try:
        options = parser.parse_args(["ai-benchmark", *map(str, words)])
        return options.run(options), None
    except SystemExit as stop:
        return stop.code, None
    except BokehError as error:
        return 1, str(error)


def test_command_writes_a_pack(model_file, tmp_path, capsys):
    assert run(model_file, "-o", tmp_path / "pack", "--input-range", "-1", "1") == (0, None)
    printed = capsys.readouterr()
    assert "needs TensorFlow Lite: 1.15.0 or newer" in printed.out and printed.err == ""
    assert "adb push model.tflite /sdcard/Download/model.tflite" in printed.out
    assert "| Input range, min | **-1** |" in (tmp_path / "pack" / "card.md").read_text(
        encoding="utf-8"
    )


def test_command_pushes(model_file, tmp_path, phone, on_path, capsys):
    status = run(
        model_file, "-o", tmp_path / "pack", "--push", "--serial", phone.serial, "--adb", on_path
    )
    assert status == (0, None) and "verified there" in capsys.readouterr().out


def test_push_without_adb_is_one_line_and_the_pack_stays(model_file, tmp_path):
    status, error = run(model_file, "-o", tmp_path / "pack", "--push", "--adb", tmp_path / "none")
    assert status == 1 and "names no program" in error and "\n" not in error
    assert (tmp_path / "pack" / "card.png").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["m.tflite"],
        ["a.tflite", "b.tflite", "-o", "d"],
        ["import", "--out", "d"],
        ["import", "s.csv", "--out", "d", "--push"],
        ["m.tflite", "-o", "d", "--serial", "x"],
        ["m.tflite", "-o", "d", "--iterations", "0"],
        ["m.tflite", "-o", "d", "--input-range", "1", "0"],
        ["m.tflite", "-o", "d", "--input-range", "0", "nan"],
        ["m.tflite", "-o", "d", "--app-tflite", "new"],
    ],
)
def test_wrong_usage_ends_with_2(words, capsys):
    assert run(*words) == (2, None)
    assert "usage: bokeh-tf ai-benchmark" in capsys.readouterr().err


def test_command_names_a_missing_file(tmp_path):
    status, error = run(tmp_path / "none.tflite", "-o", tmp_path / "pack")
    assert status == 1 and "none.tflite" in error and "\n" not in error


def test_the_packs_that_ship_hold_the_files_that_ship():
    assets = Path(__file__).resolve().parents[2] / "android_assets"
    packs = sorted((assets / "ai_benchmark").iterdir())
    assert packs
    for pack in packs:
        shipped = (assets / f"{pack.name}.tflite").read_bytes()
        assert (pack / "model.tflite").read_bytes() == shipped
        digest = hashlib.sha256(shipped).hexdigest()
        assert digest in (pack / "card.md").read_text(encoding="utf-8")
        with (pack / "results.csv").open(encoding="utf-8") as file:
            assert {row["model_sha256"] for row in csv.DictReader(file)} == {digest}

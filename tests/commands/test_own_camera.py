"""`docs/own_camera.md`: each of its commands is one, and all of them run, one after the other."""

import re
import shlex
from pathlib import Path

import pytest

from bokeh_tf import cli
from tests.data.own_camera import write_day

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_camera.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
# One of the scenes held out cannot be aligned, as the page says.
REFUSING = "held_narrow"


def test_every_command_of_the_page_is_one():
    assert [command[1] for command in COMMANDS] == [
        "data",
        "data",
        "data",
        "train",
        "evaluate",
        "export",
    ]
    for command in COMMANDS:
        assert command[0] == "bokeh-tf"
        cli.parser().parse_args(command[1:])


@pytest.mark.slow
def test_the_page_runs_from_photos_to_a_file(tmp_path, monkeypatch, capsys):
    write_day(tmp_path)
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        assert cli.main(command[1:]) == (1 if REFUSING in command else 0), capsys.readouterr()
    shown = capsys.readouterr().out
    for line in (
        "8 aligned, 0 refused",
        "3 aligned, 1 refused",
        "8 clean, 0 dirty",
        "watched on 3 held-out pairs",
    ):
        assert line in shown and (line in PAGE or line.startswith("8 aligned"))
    assert (tmp_path / "models" / "unet_tiny_float16_256x384.tflite").is_file()
    assert (tmp_path / "evaluated" / "report.html").is_file()

"""Options that several commands have: one name, one kind of value, and one home where they mean the
same; sizes that no machine holds.
"""

import argparse
import collections
import math

import pytest

from bokeh_tf import cli
from bokeh_tf.cli import main
from bokeh_tf.commands import proving, ranges, rewriting, shapes
from bokeh_tf.processes import memory_bytes
from tests.commands.command_calls import MODEL

# Of a square of three channels that, with one like it, just does not fit into this machine.
SIDE = math.ceil(1.1 * math.sqrt(memory_bytes() / 24))

# What is added in one place, and for which commands.
HOMES = {
    "--photo": (proving.add_photo, {"check", "convert", "export", "repair"}),
    "--no-probe": (proving.add_no_probe, {"check", "convert", "export", "repair"}),
    "--runtime": (proving.add_runtime, {"check", "convert", "export", "repair"}),
    "--input-shape": (shapes.add_free_sizes, {"convert", "repair"}),
    "--batch": (shapes.add_free_sizes, {"convert", "repair"}),
    "--also": (rewriting.add_also, {"convert", "repair"}),
    "--allow-interface": (shapes.add_interface, {"convert", "repair"}),
    "--input-range": (ranges.add, {"ai-benchmark", "app", "evaluate", "render", "web"}),
    "--output-range": (ranges.add, {"app", "render", "web"}),
}
# Who means something else by it: what times a model.
OTHERS = {"--runtime": {"bench"}}


def options_by_name():
    """The options of every command by name: {name: {command: action}}."""
    found = collections.defaultdict(dict)
    waiting = [("", cli.parser())]
    while waiting:
        command, parser = waiting.pop()
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += [
                    (f"{command} {name}".strip(), one) for name, one in action.choices.items()
                ]
            for name in action.option_strings:
                found[name][command] = action
    return found


OPTIONS = options_by_name()


@pytest.mark.parametrize("name", HOMES)
def test_an_option_that_means_the_same_is_the_same(name):
    add, commands = HOMES[name]
    parser = argparse.ArgumentParser()
    add(parser)
    [expected] = [one for one in parser._actions if name in one.option_strings]
    assert commands <= OPTIONS[name].keys()
    for command, action in OPTIONS[name].items():
        if command in OTHERS.get(name, ()):
            continue
        same = (action.help, action.metavar, action.type, action.nargs)
        assert same == (expected.help, expected.metavar, expected.type, expected.nargs), command


@pytest.mark.parametrize("name", ["--size", "--timeout", "--overwrite", "--format", "--seed"])
def test_a_name_stands_for_one_kind_of_value(name):
    kinds = {(action.nargs, action.metavar) for action in OPTIONS[name].values()}
    assert len(kinds) == 1, OPTIONS[name]


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "unet.tiny", "-o", "out.tflite", "--size", f"{SIDE}x{SIDE}"],
        ["convert", "unet.tiny", "-o", "out.tflite", "--input-shape", f"1x{SIDE}x{SIDE}x3"],
        ["export", "unet", "--variant", "tiny", "-o", "out", "--size", f"{SIDE}x{SIDE}"],
        ["repair", str(MODEL), "-o", "out.tflite", "--input-shape", f"1x{SIDE}x{SIDE}x3"],
    ],
)
def test_a_size_beyond_the_memory_is_said_before_the_work(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    # 2 x 4 bytes x 3 channels of so many pixels.
    needed = f"{24 * SIDE**2 / 1e9:,.0f} GB in float32"
    assert error.count("\n") == 1 and "too large" in error and needed in error
    assert not list(tmp_path.iterdir())


def test_two_outputs_of_one_name_are_said_to_be_that(tmp_path, capsys):
    path = tmp_path / "a.json"
    with pytest.raises(SystemExit) as stop:
        main(["check", str(MODEL), "--no-probe", *("--output", f"json:{path}") * 2])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "given twice for one file" in error and "baseline" not in error
    with pytest.raises(SystemExit):
        main(["check", str(MODEL), "--output", str(path), "--write-baseline", str(path)])
    assert "--write-baseline must be different files" in capsys.readouterr().err

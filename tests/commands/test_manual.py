"""Completions and the manual page: made of the parser, and understood by
the programs that read them.
"""

import shutil
import subprocess

import pytest

from bokeh_tf import cli
from bokeh_tf.commands.manual import SHELLS, manual_of


def printed(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_knows_every_command(capsys, shell):
    text = printed(capsys, "--print-completion", shell)
    assert all(command in text for command in cli.COMMANDS) and "--no-probe" in text


def test_bash_completes_commands_options_and_choices(capsys, tmp_path):
    script = tmp_path / "completion.bash"
    script.write_text(printed(capsys, "--print-completion", "bash"), encoding="utf-8")
    asked = {("bokeh-tf", "che"): "check", ("bokeh-tf", "check", "--no-p"): "--no-probe"}
    asked[("bokeh-tf", "check", "--format", "sa")] = "sarif"
    for words, expected in asked.items():
        line = (
            f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1};"
            f" COMP_LINE='{' '.join(words)}'"
        )
        code = f'source "{script}"; {line}; _shtab_bokeh_tf; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
        assert expected in done.stdout.split(), done


def test_the_manual_has_every_command_and_option(capsys):
    page = printed(capsys, "--print-manual")
    assert page.startswith('.TH "BOKEH\\-TF" 1')
    for command in cli.COMMANDS:
        assert f".SH {f'bokeh-tf {command}'.upper()}".replace("-", "\\-") in page
    assert page == manual_of(cli.parser())


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_groff_finds_nothing_to_warn_of(capsys):
    page = printed(capsys, "--print-manual")
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8"], input=page, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "") and "--no-probe" in done.stdout


@pytest.mark.parametrize("arguments", [("check", "--helpfull"), ("check", "--print-manual")])
def test_what_is_of_the_whole_command_line_is_no_option_of_a_command(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "helpfull" not in subprocess_help("check")


def subprocess_help(command):
    return cli._parser_of(command)._subparsers._group_actions[0].choices[command].format_help()

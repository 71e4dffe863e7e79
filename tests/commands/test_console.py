"""What the commands share: the console and the kinds of numbers."""

import sys

import pytest

from bokeh_tf.commands.console import count, open_console, positive


@pytest.mark.parametrize("stdout", [None, "captured"])
def test_tables_are_not_squeezed_where_there_is_no_terminal(monkeypatch, stdout):
    if stdout is None:
        monkeypatch.setattr(sys, "stdout", None)
    assert open_console().width == 200


def test_numbers_are_taken():
    assert positive("0.5") == 0.5
    assert count("3") == 3


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "one"])
def test_what_is_not_positive_is_refused(text):
    with pytest.raises(ValueError):
        positive(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "one"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(ValueError):
        count(text)

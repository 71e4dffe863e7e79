"""Faults that a file may have, each made in a folder, and what a message must call them."""

import os
from pathlib import Path


def missing(folder, suffix=""):
    return folder / f"missing{suffix}"


def a_folder(folder, suffix=""):
    (folder / f"folder{suffix}").mkdir()
    return folder / f"folder{suffix}"


def a_pipe(folder, suffix=""):
    os.mkfifo(folder / f"pipe{suffix}")
    return folder / f"pipe{suffix}"


def endless(folder, suffix=""):
    (folder / f"zero{suffix}").symlink_to("/dev/zero")
    return folder / f"zero{suffix}"


def nonsense(folder, suffix=""):
    (folder / f"nonsense{suffix}").write_bytes(bytes(range(256)) * 8)
    return folder / f"nonsense{suffix}"


def empty(folder, suffix=""):
    (folder / f"empty{suffix}").touch()
    return folder / f"empty{suffix}"


def deep(folder, suffix=""):
    (folder / f"deep{suffix}").write_bytes(b"[" * 200_000)
    return folder / f"deep{suffix}"


def too_long(folder, suffix=""):
    return folder / ("n" * 300 + suffix)


def links_in_a_circle(folder, suffix=""):
    (folder / f"a{suffix}").symlink_to(f"b{suffix}")
    (folder / f"b{suffix}").symlink_to(f"a{suffix}")
    return folder / f"a{suffix}"


def no_text(folder, suffix=""):
    return folder / (os.fsdecode(b"\xff\xfe\x1b[2J\x07") + suffix)


def nul(folder, suffix=""):
    return Path(f"{folder}/a\0b{suffix}")


# What the message must call the thing that is there instead of a file.
SAID = {a_folder: "folder", a_pipe: "pipe", endless: "device"}


def assert_called_what_it_is(fault, captured):
    """What is there is not said to be missing."""
    text = captured.err + captured.out
    if fault in SAID:
        assert SAID[fault] in text.lower() and "no such" not in text.lower(), text

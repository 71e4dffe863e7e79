"""Faults that a file may have, each made in a folder, and what a message must call them."""

import os
from pathlib import Path

# Each is called the same, so that a message that names what is there does not have it of the name.
NAME = "thing"


def missing(folder, suffix=""):
    return folder / f"{NAME}{suffix}"


def a_folder(folder, suffix=""):
    path = missing(folder, suffix)
    path.mkdir()
    return path


def a_pipe(folder, suffix=""):
    path = missing(folder, suffix)
    os.mkfifo(path)
    return path


def endless(folder, suffix=""):
    path = missing(folder, suffix)
    path.symlink_to("/dev/zero")
    return path


def nonsense(folder, suffix=""):
    path = missing(folder, suffix)
    path.write_bytes(bytes(range(256)) * 8)
    return path


def empty(folder, suffix=""):
    path = missing(folder, suffix)
    path.touch()
    return path


def deep(folder, suffix=""):
    path = missing(folder, suffix)
    path.write_bytes(b"[" * 200_000)
    return path


def too_long(folder, suffix=""):
    return folder / ("n" * 300 + suffix)


def links_in_a_circle(folder, suffix=""):
    path, other = missing(folder, suffix), folder / f"other{suffix}"
    path.symlink_to(other.name)
    other.symlink_to(path.name)
    return path


def no_text(folder, suffix=""):
    return folder / (os.fsdecode(b"\xff\xfe\x1b[2J\x07") + suffix)


def nul(folder, suffix=""):
    return Path(f"{folder}/a\0b{suffix}")


# What the message must call the thing that is there instead of a file.
SAID = {a_folder: "folder", a_pipe: "pipe", endless: "device"}


def assert_called_what_it_is(fault, captured, folder):
    """What is there in `folder`, whose own name counts for nothing, is not said to be missing."""
    text = (captured.err + captured.out).replace(str(folder), "")
    if fault in SAID:
        assert SAID[fault] in text.lower() and "no such" not in text.lower(), text

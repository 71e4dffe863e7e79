"""The address as a QR code, read back by OpenCV's reader."""

import cv2
import numpy as np
import pytest

from bokeh_tf.web.qr import qr_text, show_qr

ADDRESS = "https://192.168.178.123:36427/c_U34IKygAQJDpWe/"
# The upper and the lower half of each character: light or not.
HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0), "\xa0": (0, 0)}
MODULE_PX = 8


def test_a_reader_finds_the_address_in_it():
    pytest.importorskip("segno")
    lines = [line for line in qr_text(ADDRESS).split("\n") if line.strip()]
    rows = [[HALVES[letter][half] for letter in line] for line in lines for half in (0, 1)]
    light = np.kron(np.array(rows, np.uint8) * 255, np.ones((MODULE_PX, MODULE_PX), np.uint8))
    read, _, _ = cv2.QRCodeDetector().detectAndDecode(light)
    assert read == ADDRESS


def test_nothing_is_shown_where_nobody_can_see_it(capsys):
    show_qr(ADDRESS)
    assert capsys.readouterr() == ("", "")

"""The settings card as a picture: portrait, 1080 px wide, to be read on the phone on
which the settings are made.

The font is the one inside Pillow, so that the picture is the same on every computer; what it cannot
draw becomes a question mark.
"""

import functools
import io
import unicodedata

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from bokeh_tf.ai_benchmark.card import PUSH_LINE, Card, steps

WIDTH_PX = 1080
# A phone shows 1080 px on about 7 cm: text of this size reads like small print in a
# book, not like a footnote.
SMALLEST_TEXT_PX = 36
_MARGIN_PX = 60
_TEXT_PX = 40
_VALUE_PX = 54
_TITLE_PX = 68
_ROW_PX = 104
_LINE_SPACING = 1.32
# Beyond these a card is no longer one; Markdown has all of it.
_MOST_LINES = 4
_MOST_TENSORS = 2
_MOST_WARNINGS = 4
_TALLEST_PX = 6000
# Enough for a few inks on a few papers; a fifth of the file.
_COLOURS = 64

_PAPER, _INK, _GREY, _RULE = "#ffffff", "#14213d", "#5c677d", "#d9dee7"
_BAND, _BAND_TEXT, _BAND_SOFT = "#14213d", "#ffffff", "#a9b8d4"
_CODE_PAPER, _WARNING_PAPER, _WARNING_INK = "#eef2f8", "#fff3d6", "#7a4b00"
_MAKER = "bokeh-tf ai-benchmark"
_MARK = b"tEXtSoftware\0" + _MAKER.encode()
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Before the pixels, behind the palette at most.
_MARK_WITHIN_BYTES = 2000
# What the font inside Pillow has besides ASCII.
_DRAWABLE = frozenset("…·°±“”")


def to_png(card: Card) -> bytes:
    """The card as the bytes of a PNG file."""
    page = _Page()
    _draw_title(page, card)
    _draw_settings(page, card)
    if card.warnings:
        _draw_warnings(page, card)
    _draw_steps(page, card)
    _draw_file(page, card)
    file = io.BytesIO()
    picture = page.finished().quantize(_COLOURS, dither=Image.Dither.NONE)
    marks = PngImagePlugin.PngInfo()
    marks.add_text("Software", _MAKER)
    picture.save(file, format="PNG", optimize=True, pnginfo=marks)
    return file.getvalue()


def is_card_picture(content: bytes) -> bool:
    """Whether the bytes of a file are those of a card's picture, by
    what `to_png` writes into it.
    """
    return content.startswith(_PNG_SIGNATURE) and _MARK in content[:_MARK_WITHIN_BYTES]


def _draw_title(page, card):
    name = page.wrapped(card.source, _TEXT_PX, WIDTH_PX - 2 * _MARGIN_PX)
    height_px = 330 + _line_px(_TEXT_PX) * (len(name) - 1)
    page.draw.rectangle((0, 0, WIDTH_PX, height_px), fill=_BAND)
    page.skip(56)
    page.lines(["AI Benchmark app"], _TEXT_PX, _BAND_SOFT)
    page.lines(["PRO Mode > Custom Model"], _TITLE_PX, _BAND_TEXT, bold=True)
    page.skip(12)
    page.lines(name, _TEXT_PX, _BAND_SOFT)
    page.y_px = height_px


def _draw_settings(page, card):
    page.skip(20)
    for label, value in card.settings:
        middle_px = page.y_px + _ROW_PX // 2
        page.text((_MARGIN_PX, middle_px), label, _TEXT_PX, _GREY, anchor="lm")
        page.text(
            (WIDTH_PX - _MARGIN_PX, middle_px), value, _VALUE_PX, _INK, anchor="rm", bold=True
        )
        page.skip(_ROW_PX)
        page.draw.line(
            (_MARGIN_PX, page.y_px, WIDTH_PX - _MARGIN_PX, page.y_px), fill=_RULE, width=2
        )


def _draw_warnings(page, card):
    shown = list(card.warnings[:_MOST_WARNINGS])
    if len(card.warnings) > len(shown):
        shown.append(f"{len(card.warnings) - len(shown)} more in card.md.")
    page.skip(40)
    page.boxed([("Mind", shown)], _WARNING_PAPER, _WARNING_INK)


def _draw_steps(page, card):
    page.heading("Steps")
    for number, step in enumerate(steps(card), start=1):
        page.text((_MARGIN_PX, page.y_px), f"{number}", _TEXT_PX, _GREY, bold=True)
        page.paragraph(step, indent_px=56)
        page.skip(10)
    page.skip(20)
    page.boxed([("Push line, from the computer", [PUSH_LINE])], _CODE_PAPER, _INK)


def _draw_file(page, card):
    page.heading("The file")
    digits = [card.sha256[start : start + 8] for start in range(0, len(card.sha256), 8)]
    for label, lines in (
        ("size", [card.size]),
        ("sha256", [" ".join(digits[:4]), " ".join(digits[4:])]),
        ("in", _tensors(card.inputs)),
        ("out", _tensors(card.outputs)),
        ("needs TensorFlow Lite", [card.release]),
    ):
        page.lines([label], SMALLEST_TEXT_PX, _GREY)
        for line in lines:
            page.paragraph(line)
        page.skip(14)


def _tensors(names):
    more = len(names) - _MOST_TENSORS
    return [*names[:_MOST_TENSORS], *([f"and {more} more"] if more > 0 else [])]


class _Page:
    """A tall canvas that is filled downwards from `y_px` and cut off there at the end."""

    def __init__(self):
        self._image = Image.new("RGB", (WIDTH_PX, _TALLEST_PX), _PAPER)
        self.draw = ImageDraw.Draw(self._image)
        self.y_px = 0

    def skip(self, height_px):
        self.y_px += height_px

    def text(self, at_px, text, size_px, colour, *, anchor="la", bold=False):
        # The font has one weight; an outline makes the other.
        width_px = max(1, size_px // 40) if bold else 0
        self.draw.text(
            at_px,
            _drawable(text),
            colour,
            _font(size_px),
            anchor,
            stroke_width=width_px,
            stroke_fill=colour,
        )

    def lines(self, lines, size_px, colour, *, left_px=_MARGIN_PX, bold=False):
        for line in lines:
            self.text((left_px, self.y_px), line, size_px, colour, bold=bold)
            self.skip(_line_px(size_px))

    def heading(self, text):
        self.skip(48)
        self.lines([text], _VALUE_PX, _INK, bold=True)
        self.skip(8)

    def paragraph(self, text, *, indent_px=0, colour=_INK):
        width_px = WIDTH_PX - 2 * _MARGIN_PX - indent_px
        self.lines(
            self.wrapped(text, _TEXT_PX, width_px), _TEXT_PX, colour, left_px=_MARGIN_PX + indent_px
        )

    def boxed(self, blocks, paper, ink):
        """Blocks of (title, paragraphs) on a coloured ground."""
        inner_px = WIDTH_PX - 2 * _MARGIN_PX - 64
        wrapped = [
            (title, [self.wrapped(text, SMALLEST_TEXT_PX, inner_px) for text in texts])
            for title, texts in blocks
        ]
        count = sum(1 + sum(map(len, paragraphs)) for _, paragraphs in wrapped)
        gaps = sum(len(paragraphs) for _, paragraphs in wrapped)
        height_px = 56 + _line_px(SMALLEST_TEXT_PX) * count + 10 * gaps
        box = (_MARGIN_PX, self.y_px, WIDTH_PX - _MARGIN_PX, self.y_px + height_px)
        self.draw.rounded_rectangle(box, 20, fill=paper)
        self.skip(28)
        for title, paragraphs in wrapped:
            self.lines([title], SMALLEST_TEXT_PX, ink, left_px=_MARGIN_PX + 32, bold=True)
            for lines in paragraphs:
                self.skip(10)
                self.lines(lines, SMALLEST_TEXT_PX, ink, left_px=_MARGIN_PX + 32)
        self.y_px = box[3]

    def wrapped(self, text, size_px, width_px):
        """`text` in lines no wider than `width_px`, broken at spaces where
        there are any, at most a few.
        """
        lines, rest = [], _drawable(text)
        while rest:
            count = self._fitting(rest, size_px, width_px)
            if count < len(rest) and " " in rest[1 : count + 1]:
                count = rest.rindex(" ", 1, count + 1)
            lines.append(rest[:count])
            rest = rest[count:].lstrip()
        return (
            lines
            if len(lines) <= _MOST_LINES
            else [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][:-1] + "…"]
        )

    def _fitting(self, text, size_px, width_px):
        """How many characters of `text` fit, at least one."""
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (
                (middle, high)
                if _font(size_px).getlength(text[:middle]) <= width_px
                else (low, middle - 1)
            )
        return low

    def finished(self):
        return self._image.crop((0, 0, WIDTH_PX, min(_TALLEST_PX, self.y_px + _MARGIN_PX)))


@functools.cache
def _font(size_px):
    return ImageFont.load_default(size_px)


def _line_px(size_px):
    return round(size_px * _LINE_SPACING)


def _drawable(text):
    # Letters lose their accents; half a name is better than question marks.
    letters = (
        letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter)
    )
    return "".join(letter if letter.isascii() or letter in _DRAWABLE else "?" for letter in letters)

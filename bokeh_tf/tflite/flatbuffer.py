"""A strict reader of FlatBuffers from untrusted bytes: a value or a
`ModelFileError`, always in bounded time.

The generated accessors of the schema trust the file: an offset may point before its start, and a
vector may claim four billion elements. Here every read is checked against the file's end. A sound
file shares no vectors, so all of them together hold at most as many elements as the file has bytes;
a file that asks for more is refused, which bounds the time and memory that vectors referring to
each other could cost. Tables, which cost more, are counted too.
"""

import struct

from bokeh_tf.errors import ModelFileError

# No real model comes near; reading this many elements takes seconds.
MAX_ELEMENTS = 5_000_000
# The largest language models have a tenth of this; so many take seconds and some hundred megabytes.
MAX_TABLES = 200_000


class Reader:
    """The bytes of one file and how much of them may still be read.

    Args:
        data: the file's content.
        label: how errors name the file.
    """

    def __init__(self, data, label):
        self.data = data
        self.label = label
        self._elements_left = min(len(data), MAX_ELEMENTS)
        self._tables_left = MAX_TABLES

    def root(self):
        """The file's root table."""
        return Table(self, self.offset(0))

    def error(self, reason):
        """The exception to raise for this file."""
        return ModelFileError(
            f"{self.label}: not a usable .tflite model ({reason}). Use another copy of the file."
        )

    def unpack(self, layout, position):
        """The number with `struct` format `layout` at `position`."""
        if not 0 <= position <= len(self.data) - struct.calcsize(layout):
            raise self.error("it is cut off or damaged: an offset points outside")
        return struct.unpack_from(layout, self.data, position)[0]

    def offset(self, position):
        """Where the relative offset stored at `position` points."""
        return position + self.unpack("<I", position)

    def vector(self, position, element_bytes):
        """(start, count) of the vector that the offset at `position` points to; its
        bytes lie inside the file.
        """
        start = self.offset(position)
        count = self.unpack("<I", start)
        if count * element_bytes > len(self.data) - start - 4:
            raise self.error("it is cut off or damaged: a list runs over its end")
        return start + 4, count

    def charge(self, count):
        """Accounts for reading `count` elements."""
        self._elements_left -= count
        if self._elements_left < 0:
            raise self.error("it is damaged: its lists hold more elements than it has room for")

    def charge_tables(self, count):
        """Accounts for reading `count` tables."""
        self._tables_left -= count
        if self._tables_left < 0:
            raise self.error(f"it holds more than {MAX_TABLES} tables")


class Table:
    """A FlatBuffers table; `slot` is a field's position in the schema's declaration."""

    def __init__(self, reader, position):
        self._reader = reader
        self._position = position
        self._fields = position - reader.unpack("<i", position)
        self._fields_bytes = reader.unpack("<H", self._fields)

    def _field(self, slot):
        """Position of a field's value, or None where the file leaves it at its default."""
        entry_bytes = 4 + 2 * slot
        if entry_bytes + 2 > self._fields_bytes:
            return None
        relative = self._reader.unpack("<H", self._fields + entry_bytes)
        return self._position + relative if relative else None

    def error(self, reason):
        """The exception to raise for this file."""
        return self._reader.error(reason)

    def has(self, slot):
        """Whether the file sets this field."""
        return self._field(slot) is not None

    def number(self, slot, layout, default=0):
        """A scalar field with `struct` format `layout`."""
        position = self._field(slot)
        return default if position is None else self._reader.unpack(layout, position)

    def numbers(self, slot, kind="i"):
        """A vector of numbers, each of `struct`'s `kind`, as a tuple."""
        position = self._field(slot)
        if position is None:
            return ()
        start, count = self._reader.vector(position, struct.calcsize(f"<{kind}"))
        self._reader.charge(count)
        return struct.unpack_from(f"<{count}{kind}", self._reader.data, start)

    def length(self, slot, element_bytes):
        """How many elements a vector has, without reading them."""
        position = self._field(slot)
        return 0 if position is None else self._reader.vector(position, element_bytes)[1]

    def table(self, slot):
        """A table, or None where the file leaves it out."""
        position = self._field(slot)
        if position is None:
            return None
        self._reader.charge_tables(1)
        return Table(self._reader, self._reader.offset(position))

    def tables(self, slot):
        """A vector of tables, as a list."""
        position = self._field(slot)
        if position is None:
            return []
        start, count = self._reader.vector(position, 4)
        self._reader.charge(count)
        self._reader.charge_tables(count)
        return [
            Table(self._reader, self._reader.offset(start + 4 * index)) for index in range(count)
        ]

    def content(self, slot):
        """A vector of bytes, as a view of the file."""
        position = self._field(slot)
        if position is None:
            return memoryview(b"")
        start, count = self._reader.vector(position, 1)
        return memoryview(self._reader.data)[start : start + count]

    def text(self, slot):
        """A string; bytes that are not UTF-8 are replaced."""
        raw = self.content(slot)
        self._reader.charge(len(raw))
        return bytes(raw).decode("utf-8", "replace")

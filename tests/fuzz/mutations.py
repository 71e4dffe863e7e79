"""Ways to damage a `.tflite` file, each a function of its bytes, its structure
and a seeded random source.

The structure is guessed from the bytes alone, without the schema, so that it shares no
assumption with the reader under test: a word is an offset where it leads to something that looks
like a table or a vector.
"""

import random
import struct
from dataclasses import dataclass
from functools import partial

EXTREME_WORDS = tuple(
    struct.pack("<I", word)
    for word in (0, 1, 4, 127, 255, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
)
_MOST_TABLES = 20_000
_MOST_TABLE_BYTES = 1024
# Longer vectors are weights; their values change nothing.
_MOST_NUMBERS = 64


@dataclass(frozen=True)
class Structure:
    """Positions in a file: of offsets, of vectors' lengths, of fields in tables, of
    elements of short vectors.
    """

    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    fields: tuple[int, ...]
    numbers: tuple[int, ...]
    field_tables: tuple[int, ...]


def _word(content, position, layout="<I"):
    return (
        struct.unpack_from(layout, content, position)[0]
        if 0 <= position <= len(content) - 4
        else -1
    )


def _field_table(content, position):
    """Where the list of fields of the table at `position` lies, or None where no table is there."""
    start = position - _word(content, position, "<i")
    if position % 4 or not 0 <= start <= len(content) - 4:
        return None
    list_bytes, table_bytes = struct.unpack_from("<HH", content, start)
    is_one = (
        4 <= list_bytes <= _MOST_TABLE_BYTES
        and list_bytes % 2 == 0
        and 4 <= table_bytes <= _MOST_TABLE_BYTES
    )
    return start if is_one and start + list_bytes <= len(content) else None


def structure_of(content) -> Structure:
    """What a walk from the root finds."""
    offsets, lengths, fields, numbers, field_tables = [0], [], [], [], set()
    pending, seen = [_word(content, 0)], set()
    while pending and len(seen) < _MOST_TABLES:
        table = pending.pop()
        start = _field_table(content, table)
        if start is None or table in seen:
            continue
        seen.add(table)
        field_tables.add(start)
        for entry in range(start + 4, start + _word(content, start) % 65_536, 2):
            relative = struct.unpack_from("<H", content, entry)[0]
            position = table + relative
            if not relative or position > len(content) - 4:
                continue
            fields.append(position)
            target = position + _word(content, position)
            if _field_table(content, target) is not None:
                offsets.append(position)
                pending.append(target)
            elif target % 4 == 0 and 0 < _word(content, target) <= len(content) - target - 4:
                offsets.append(position)
                lengths.append(target)
                tables, elements = _elements(content, target)
                pending += tables
                (offsets if tables else numbers).extend(elements)
    return Structure(
        tuple(offsets), tuple(lengths), tuple(fields), tuple(numbers), tuple(sorted(field_tables))
    )


def _elements(content, vector):
    """(tables that the vector's elements lead to, positions of the elements); no
    tables for a vector of numbers.
    """
    count = _word(content, vector)
    if vector + 4 + 4 * count > len(content):
        return [], []
    positions = range(vector + 4, vector + 4 + 4 * count, 4)
    if _field_table(content, positions[0] + _word(content, positions[0])) is not None:
        return [position + _word(content, position) for position in positions], positions
    return [], positions if count <= _MOST_NUMBERS else []


def _put(content, position, replacement):
    return content[:position] + replacement + content[position + len(replacement) :]


def flip_bits(content, structure, source):
    changed = bytearray(content)
    for _ in range(source.choice((1, 2, 8, 64))):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def flip_bits_of_fields(content, structure, source):
    changed = bytearray(content)
    for position in source.choices(structure.fields or (0,), k=source.choice((1, 4))):
        changed[min(position + source.randrange(4), len(changed) - 1)] ^= 1 << source.randrange(8)
    return bytes(changed)


def truncate(content, structure, source):
    return content[: source.randrange(len(content))]


def zero(content, structure, source):
    start = source.randrange(len(content))
    return _put(content, start, bytes(min(source.choice((4, 64, 4096)), len(content) - start)))


def copy_within(content, structure, source):
    start, place = source.randrange(len(content)), source.randrange(len(content))
    stretch = content[start : start + source.randrange(256)]
    return _put(content, place, stretch[: len(content) - place])


def set_positions(kind, content, structure, source):
    """Sets some fields, lengths or numbers to extremes: huge vectors, indices out
    of range, absurd options.
    """
    positions = getattr(structure, kind)
    for position in source.choices(positions, k=source.choice((1, 1, 3))) if positions else ():
        content = _put(
            content, position, source.choice(EXTREME_WORDS)[: source.choice((1, 2, 4, 4))]
        )
    return content


def swap_numbers(content, structure, source):
    """Indices that stay in range: nodes get each other's tensors, which makes cycles."""
    for _ in range(source.choice((1, 4))):
        if structure.numbers:
            one, other = source.choices(structure.numbers, k=2)
            first, second = content[one : one + 4], content[other : other + 4]
            content = _put(_put(content, one, second), other, first)
    return content


def redirect(content, structure, source):
    """Offsets lead to each other's targets, to themselves, or to a table that holds them."""
    changed = bytearray(content)
    many = source.random() < 0.1
    target_of = source.choice(structure.offsets)
    for position in source.choices(structure.offsets, k=200 if many else source.choice((1, 2))):
        other = target_of if many else source.choice(structure.offsets)
        target = other + _word(content, other) if source.random() < 0.9 else position
        struct.pack_into("<I", changed, position, (target - position) % 2**32)
    return bytes(changed)


def swap_tables(content, structure, source):
    changed = bytearray(content)
    one, other = source.choices(structure.offsets, k=2)
    for position, target in (
        (one, other + _word(content, other)),
        (other, one + _word(content, one)),
    ):
        struct.pack_into("<I", changed, position, (target - position) % 2**32)
    return bytes(changed)


def spoil_field_table(content, structure, source):
    """Fields of a table vanish or lie elsewhere; tables of one form share the
    list, so many change at once.
    """
    start = source.choice(structure.field_tables or (0,))
    replacement = struct.pack("<H", source.choice((0, 4, 5, 6, 8, 12, 20, 65_535)))
    return _put(content, min(start + 2 * source.randrange(8), len(content) - 2), replacement)


MUTATIONS = (
    flip_bits,
    flip_bits_of_fields,
    truncate,
    zero,
    copy_within,
    swap_numbers,
    redirect,
    swap_tables,
    spoil_field_table,
    *(partial(set_positions, kind) for kind in ("fields", "lengths", "numbers")),
)


def splice(content, other, source: random.Random):
    """The head of one file and the tail of another."""
    return content[: source.randrange(len(content))] + other[source.randrange(len(other)) :]


def not_a_model(source: random.Random):
    """Anything but a FlatBuffer, half of them with its identifier."""
    body = source.choice(
        (
            b"",
            b"\x89PNG\r\n\x1a\n" + bytes(40),
            b"PK\x03\x04" * 20,
            b"{}" * 9,
            source.randbytes(500),
        )
    )
    return body if source.random() < 0.5 else body[:4].ljust(4, b"\0") + b"TFL3" + body

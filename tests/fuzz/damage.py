"""What damages a document as bytes, as JSON and as lines, whatever it is a document of."""

import json

DIGITS = 5000
LEVELS = 100_000
HOSTILE_TEXTS = (
    *(
        "",
        "\x1b[2J\x07",
        "</script><script>",
        "[red]x[/]",
        "a\nb",
        "\u202e",
        "\ud800",
        "|`*_",
        "=1+1",
        "n" * 20_000,
    ),
    *("../../etc/passwd", "/dev/zero", "NaN", "2025-01-02T03:04:05Z"),
)
HUGE_NUMBERS = (
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
    1e308,
    -1e308,
    5e-324,
    0,
    -1,
    1.5,
    1e999,
    float("nan"),
)
# Stand for what `json.dumps` cannot write.
_DIGITS_MARK, _DEEP_MARK = "\u0001digits", "\u0001deep"


def damaged_bytes(content, source):
    changed = bytearray(content or b"\0")
    kind = source.randrange(5)
    start = source.randrange(len(changed))
    if kind == 0:
        del changed[start:]
    elif kind == 1:
        for _ in range(source.choice((1, 4, 32))):
            changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    elif kind == 2:
        changed[start : start + source.choice((1, 16, 256))] = bytes(source.choice((1, 64)))
    elif kind == 3:
        changed[start:start] = source.choice(
            (b"\xef\xbb\xbf", b"\xff\xfe", b"\n\n", b"{", b"\0", b"1e999", b"//")
        )
    else:
        changed = changed * source.choice((2, 3))
    return bytes(changed)


# JSON.


def damaged_json(content, source):
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        # An earlier change made it no document.
        return content
    for _ in range(source.choice((1, 1, 2, 4))):
        document = _changed(document, source)
    return _written(document, source)


def _changed(document, source):
    """`document` with a change at one place in it, mostly far inside."""
    holders = list(_holders(document))
    if not holders or source.random() < 0.03:
        return _junk(source)
    holder = source.choice(holders)
    key = source.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = source.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = _of_another_type(holder[key], source)
    elif kind == 2 and isinstance(holder, list):
        holder[:] = holder * source.choice((0, 2, 30))
    elif kind == 3:
        holder[key] = source.choice(HUGE_NUMBERS)
    elif kind == 4:
        holder[key] = source.choice(list(_holders(document)) or [None])
        return json.loads(json.dumps(document)) if _is_a_tree(document) else _junk(source)
    else:
        holder[key] = _junk(source)
    return document


def _holders(value):
    """The lists and objects in a document that are not empty."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list) and value:
            yield value
            waiting += value.values() if isinstance(value, dict) else value


def _is_a_tree(document):
    try:
        json.dumps(document)
    except (ValueError, RecursionError):
        return False
    return True


def _of_another_type(value, source):
    others = {
        str: [1, None, ["a"]],
        int: ["1", 1.5, True, [1]],
        float: ["0.5", 1, None],
        bool: [1, "true", None],
    }
    return source.choice(others.get(type(value), [{}, [], "a", 0, None, [[]], {"a": {}}]))


def _junk(source):
    return source.choice(
        (*HOSTILE_TEXTS, *HUGE_NUMBERS, _DIGITS_MARK, _DEEP_MARK, None, [], {}, [None] * 100)
    )


def _written(document, source):
    text = json.dumps(document, ensure_ascii=source.random() < 0.5)
    for mark, meant in ((_DIGITS_MARK, "9" * DIGITS), (_DEEP_MARK, "[" * LEVELS + "]" * LEVELS)):
        text = text.replace(json.dumps(mark), meant).replace(
            json.dumps(mark, ensure_ascii=False), meant
        )
    if source.random() < 0.15 and '": ' in text:
        places = [at for at in range(len(text)) if text.startswith('": ', at)]
        at = source.choice(places)
        name = text[text.rindex('"', 0, at) : at]
        text = f"{text[: at + 3]}{source.choice(('0', 'null', '[]'))}, {name}{text[at:]}"
    return text.encode("utf-8", "surrogatepass")


def damaged_lines(content, source):
    lines = content.split(b"\n")
    for _ in range(source.choice((1, 2, 3))):
        at = source.randrange(len(lines))
        kind = source.randrange(4)
        if kind == 0:
            lines.insert(at, source.choice(lines))
        elif kind == 1:
            del lines[at]
            lines = lines or [b""]
        else:
            lines[at] = damaged_json(lines[at], source)
    return b"\n".join(lines)

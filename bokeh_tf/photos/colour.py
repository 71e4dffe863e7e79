"""ICC profiles for colour spaces that a file names by numbers: PNG's gAMA and cHRM, and
code points (ITU-T H.273).

Every format can hold a profile; the numbers only their own.
"""

import struct

import numpy as np

# Chromaticities x, y of red, green, blue and white by H.273 code point.
_D65 = (0.3127, 0.3290)
_PRIMARIES = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351)),
    12: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), _D65),
}
# How encoded values become light: a power g, or g, a, b, c, d of (a x + b)^g
# from d on and c x below.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES = {
    **dict.fromkeys((1, 6, 14, 15), _BT709_CURVE),
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
    13: _SRGB_CURVE,
}
_UNSPECIFIED = 2
_HDR_CURVES = {16: "PQ", 18: "HLG"}
# PNG stores these two for sRGB, after rounding.
_SRGB_GAMMA = 0.45455
_ROUNDING = 0.001
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def profile_of_code_points(primaries, transfer, *, grey=False):
    """The ICC profile of H.273 code points: empty for sRGB, None where a
    profile cannot say it (HDR).
    """
    primaries = 1 if primaries == _UNSPECIFIED else primaries
    transfer = 13 if transfer == _UNSPECIFIED else transfer
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    if (primaries, transfer) == (1, 13):
        return b""
    return _profile(_PRIMARIES[primaries], _CURVES[transfer], grey)


def name_of_transfer(transfer):
    """What people call the transfer function of the code point `transfer`."""
    return _HDR_CURVES.get(transfer, f"transfer function {transfer}")


def profile_of_gamma(gamma, chromaticities, *, grey=False):
    """The ICC profile of PNG's `gamma` (encoding, 0.45455 for sRGB) and
    `chromaticities`, either of them None.

    Args:
        gamma: the exponent from light to value.
        chromaticities: x and y of white, red, green and blue, as PNG orders them.
        grey: whether the picture is grey.

    Returns:
        The profile; empty for sRGB and for numbers that are none of a colour space.
    """
    white, red, green, blue = chromaticities or (_D65, *_PRIMARIES[1][:3])
    is_srgb_curve = gamma is None or abs(gamma - _SRGB_GAMMA) < _ROUNDING
    primaries = (red, green, blue, white)
    if is_srgb_curve and np.allclose(primaries, _PRIMARIES[1], rtol=0, atol=_ROUNDING):
        return b""
    curve = _SRGB_CURVE if is_srgb_curve else (1 / gamma,)
    try:
        return _profile(primaries, curve, grey)
    except (np.linalg.LinAlgError, ArithmeticError, struct.error):
        return b""


def _profile(primaries, curve, grey):
    """A display profile, version 4.3: three colorants adapted to D50 and one curve, or
    the curve alone for greys.
    """
    with np.errstate(all="raise"):
        *colours, white = (np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in primaries)
        adaptation = _adaptation(white)
        matrix = np.stack(colours, axis=1)
        colorants = adaptation @ (matrix * np.linalg.solve(matrix, white))
    tags = {
        b"desc": _text("bokeh-tf: " + ("grey" if grey else "RGB") + " as the file's numbers say"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(_D50),
        b"chad": b"sf32" + bytes(4) + _fixed(adaptation.ravel()),
    }
    if grey:
        tags[b"kTRC"] = _curve(curve)
    else:
        tags |= {
            name: _xyz(column)
            for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants.T, strict=True)
        }
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve))
    return _packed(tags, b"GRAY" if grey else b"RGB ")


def _adaptation(white):
    """The matrix that turns XYZ under `white` into XYZ under D50 (Bradford)."""
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.linalg.solve(_BRADFORD, scale[:, None] * _BRADFORD)


def _packed(tags, colour_space):
    table_bytes = 128 + 4 + 12 * len(tags)
    table, body, offsets = b"", b"", {}
    for name, content in tags.items():
        if content not in offsets:
            offsets[content] = table_bytes + len(body)
            body += content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", offsets[content], len(content))
    header = struct.pack(
        ">I4sI4s4s4s", table_bytes + len(body), bytes(4), 0x04300000, b"mntr", colour_space, b"XYZ "
    )
    # A date, the signature, and nothing about platform, flags, maker and intent.
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(_D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _text(text):
    encoded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(encoded), 28) + encoded


def _xyz(values):
    return b"XYZ " + bytes(4) + _fixed(values)


def _curve(curve):
    kind = 0 if len(curve) == 1 else 3
    return b"para" + struct.pack(">4xHxx", kind) + _fixed(curve)


def _fixed(values):
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)

"""Kotlin for Android, with LiteRT's `CompiledModel`."""

from bokeh_tf.apps.target import Target, indented

# By the array's type: how TensorBuffer calls writing and reading it.
_CALLS = {
    "FloatArray": "Float",
    "IntArray": "Int",
    "LongArray": "Long",
    "ByteArray": "Int8",
    "BooleanArray": "Boolean",
}
_TYPES = {
    "float32": "FloatArray",
    "int32": "IntArray",
    "int64": "LongArray",
    "int8": "ByteArray",
    "uint8": "ByteArray",
    "bool": "BooleanArray",
}


def _lines(facts):
    inputs = [(port.camel, _TYPES[port.dtype], port) for port in facts.inputs]
    outputs = [(port.camel, _TYPES[port.dtype], port) for port in facts.outputs]
    checks = [
        f'require({name}.size == {port.size}) {{ "{name}: {port.size} values" }}'
        for name, _, port in inputs
    ]
    writes = [
        f"inputs[{number}].write{_CALLS[kind]}({name})"
        for number, (name, kind, _) in enumerate(inputs)
    ]
    reads = [
        f"outputs[{number}].read{_CALLS[kind]}()" for number, (_, kind, _) in enumerate(outputs)
    ]
    return {
        "fields": indented([f"val {name}: {kind}" for name, kind, _ in outputs], 4, end=","),
        "parameters": ", ".join(f"{name}: {kind}" for name, kind, _ in inputs),
        "fills": indented([*checks, *writes], 8),
        "reads": indented(reads, 12, end=","),
        **_of_render(facts),
    }


def _of_render(facts):
    """Of the function that takes a photo, whose other input may say where to focus."""
    if facts.photo is None or facts.picture is None:
        return {}
    given = {facts.photo.camel: "values"}
    if facts.focus is not None:
        given[facts.focus.camel] = "floatArrayOf(row, column, aperture, 0f)"
    return {
        "focus": ", row: Float = -1f, column: Float = -1f, aperture: Float = -1f"
        if facts.focus
        else "",
        "arguments": ", ".join(given[port.camel] for port in facts.inputs),
        "picture": facts.picture.camel,
    }


TARGET = Target(
    name="android-kotlin",
    title="LiteRT's CompiledModel in Kotlin",
    types=_TYPES,
    always=("GpuModel.kt", "README.md"),
    for_photos=("Photos.kt",),
    lines=_lines,
    tried="Not compiled by us: written after the published interface of LiteRT 2.3.",
)

"""Java for Android, with the classic TFLite interpreter and its GPU delegate."""

from bokeh_tf.apps.target import Target, indented

_TYPES = {
    "float32": "float[]",
    "int32": "int[]",
    "int64": "long[]",
    "int8": "byte[]",
    "uint8": "byte[]",
}
_VIEWS = {
    "float[]": "asFloatBuffer()",
    "int[]": "asIntBuffer()",
    "long[]": "asLongBuffer()",
    "byte[]": "duplicate()",
}
_BYTES = {"float32": 4, "int32": 4, "int64": 8, "int8": 1, "uint8": 1}


def _lines(facts):
    inputs = [(port.camel, _TYPES[port.dtype]) for port in facts.inputs]
    outputs = [(port.camel, _TYPES[port.dtype]) for port in facts.outputs]
    writes = []
    for number, (port, (name, kind)) in enumerate(zip(facts.inputs, inputs, strict=True)):
        writes += [
            f"if ({name}.length != {port.size}) {{",
            f'    throw new IllegalArgumentException("{name}: {port.size} values");',
            "}",
            f"inputs[{number}].rewind();",
            f"inputs[{number}].{_VIEWS[kind]}.put({name});",
        ]
    reads = []
    for number, (port, (name, kind)) in enumerate(zip(facts.outputs, outputs, strict=True)):
        made = kind.replace("[]", f"[{port.size}]")
        reads += [
            f"found.{name} = new {made};",
            f"outputs[{number}].rewind();",
            f"outputs[{number}].{_VIEWS[kind]}.get(found.{name});",
        ]
    return {
        "fields": indented([f"public {kind} {name};" for name, kind in outputs], 8),
        "parameters": ", ".join(f"{kind} {name}" for name, kind in inputs),
        "input_buffers": ", ".join(
            f"buffer({_BYTES[port.dtype] * port.size})" for port in facts.inputs
        ),
        "output_buffers": ", ".join(
            f"buffer({_BYTES[port.dtype] * port.size})" for port in facts.outputs
        ),
        "writes": indented(writes, 8),
        "reads": indented(reads, 8),
        **_of_render(facts),
    }


def _of_render(facts):
    """Of the method that takes a photo, whose other input may say where to focus."""
    if facts.photo is None or facts.picture is None:
        return {}
    given = {facts.photo.camel: "values"}
    if facts.focus is not None:
        given[facts.focus.camel] = "new float[] {row, column, aperture, 0f}"
    return {
        "focus": ", float row, float column, float aperture" if facts.focus else "",
        "arguments": ", ".join(given[port.camel] for port in facts.inputs),
        "picture": facts.picture.camel,
    }


TARGET = Target(
    name="android-java",
    title="TensorFlow Lite's interpreter in Java",
    types=_TYPES,
    always=("GpuModel.java", "README.md"),
    for_photos=("Photos.java",),
    lines=_lines,
    tried="Compiled by our tests against stubs of the published interface, not run on a phone.",
)

"""Swift for iOS, with the classic TFLite interpreter and its Metal delegate."""

from bokeh_tf.apps.target import Target, indented

_TYPES = {
    "float32": "Float",
    "int32": "Int32",
    "int64": "Int64",
    "int8": "Int8",
    "uint8": "UInt8",
}


def _lines(facts):
    inputs = [(port.camel, _TYPES[port.dtype], port) for port in facts.inputs]
    outputs = [(port.camel, _TYPES[port.dtype]) for port in facts.outputs]
    writes = []
    for number, (name, _, port) in enumerate(inputs):
        writes += [
            f'precondition({name}.count == {port.size}, "{name}: {port.size} values")',
            f"try interpreter.copy({name}.withUnsafeBytes {{ Data($0) }}, toInputAt: {number})",
        ]
    reads = [f"{name}: try values(at: {number})" for number, (name, _) in enumerate(outputs)]
    return {
        "fields": indented([f"let {name}: [{kind}]" for name, kind in outputs], 4),
        "parameters": ", ".join(f"{name}: [{kind}]" for name, kind, _ in inputs),
        "writes": indented(writes, 8),
        "reads": indented(reads, 12, end=","),
    }


TARGET = Target(
    name="swift",
    title="TensorFlow Lite in Swift",
    types=_TYPES,
    always=("GpuModel.swift", "README.md"),
    for_photos=(),
    lines=_lines,
    tried="Not compiled by us: written after the published interface of TensorFlowLiteSwift 2.14.",
)

"""Operator options and graph queries, against the accessors that the
schema's own compiler generates.
"""

import re
import struct
import time

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite import flatbuffer
from bokeh_tf.tflite.inspection import inspect
from tests.model_writer import FileWriter

Builtin = schema.BuiltinOperator
OPERATORS = {name: value for name, value in vars(Builtin).items() if isinstance(value, int)}
UNIONS = (schema.BuiltinOptions, schema.BuiltinOptions2)
TABLES = [
    name
    for union in UNIONS
    for name, value in vars(union).items()
    if isinstance(value, int) and value
]
# Operators whose options are not called as they are, from the runtime's parser of each.
SHARED_TABLES = {
    "Pool2D": "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D",
    "L2Norm": "L2_NORMALIZATION",
    "Reducer": "MEAN SUM REDUCE_PROD REDUCE_MAX REDUCE_MIN REDUCE_ANY REDUCE_ALL",
    "Random": "MULTINOMIAL RANDOM_STANDARD_NORMAL RANDOM_UNIFORM",
    "SequenceRNN": "UNIDIRECTIONAL_SEQUENCE_RNN",
    "Conv3D": "CONV_3D CONV_3D_TRANSPOSE",
}
# Reading takes milliseconds, or seconds of a file that is refused; this leaves
# room for a busy machine.
MAX_SECONDS = 10.0


def squeezed(name):
    return name.replace("_", "").lower()


def operators_of(table):
    """Names of the operators that carry a table of options."""
    stem = table.removesuffix("Options")
    if stem in SHARED_TABLES:
        return SHARED_TABLES[stem].split()
    return [name for name in OPERATORS if squeezed(name) == stem.lower()]


def snake_case(accessor):
    """`DilationWFactor` -> `dilation_w_factor`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", accessor).lower()
    return "fused_activation" if name == "fused_activation_function" else name


def accessors_of(table):
    """Names of a table's fields as its generated class has them."""
    names = [name for name, value in vars(getattr(schema, table)).items() if callable(value)]
    endings = ("Length", "AsNumpy", "IsNone")
    return [
        name
        for name in names
        if not name.startswith(("_", "GetRootAs", table))
        and not name.endswith(endings)
        and name != "Init"
    ]


def with_distinct_values(table):
    """Options with no field at its default, and no two numbers alike."""
    options = getattr(schema, table + "T")()
    generated = getattr(schema, table)
    for number, accessor in enumerate(accessors_of(table), start=1):
        field = accessor[0].lower() + accessor[1:]
        default = getattr(options, field)
        if hasattr(generated, accessor + "Length"):
            bools = accessor == "WindowReversal"
            value = [True, False, True] if bools else [number, 7, number + 3]
        elif isinstance(default, bool):
            value = not default
        elif isinstance(default, float):
            value = number + 0.25
        elif default is None:
            value = f"größe {number}"
        else:
            value = number if number != default else number + 1
        setattr(options, field, value)
    return options


def written(operator, options):
    writer = FileWriter()
    writer.tensor("image", [1, 4, 6, 3])
    writer.operator(OPERATORS[operator], [0, 0, 0], [0], options=options)
    return writer.finish()


def read_by_generated_code(content, table):
    """The options of the only node as the generated accessors read them."""
    node = schema.Model.GetRootAs(content).Subgraphs(0).Operators(0)
    carried = (
        node.BuiltinOptions() if hasattr(schema.BuiltinOptions, table) else node.BuiltinOptions2()
    )
    options = getattr(schema, table)()
    options.Init(carried.Bytes, carried.Pos)
    values = {}
    for accessor in accessors_of(table):
        read, length = getattr(options, accessor), getattr(options, accessor + "Length", None)
        value = tuple(read(index) for index in range(length())) if length else read()
        values[snake_case(accessor)] = value.decode() if isinstance(value, bytes) else value
    return values


CARRIED = [(table, operator) for table in TABLES for operator in operators_of(table)]


def test_every_table_of_the_schema_has_its_operator():
    """All but one shared by two operators, which has no fields."""
    assert [table for table in TABLES if not operators_of(table)] == ["MaximumMinimumOptions"]
    assert accessors_of("MaximumMinimumOptions") == []


@pytest.mark.parametrize(("table", "operator"), CARRIED)
def test_options_agree_with_the_generated_accessors(table, operator):
    content = written(operator, with_distinct_values(table))
    expected = read_by_generated_code(content, table)
    read = dict(inspect(content).operators[0].options)
    assert list(read) == list(expected)
    for name, value in expected.items():
        if isinstance(read[name], str) and not isinstance(value, str):
            read[name] = number_of(read[name])[value]
    assert read == expected


def number_of(name):
    """The number behind the name of an enumeration's value, by itself: {number:
    number} of all that bear it.
    """
    if name.startswith("UNKNOWN_"):
        number = int(name.removeprefix("UNKNOWN_"))
        return {number: number}
    kinds = [kind for kind in vars(schema).values() if isinstance(kind, type)]
    return {
        vars(kind)[name]: vars(kind)[name]
        for kind in kinds
        if isinstance(vars(kind).get(name), int)
    }


@pytest.mark.parametrize(("table", "operator"), CARRIED)
def test_fields_left_out_have_the_schema_s_defaults(table, operator):
    options = getattr(schema, table + "T")()
    present = dict(inspect(written(operator, options)).operators[0].options)
    assert present == dict(inspect(written(operator, None)).operators[0].options)
    for accessor in accessors_of(table):
        default, read = (
            getattr(options, accessor[0].lower() + accessor[1:]),
            present[snake_case(accessor)],
        )
        if isinstance(read, str) and default is not None:
            assert default in number_of(read)
        else:
            assert read == (default if default is not None else type(read)())


def test_enumerations_are_given_by_name():
    options = schema.Conv2DOptionsT()
    options.padding, options.strideW, options.strideH = schema.Padding.VALID, 3, 2
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    read = inspect(written("CUSTOM", None)).operators[0].options
    assert read == {}
    read = one_convolution(options).operators[0].options
    assert {
        name: read[name] for name in ("padding", "stride_h", "stride_w", "fused_activation")
    } == {
        "padding": "VALID",
        "stride_h": 2,
        "stride_w": 3,
        "fused_activation": "RELU6",
    }
    options.padding = 9
    assert one_convolution(options).operators[0].options["padding"] == "UNKNOWN_9"


def one_convolution(options):
    writer = FileWriter()
    image = writer.tensor("image", [1, 8, 12, 3])
    kernel = writer.tensor("kernel", [5, 3, 3, 3], constant=True)
    output = writer.tensor("output", [1, 4, 4, 5])
    writer.operator(Builtin.CONV_2D, [image, kernel], [output], options=options)
    return inspect(writer.finish())


def test_another_operator_s_options_are_refused():
    with pytest.raises(
        ModelFileError, match="SOFTMAX carries options of type 1, not SoftmaxOptions"
    ):
        inspect(written("SOFTMAX", schema.Conv2DOptionsT()))


def test_options_that_point_outside_or_back_are_refused_or_read():
    """Every four-byte place of a file with options set to extremes: a report
    or one line, never worse.
    """
    sound = written("RESHAPE", with_distinct_values("ReshapeOptions"))
    refused = 0
    for place in range(0, len(sound) - 4, 4):
        for extreme in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0"):
            try:
                inspect(sound[:place] + extreme + sound[place + 4 :])
            except ModelFileError as error:
                refused += 1
                assert "\n" not in str(error)
    assert refused > len(sound) / 8


def test_hundreds_of_thousands_of_tables_are_refused_in_bounded_time():
    """A vector whose entries all point to one and the same table."""
    content = bytearray(8_000_000)
    count = 1_500_000
    struct.pack_into("<HHH", content, 80, 6, 8, 4)
    struct.pack_into("<iI", content, 100, 20, 900)
    struct.pack_into("<I", content, 1004, count)
    entries = 1008 + 4 * np.arange(count)
    content[1008 : 1008 + 4 * count] = ((100 - entries) & 0xFFFFFFFF).astype("<u4").tobytes()
    started = time.process_time()
    with pytest.raises(ModelFileError, match="more than 200000 tables"):
        flatbuffer.Table(flatbuffer.Reader(bytes(content), "crafted"), 100).tables(0)
    assert time.process_time() - started < MAX_SECONDS

"""The names of the schema that files are read by, against the schema's own generated code."""

import pytest
from ai_edge_litert import schema_py_generated

from bokeh_tf.tflite import schema


@pytest.mark.parametrize("enumeration", sorted(schema._ENUMERATIONS))
def test_names_and_numbers_are_the_schema_s(enumeration):
    official = vars(getattr(schema_py_generated, enumeration)).items()
    official = {name: number for name, number in official if isinstance(number, int)}
    known = schema.numbers_of(enumeration)
    # A newer schema may have more of them; none may mean something else.
    assert {name: official[name] for name in known} == known
    assert known and schema.names_of(enumeration)[min(known.values())] in known

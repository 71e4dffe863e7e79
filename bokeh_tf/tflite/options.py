"""The options of an operator, read by the field names that the TFLite schema gives them.

A row of `_ROWS` is one table of the schema: its name, the operators that carry it, and its
fields in the order of their declaration, each `name:type` or `name:type=default`. `-` is a
field that the schema has withdrawn. A type is one of `_SCALARS` or `_LISTS`, `text`, or an
enumeration of the schema, whose value is given by its name, such as "SAME". An operator that is
in no row has no options.
"""

from dataclasses import dataclass
from enum import Enum

from bokeh_tf.tflite.schema import names_of, numbers_of

Option = int | float | bool | str | tuple

_SCALARS: dict[str, tuple[str, type]] = {
    "int": ("<i", int),
    "int64": ("<q", int),
    "uint32": ("<I", int),
    "float": ("<f", float),
    "bool": ("<B", bool),
}
# As `struct` writes them.
_LISTS = {"ints": "i", "int64s": "q", "uint32s": "I", "floats": "f", "bools": "?", "bytes": "B"}
# Enumerations are one byte but for these.
_WIDE_ENUMERATIONS = {
    "ReduceWindowFunction": "<i",
    "StablehloComparisonDirection": "<I",
    "StablehloComparisonType": "<I",
}

_ACTIVATION = "fused_activation:ActivationFunctionType"
_STRIDES = "padding:Padding stride_w:int stride_h:int"
_WHOLE_INPUTS = "asymmetric_quantize_inputs:bool"
_BIAS = "quantized_bias_type:TensorType"

_ROWS = (
    (
        "Conv2DOptions",
        "CONV_2D",
        f"{_STRIDES} {_ACTIVATION} dilation_w_factor:int=1 dilation_h_factor:int=1 {_BIAS}",
    ),
    (
        "DepthwiseConv2DOptions",
        "DEPTHWISE_CONV_2D",
        f"{_STRIDES} depth_multiplier:int {_ACTIVATION} dilation_w_factor:int=1"
        " dilation_h_factor:int=1",
    ),
    (
        "Conv3DOptions",
        "CONV_3D CONV_3D_TRANSPOSE",
        f"padding:Padding stride_d:int stride_w:int stride_h:int {_ACTIVATION}"
        " dilation_d_factor:int=1"
        " dilation_w_factor:int=1 dilation_h_factor:int=1",
    ),
    ("TransposeConvOptions", "TRANSPOSE_CONV", f"{_STRIDES} {_ACTIVATION} {_BIAS}"),
    (
        "Pool2DOptions",
        "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D",
        f"{_STRIDES} filter_width:int filter_height:int {_ACTIVATION}",
    ),
    (
        "FullyConnectedOptions",
        "FULLY_CONNECTED",
        f"{_ACTIVATION} weights_format:FullyConnectedOptionsWeightsFormat keep_num_dims:bool"
        f" {_WHOLE_INPUTS} {_BIAS}"
        " quant_spec:bytes",
    ),
    ("BatchMatMulOptions", "BATCH_MATMUL", f"adj_x:bool adj_y:bool {_WHOLE_INPUTS}"),
    ("AddOptions", "ADD", f"{_ACTIVATION} pot_scale_int16:bool=1"),
    ("SubOptions", "SUB", f"{_ACTIVATION} pot_scale_int16:bool=1"),
    ("MulOptions", "MUL", _ACTIVATION),
    ("DivOptions", "DIV", _ACTIVATION),
    ("L2NormOptions", "L2_NORMALIZATION", _ACTIVATION),
    (
        "LocalResponseNormalizationOptions",
        "LOCAL_RESPONSE_NORMALIZATION",
        "radius:int bias:float alpha:float beta:float",
    ),
    ("SoftmaxOptions", "SOFTMAX", "beta:float"),
    ("LeakyReluOptions", "LEAKY_RELU", "alpha:float"),
    ("GeluOptions", "GELU", "approximate:bool"),
    ("ConcatenationOptions", "CONCATENATION", f"axis:int {_ACTIVATION}"),
    ("PackOptions", "PACK", "values_count:int axis:int"),
    ("UnpackOptions", "UNPACK", "num:int axis:int"),
    ("SplitOptions", "SPLIT", "num_splits:int"),
    ("SplitVOptions", "SPLIT_V", "num_splits:int"),
    ("GatherOptions", "GATHER", "axis:int batch_dims:int"),
    ("OneHotOptions", "ONE_HOT", "axis:int"),
    ("ReshapeOptions", "RESHAPE", "new_shape:ints"),
    ("SqueezeOptions", "SQUEEZE", "squeeze_dims:ints"),
    ("ShapeOptions", "SHAPE", "out_type:TensorType"),
    (
        "StridedSliceOptions",
        "STRIDED_SLICE",
        "begin_mask:int end_mask:int ellipsis_mask:int new_axis_mask:int shrink_axis_mask:int"
        " offset:bool",
    ),
    ("ReverseSequenceOptions", "REVERSE_SEQUENCE", "seq_dim:int batch_dim:int"),
    ("MirrorPadOptions", "MIRROR_PAD", "mode:MirrorPadMode"),
    ("ResizeBilinearOptions", "RESIZE_BILINEAR", "- - align_corners:bool half_pixel_centers:bool"),
    (
        "ResizeNearestNeighborOptions",
        "RESIZE_NEAREST_NEIGHBOR",
        "align_corners:bool half_pixel_centers:bool",
    ),
    ("SpaceToDepthOptions", "SPACE_TO_DEPTH", "block_size:int"),
    ("DepthToSpaceOptions", "DEPTH_TO_SPACE", "block_size:int"),
    (
        "ReducerOptions",
        "MEAN SUM REDUCE_PROD REDUCE_MAX REDUCE_MIN REDUCE_ANY REDUCE_ALL",
        "keep_dims:bool",
    ),
    ("CumsumOptions", "CUMSUM", "exclusive:bool reverse:bool"),
    ("ArgMaxOptions", "ARG_MAX", "output_type:TensorType"),
    ("ArgMinOptions", "ARG_MIN", "output_type:TensorType"),
    ("CastOptions", "CAST", "in_data_type:TensorType out_data_type:TensorType"),
    ("FakeQuantOptions", "FAKE_QUANT", "min:float max:float num_bits:int narrow_range:bool"),
    ("UniqueOptions", "UNIQUE", "idx_out_type:TensorType=2"),
    ("SparseToDenseOptions", "SPARSE_TO_DENSE", "validate_indices:bool"),
    ("BucketizeOptions", "BUCKETIZE", "boundaries:floats"),
    (
        "RandomOptions",
        "MULTINOMIAL RANDOM_STANDARD_NORMAL RANDOM_UNIFORM",
        "seed:int64 seed2:int64",
    ),
    (
        "LSTMOptions",
        "LSTM",
        f"{_ACTIVATION} cell_clip:float proj_clip:float kernel_type:LSTMKernelType {_WHOLE_INPUTS}",
    ),
    (
        "UnidirectionalSequenceLSTMOptions",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        f"{_ACTIVATION} cell_clip:float proj_clip:float time_major:bool {_WHOLE_INPUTS}"
        " diagonal_recurrent_tensors:bool",
    ),
    (
        "BidirectionalSequenceLSTMOptions",
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        f"{_ACTIVATION} cell_clip:float proj_clip:float merge_outputs:bool time_major:bool=1"
        f" {_WHOLE_INPUTS}",
    ),
    ("RNNOptions", "RNN", f"{_ACTIVATION} {_WHOLE_INPUTS}"),
    (
        "SequenceRNNOptions",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        f"time_major:bool {_ACTIVATION} {_WHOLE_INPUTS}",
    ),
    (
        "BidirectionalSequenceRNNOptions",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        f"time_major:bool {_ACTIVATION} merge_outputs:bool {_WHOLE_INPUTS}",
    ),
    ("SVDFOptions", "SVDF", f"rank:int {_ACTIVATION} {_WHOLE_INPUTS}"),
    (
        "ConcatEmbeddingsOptions",
        "CONCAT_EMBEDDINGS",
        "num_channels:int num_columns_per_channel:ints embedding_dim_per_channel:ints",
    ),
    ("EmbeddingLookupSparseOptions", "EMBEDDING_LOOKUP_SPARSE", "combiner:CombinerType"),
    ("LSHProjectionOptions", "LSH_PROJECTION", "type:LSHProjectionType"),
    ("SkipGramOptions", "SKIP_GRAM", "ngram_size:int max_skip_size:int include_all_ngrams:bool"),
    ("CallOptions", "CALL", "subgraph:uint32"),
    ("CallOnceOptions", "CALL_ONCE", "init_subgraph_index:int"),
    ("IfOptions", "IF", "then_subgraph_index:int else_subgraph_index:int"),
    ("WhileOptions", "WHILE", "cond_subgraph_index:int body_subgraph_index:int"),
    ("HashtableOptions", "HASHTABLE", "table_id:int key_dtype:TensorType value_dtype:TensorType"),
    ("VarHandleOptions", "VAR_HANDLE", "container:text shared_name:text"),
    ("ReduceWindowOptions", "REDUCE_WINDOW", "reduce_function:ReduceWindowFunction"),
    (
        "StableHLOCompositeOptions",
        "STABLEHLO_COMPOSITE",
        "name:text decomposition_subgraph_index:int composite_attributes:bytes"
        " composite_attributes_format:CustomOptionsFormat version:int",
    ),
    ("StablehloBroadcastInDimOptions", "STABLEHLO_BROADCAST_IN_DIM", "broadcast_dimensions:int64s"),
    ("StablehloCaseOptions", "STABLEHLO_CASE", "branch_subgraph_indices:ints"),
    (
        "StablehloCompareOptions",
        "STABLEHLO_COMPARE",
        "comparison_direction:StablehloComparisonDirection compare_type:StablehloComparisonType",
    ),
    ("StablehloConcatenateOptions", "STABLEHLO_CONCATENATE", "dimension:int64"),
    (
        "StablehloConvolutionOptions",
        "STABLEHLO_CONVOLUTION",
        "window_strides:int64s padding:int64s lhs_dilation:int64s rhs_dilation:int64s"
        " window_reversal:bools"
        " input_batch_dimension:int64 input_feature_dimension:int64 input_spatial_dimensions:int64s"
        " kernel_input_feature_dimension:int64 kernel_output_feature_dimension:int64"
        " kernel_spatial_dimensions:int64s output_batch_dimension:int64"
        " output_feature_dimension:int64"
        " output_spatial_dimensions:int64s feature_group_count:int64 batch_group_count:int64"
        " precision_config:uint32s",
    ),
    (
        "StablehloCustomCallOptions",
        "STABLEHLO_CUSTOM_CALL",
        "call_target_name:text has_side_effect:bool backend_config:text api_version:int"
        " called_computations:ints"
        " custom_attributes:bytes",
    ),
    (
        "StablehloDotGeneralOptions",
        "STABLEHLO_DOT_GENERAL",
        "lhs_batching_dimensions:int64s rhs_batching_dimensions:int64s"
        " lhs_contracting_dimensions:int64s"
        " rhs_contracting_dimensions:int64s precision_config:uint32s",
    ),
    ("StablehloDynamicSliceOptions", "STABLEHLO_DYNAMIC_SLICE", "slice_sizes:int64s"),
    (
        "StablehloGatherOptions",
        "STABLEHLO_GATHER",
        "offset_dims:int64s collapsed_slice_dims:int64s start_index_map:int64s"
        " index_vector_dim:int64"
        " slice_sizes:int64s indices_are_sorted:bool",
    ),
    ("StablehloIotaOptions", "STABLEHLO_IOTA", "iota_dimension:int64"),
    (
        "StablehloPadOptions",
        "STABLEHLO_PAD",
        "edge_padding_low:int64s edge_padding_high:int64s interior_padding:int64s",
    ),
    ("StablehloReduceOptions", "STABLEHLO_REDUCE", "dimensions:int64s body_subgraph_index:int"),
    (
        "StablehloReduceWindowOptions",
        "STABLEHLO_REDUCE_WINDOW",
        "window_dimensions:int64s window_strides:int64s base_dilations:int64s"
        " window_dilations:int64s padding:int64s"
        " body_subgraph_index:int",
    ),
    ("StablehloRngBitGeneratorOptions", "STABLEHLO_RNG_BIT_GENERATOR", "algorithm:RngAlgorithm"),
    (
        "StablehloScatterOptions",
        "STABLEHLO_SCATTER",
        "indices_are_sorted:bool update_window_dims:int64s inserted_window_dims:int64s"
        " scatter_dims_to_operand_dims:int64s index_vector_dim:int64 unique_indices:bool"
        " update_computation_subgraph_index:int",
    ),
    (
        "StablehloSliceOptions",
        "STABLEHLO_SLICE",
        "start_indices:int64s limit_indices:int64s strides:int64s",
    ),
    (
        "StablehloSortOptions",
        "STABLEHLO_SORT",
        "dimension:int64 is_stable:bool comparator_subgraph_index:int",
    ),
    ("StablehloTransposeOptions", "STABLEHLO_TRANSPOSE", "permutation:int64s"),
    ("StablehloWhileOptions", "STABLEHLO_WHILE", "cond_subgraph_index:int body_subgraph_index:int"),
)


class _Union(Enum):
    """The two places of an operator where options lie: (slot of the union's
    type, slot of its table).
    """

    FIRST = 3, 4
    SECOND = 11, 12


_TYPES = {_Union.FIRST: numbers_of("BuiltinOptions"), _Union.SECOND: numbers_of("BuiltinOptions2")}


@dataclass(frozen=True)
class _Field:
    slot: int
    name: str
    kind: str
    default: int


@dataclass(frozen=True)
class _Layout:
    """One table of options: where it lies, its type number there, and its fields."""

    table: str
    union: _Union
    type: int
    fields: tuple[_Field, ...]


def _field(slot, text):
    name, _, kind = text.partition(":")
    kind, _, default = kind.partition("=")
    return _Field(slot, name, kind, int(default or 0))


def _layout(table, fields):
    union = _Union.FIRST if table in _TYPES[_Union.FIRST] else _Union.SECOND
    declared = (_field(slot, text) for slot, text in enumerate(fields.split()) if text != "-")
    return _Layout(table, union, _TYPES[union][table], tuple(declared))


_LAYOUTS = {
    name: layout
    for table, names, fields in _ROWS
    for layout in [_layout(table, fields)]
    for name in names.split()
}
_KINDS = {field.kind for layout in _LAYOUTS.values() for field in layout.fields}
_ENUMERATIONS = {kind: names_of(kind) for kind in _KINDS - set(_SCALARS) - set(_LISTS) - {"text"}}


def read_options(operator, name) -> dict[str, Option]:
    """The options of one operator, fields that the file leaves out at the schema's defaults.

    Args:
        operator: its `flatbuffer.Table`.
        name: the operator's name in the schema.

    Raises:
        ModelFileError: the options are damaged, or another operator's.
    """
    layout = _LAYOUTS.get(name)
    if layout is None:
        return {}
    type_slot, table_slot = layout.union.value
    carried = operator.number(type_slot, "<B")
    if carried not in (0, layout.type):
        raise operator.error(f"{name} carries options of type {carried}, not {layout.table}")
    table = operator.table(table_slot) if carried else None
    return {field.name: _value(table, field) for field in layout.fields}


def _value(table, field):
    kind = field.kind
    if kind in _LISTS:
        return table.numbers(field.slot, _LISTS[kind]) if table else ()
    if kind == "text":
        return table.text(field.slot) if table else ""
    if kind in _SCALARS:
        layout, convert = _SCALARS[kind]
        return convert(table.number(field.slot, layout, field.default) if table else field.default)
    layout = _WIDE_ENUMERATIONS.get(kind, "<b")
    value = table.number(field.slot, layout, field.default) if table else field.default
    return _ENUMERATIONS[kind].get(value, f"UNKNOWN_{value}")

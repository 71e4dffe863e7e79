"""Graphs of many tensors that the classic engine on OpenGL may compile as one kernel."""

WIDE = "float32[1,6,8,4]"


def pooled(count, *, then):
    """As many tensors of their own of one picture, and what is made of them."""
    pools = (
        f"MAX_POOL_2D v1 {{filter_height=1, filter_width={number % 3 + 1}, stride_h=1, stride_w=1}}:"
        f" {'x' if number else f'x = {WIDE}'} -> p{number} = {WIDE}"
        for number in range(count)
    )
    return "\n".join((*pools, *then))


def joined(count, axis=3):
    """A concatenation of that many tensors."""
    shape = [1, 6, 8, 4]
    shape[axis] *= count
    names = ", ".join(f"p{number}" for number in range(count))
    output = f"float32[{','.join(map(str, shape))}]"
    return pooled(count, then=[f"CONCATENATION v1 {{axis={axis}}}: {names} -> {output}"])


def summed(count, kernel=3, options="", sources=None, then=()):
    """A sum of that many convolutions, each of a tensor of its own or of one of `sources`, and each
    after operations `then` with a vector.
    """
    weights = f"constant float32[4,{kernel},{kernel},4], constant float32[4]"
    nodes = [
        f"CONV_2D v1 {{{options}stride_w=1, stride_h=1}}: p{number % (sources or count)}, {weights}"
        f" -> c{number} = {WIDE}"
        for number in range(count)
    ]
    last = "c"
    for step, operator in enumerate(then):
        nodes += [
            f"{operator} v1: {last}{number}, constant float32[4] -> t{step}_{number} = {WIDE}"
            for number in range(count)
        ]
        last = f"t{step}_"
    for number in range(1, count):
        before = f"s{number - 1}" if number > 1 else f"{last}0"
        nodes.append(f"ADD v1: {before}, {last}{number} -> s{number} = {WIDE}")
    return pooled(count, then=nodes)

"""Times that give no cause to doubt."""

from bokeh_tf.bench.results.samples import Samples

MS = 1_000_000
STEADY = Samples(
    first_ns=30 * MS,
    warmup_ns=(11 * MS,) * 6,
    warmup_was_flat=True,
    rounds_ns=((11 * MS,) * 3,) * 6,
)

"""The published rows that results may stand beside: of the same protocol and
the same whole set, or none.
"""

from bokeh_tf.data.pairs.pair import VAL294_IDS
from bokeh_tf.models.reported import ROWS, VAL294, ReportedRow


def published_beside(protocol, pairs) -> tuple[tuple[ReportedRow, ...], str]:
    """The rows that compare with an evaluation of `pairs` by `protocol`, and where
    there are none the reason.
    """
    # A paper repeats its best row in each of its tables.
    rows = {
        (row.conditions.paper, row.psnr_db, row.ssim): row
        for row in reversed(ROWS)
        if row.conditions.protocol == protocol.name
    }
    if not rows:
        return (), f"no published rows are known that were measured by the protocol {protocol.name}"
    numbers = [int(pair.id) for pair in pairs if pair.split == "val294"]
    if sorted(numbers) != list(VAL294_IDS):
        return (
            (),
            f"the published rows of {protocol.name} are of {VAL294}; these are other pairs, or not"
            " all",
        )
    return tuple(reversed(rows.values())), ""

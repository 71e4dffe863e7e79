"""How far right computations of a quantised file are apart, for engines that cannot run the CPU's
other kernels themselves.
"""

import tempfile
import time
from pathlib import Path

from bokeh_tf.delegate.probing.jobs import Jobs
from bokeh_tf.delegate.probing.probe import probe_request
from bokeh_tf.errors import CheckError
from bokeh_tf.processes import DONE
from bokeh_tf.tflite.subject import Subject

_TRIAL = "positive_random"


def spread_shares(subject: Subject, *, timeout_s: float) -> dict[int, float]:
    """By the index of each output's tensor, its spread on random numbers in [0, 1] as a share of
    its scale, see `agreement.OutputKind`; nothing where the CPU does not say.
    """
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_spread_") as folder:
        jobs = Jobs(subject.label, Path(folder), time.monotonic() + timeout_s)
        jobs.write(subject.content, probe_request(None, subject.model_file, trials=[_TRIAL]))
        try:
            reference, _ = jobs.run_reference()
        except CheckError:
            return {}
    if reference is None or reference["stage"] != DONE:
        return {}
    (signature, *_) = reference["signatures"]
    found = zip(
        signature["outputs"], signature["spreads"][_TRIAL], signature["scales"][_TRIAL], strict=True
    )
    return {port["index"]: spread / scale for port, spread, scale in found if scale is not None}

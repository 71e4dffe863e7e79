"""The child process that rewrites a file: `python -m bokeh_tf.delegate.probing.bisection_worker FOLDER JOB`.

Started by `bisection_trials.py` only. FOLDER holds `original.tflite` and `order.json` ({"expose": tensor indices} or
{"cut": node}); the result is `model.tflite` there and `<JOB>.json` with the stage "done", or "impossible" where there
is nothing to cut.
"""

import json
import sys
from pathlib import Path

from bokeh_tf.delegate.graphs import DAMAGE
from bokeh_tf.delegate.probing.worker import MODEL_NAME
from bokeh_tf.processes import confine
from bokeh_tf.tflite import rewriting

ORIGINAL_NAME = "original.tflite"
ORDER_NAME = "order.json"
DONE, IMPOSSIBLE = "done", "impossible"


def main(folder, job):
    """Writes the rewritten file."""
    confine()
    folder = Path(folder)
    content = (folder / ORIGINAL_NAME).read_bytes()
    order = json.loads((folder / ORDER_NAME).read_text(encoding="utf-8"))
    stage = DONE
    try:
        if "cut" in order:
            rewritten = rewriting.cut_after(content, order["cut"])
        else:
            rewritten = rewriting.with_outputs(content, order["expose"])
        (folder / MODEL_NAME).write_bytes(rewritten)
    except DAMAGE:
        stage = IMPOSSIBLE
    (folder / f"{job}.json").write_text(json.dumps({"stage": stage}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

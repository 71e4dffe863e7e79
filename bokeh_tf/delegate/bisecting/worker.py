"""The child process that rewrites a file: `python -m
bokeh_tf.delegate.bisecting.worker FOLDER JOB`.

Asked by `trials.py` only. FOLDER holds `original.tflite`, the request is {"expose": tensor indices} or
{"cut": node}; the result is `model.tflite` there, or an error of the kind "impossible" where there is nothing to cut.
"""

from bokeh_tf.delegate.probing.worker import MODEL_NAME
from bokeh_tf.processes import Job, answer_job
from bokeh_tf.tflite import rewriting
from bokeh_tf.tflite.running.signatures import DAMAGE

ORIGINAL_NAME = "original.tflite"


def rewrite(job: Job) -> dict:
    """Writes the rewritten file."""
    content = (job.folder / ORIGINAL_NAME).read_bytes()
    request = job.read_request()
    if "cut" in request:
        rewritten = rewriting.cut_after(content, request["cut"])
    else:
        rewritten = rewriting.with_outputs(content, request["expose"])
    (job.folder / MODEL_NAME).write_bytes(rewritten)
    return {}


if __name__ == "__main__":
    answer_job(rewrite, error_kinds=dict.fromkeys(DAMAGE, "impossible"))

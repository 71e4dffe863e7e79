"""For the tests of projects that ship `.tflite` files: `assert_runs_on_gpu(model)`.

    from bokeh_tf.testing import assert_runs_on_gpu

    def test_the_model_runs_on_phones():
        assert_runs_on_gpu("model.tflite")

Works with any test runner; nothing of pytest is needed. The static lint alone takes milliseconds.
"""

import warnings

from bokeh_tf.delegate.check import PASSED, Report, check
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.judging.policy import DEFAULT, Policy, judge


def assert_runs_on_gpu(
    model,
    *,
    targets=TARGETS,
    fail_on=DEFAULT,
    probe=False,
    require_probe=False,
    timeout_s=None,
    baseline=None,
    runtime=None,
) -> Report:
    """Raises an `AssertionError` that says which nodes a GPU delegate refuses or computes
    wrongly, and what to write.

    Args:
        model: a path, the bytes of a `.tflite`, or a Keras model: functional, Sequential, or
            subclassed and called once; of any dtype policy.
        targets: the delegates that have to take it: "v2", "mldrift" or both.
        fail_on: as `--fail-on` of `bokeh-tf check`, such as "refused,wrong,macs:99";
            "fp16" runs the audit too, "npu" LiteRT's NPU path, which needs the extra `openvino`.
        probe: also compile and run it on the real delegate, in a child process.
        require_probe: fail where there is no Vulkan adapter to probe with; implies `probe`.
        baseline: path of a baseline file; findings in it do not fail.
        runtime: the release of LiteRT by whose rules to judge, such as "2.1.5", as `--runtime`;
            None for the newest that they know. With `require_probe` it must be the one installed.

    Raises:
        ModelFileError: the file cannot be read as a model.
        ConversionError: the Keras model cannot become a `.tflite`.
        ValueError: the rules do not know that release, or "mldrift" is not among the targets.
    """
    # What failed is in the message; where this function said so helps nobody.
    __tracebackhide__ = True
    from bokeh_tf.delegate.judging.baseline import Baseline, read

    policy = Policy.parse(fail_on, require_probe=require_probe)
    report = check(
        model,
        targets=targets,
        probe=probe or require_probe,
        audit="fp16" in policy.criteria,
        timeout_s=timeout_s,
        openvino="npu" in policy.criteria,
        runtime=runtime,
    )
    known = read(baseline) if baseline else Baseline()
    if known.warning:
        warnings.warn(known.warning, stacklevel=2)
    judged = judge(report, policy, baseline=known)
    if judged.code != PASSED:
        from bokeh_tf.delegate.writers import formats as writing

        raise AssertionError(writing.write([judged], policy, format="text").rstrip())
    return report

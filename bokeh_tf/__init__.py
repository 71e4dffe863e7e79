"""Bokeh (shallow depth of field) networks for phones: build, train, convert,
check, render and measure them.

The public interface; what is in no list here, or begins with an underscore, may change at any time.

- `bokeh_tf.testing.assert_runs_on_gpu(model)`: fails a test whose model a
  phone's GPU would not take
- `bokeh_tf.delegate.check.check(model)`: all that the check finds, as a report
- `bokeh_tf.delegate.judging.policy.judge(report, policy)`: the report under
  `Policy.parse("refused,wrong")`
- `bokeh_tf.delegate.writers.formats.write(judged, policy, format="json")`: the report as text
- `bokeh_tf.tflite.inspection.inspect(path)`: what a `.tflite` file holds, without running it
- `bokeh_tf.tflite.conversion.convert(model, precision="float16")`: a Keras
  model as a `.tflite` file
- `bokeh_tf.models.build(name, variant="base", image_shape=(384, 512))`: a network of the catalogue
- `bokeh_tf.training.gpu_check.RequireGpuCompatible(image_shape=(384, 512))`:
  the check before a training
- `bokeh_tf.bench.results.reading.read_result(path)`: a result of `bokeh-tf bench`
- `bokeh_tf.errors.BokehError`: whatever the outside world can do to all of these

Everything that the command `bokeh-tf` does is in `bokeh-tf --help`; its JSON documents carry a
`schema_version`.
"""

__version__ = "0.1.0"

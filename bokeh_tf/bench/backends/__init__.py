"""Where models can be timed: one file for each backend, and its line here.

These modules are read by the command line before it knows what to do, so they import nothing heavy.
"""

from bokeh_tf.bench.backends import android, browser, cpu, gpu
from bokeh_tf.bench.backends.backend import Backend

BACKENDS: tuple[Backend, ...] = (cpu.BACKEND, gpu.BACKEND, browser.BACKEND, android.BACKEND)

"""The published schedules as data: `PLANS["dbsi"]`."""

from bokeh_tf.training.plans.table import PLANS

__all__ = ["PLANS"]

"""Durations for people."""


def duration_text(duration_s):
    """A duration in its own unit: `3.5 min`, `12.0 days`."""
    for unit, length_s in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if duration_s >= length_s:
            return f"{duration_s / length_s:,.1f} {unit}"
    return f"{duration_s:.0f} s"

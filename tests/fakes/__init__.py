"""Stand-ins for what tests cannot have: a phone that speaks adb's own
protocol, and its benchmark tools.
"""

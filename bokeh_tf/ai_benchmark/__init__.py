"""The AI Benchmark app's PRO mode: a pack that a phone's owner can run there, and
their numbers beside ours.

The app (package `org.benchmark.demo`) loads a file called `model.tflite` from the
Download folder and shows the mean time of a run. It exports nothing, so a person copies
the number into a result sheet.
"""

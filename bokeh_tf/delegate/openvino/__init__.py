"""The NPU path of LiteRT, Intel's: its compiler plugin parts the graph, OpenVINO computes it on
this machine's processor.
"""

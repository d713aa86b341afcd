"""Latency, energy, memory and agreement of ONNX models on this machine.

`tasks:TABLE` is what a device's child runs. Nothing here is imported by the daemon: onnxruntime stays in the child.
"""

"""Conversion of MediaPipe's BlazeFace from TensorFlow Lite to ONNX bundles.

Data flows ``tflite_reader`` (flatbuffer to a plain graph) -> ``onnx_writer`` (plain graph to ONNX)
-> ``check`` (both files on the same images) -> ``bundles`` (folders with a card).
"""

"""From a trained network to a model at hand: ONNX, 8-bit integers, the manifest."""

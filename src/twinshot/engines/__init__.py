"""What runs a network, on pictures of any size."""

import os

# ONNX Runtime would look for its maker's servers otherwise, to tell of the machine. What a user has set, stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

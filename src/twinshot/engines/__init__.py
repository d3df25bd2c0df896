"""What runs a network, on pictures of any size."""

import os
import sys

# ONNX Runtime would look for its maker's servers otherwise, to tell of the machine. What a user has set, stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenVINO tells its maker of every import, by a process that it forks and that keeps a killed worker's pipes open. It
# has no switch for one program alone, but does without its telemetry where that is not installed.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

"""Fifty megapixels in bounded memory; minutes long."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

HEIGHT, WIDTH = 5774, 8660

MEASURE = """
import json, resource, sys, time
from twinshot.cli.main import app
began = time.perf_counter()
app(["restore", *sys.argv[1:], "--quiet"], standalone_mode=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"gigabytes": peak, "seconds": time.perf_counter() - began}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fifty_megapixels_stay_under_two_gigabytes(tmp_path, dtype):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    tile = (rng.random((722, 866, 3)) * 0.3 * top).astype(dtype)
    scene = np.tile(tile, (8, 10, 1))[:HEIGHT, :WIDTH]
    cv2.imwrite(str(tmp_path / "noisy.png"), scene)
    cv2.imwrite(str(tmp_path / "blurry.png"), cv2.blur(scene, (9, 9)))
    output = tmp_path / "sharp.png"
    arguments = [tmp_path / "noisy.png", tmp_path / "blurry.png", "-o", output]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    measured = json.loads(run.stdout)
    print(measured)
    assert measured["gigabytes"] < 2.0
    assert cv2.imread(str(output), cv2.IMREAD_UNCHANGED).shape == (HEIGHT, WIDTH, 3)

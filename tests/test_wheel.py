"""The wheel, away from the checkout: it is what users install."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_wheel_restores_the_example(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "try_wheel.py", tmp_path], capture_output=True, text=True, check=True
    )
    assert "the example restored in" in done.stdout

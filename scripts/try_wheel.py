"""Install the newest wheel of a folder into an environment of its own, restore the example, and print what it took.

    python scripts/try_wheel.py dist

Nothing of the checkout but the two photographs of demo/ is used: the command runs in an empty folder.
"""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

DEMO = Path(__file__).parent.parent / "demo"


def main(folder: Path) -> None:
    """Build the environment, install, restore."""
    wheel = max(folder.glob("twinshot-*.whl"), key=lambda path: path.stat().st_mtime).resolve()
    with TemporaryDirectory() as scratch:
        place = Path(scratch, "environment")
        venv.create(place, with_pip=True)
        binaries = place / ("Scripts" if os.name == "nt" else "bin")
        before = size(place)
        installed = timed(scratch, binaries / "python", "-m", "pip", "install", "--quiet", wheel)
        grown = size(place) - before
        restored = timed(
            scratch, binaries / "twinshot", "restore", DEMO / "noisy.jpg", DEMO / "blurry.jpg", "-o", "sharp.png"
        )
        made = Path(scratch, "sharp.png").stat().st_size
    print(
        f"wheel {megabytes(wheel.stat().st_size)}, installed in {installed:.0f} s, {megabytes(grown)} with all it needs"
    )
    print(f"the example restored in {restored:.1f} s, sharp.png {megabytes(made)}")


def timed(folder: str, *command: str | Path) -> float:
    """Seconds of a command in a folder, away from the checkout and its environment variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TWINSHOT"))}
    began = time.monotonic()
    subprocess.run(list(map(str, command)), cwd=folder, env=environment, check=True)
    return time.monotonic() - began


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def megabytes(count: int) -> str:
    """As text."""
    return f"{count / 1e6:.1f} MB"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

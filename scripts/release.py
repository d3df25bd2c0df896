"""Export a run, measure the model on held-out sets, and enter its quality in the manifest.

    python scripts/release.py runs/twin/checkpoint.pt --data DATA_ROOT

Sets: 40 triples of each profile, 256x256, from photos/val, and the real windows of frames/val, whole.
"""

import argparse
import json
import subprocess
from pathlib import Path

from twinshot.nets.release import record_quality

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "src" / "twinshot" / "weights"
SEED, SIDE = 1, 256
SETS = {"paper": ("photos/val", "paper", "40"), "camera": ("photos/val", "camera", "40")}
SETS["real"] = ("frames/val", "paper", "3")


def main() -> None:
    """Run the three commands, then record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="twin")
    parser.add_argument("--systems", default="noisy,blurry,nlm,bm3d")
    options = parser.parse_args()
    twinshot("export", options.checkpoint, "--name", options.name, "--weights", WEIGHTS)
    results = [measure(options.data, set_name, f"{options.systems},{options.name}") for set_name in SETS]
    record_quality(options.name, results, WEIGHTS)


def measure(data: Path, name: str, systems: str) -> dict[str, object]:
    """Make one set where it is missing and benchmark the systems on it."""
    source, profile, count = SETS[name]
    folder = ROOT / "runs" / "sets" / name
    made = ("--profile", profile, "--count", count, "--seed", SEED, "--side", SIDE)
    twinshot("synth", data / source, "-o", folder, *made)
    target = ROOT / "docs" / "benchmark" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    twinshot("benchmark", folder, "--systems", systems, "--out", target)
    result: dict[str, object] = json.loads(target.read_text("utf-8"))
    return result


def twinshot(*arguments: object) -> None:
    """The command, stopping at its first failure."""
    subprocess.run(["twinshot", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()

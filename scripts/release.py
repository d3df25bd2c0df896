"""Export a run, measure the model on held-out sets, and enter its quality in the manifest.

    python scripts/release.py runs/twin/checkpoint.pt --name twin --data DATA_ROOT

Models of the package go to src/twinshot/weights; with --further, to weights/. Results of
`twinshot benchmark` are in docs/benchmark, where rows of the other systems are kept.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from twinshot.bench.results import open_results, quality_of
from twinshot.engines.models import read_manifest
from twinshot.export.release import record_quality

ROOT = Path(__file__).parent.parent
PACKAGE, FURTHER = ROOT / "src" / "twinshot" / "weights", ROOT / "weights"
FALLBACKS = {"twin": "twin-noisy", "twin-large": "twin-noisy"}
SETS = ("paper", "camera", "phone", "real", "blur", "lowlight", "brackets")
TRAINED_ON = "409 photographs moved by a simulated camera; 88 frames of GOPRO_Large_all"
LICENCE = "Apache-2.0 (weights); training data CC0, CC BY, CC BY-SA, Unsplash: see MODEL_CARD.md"


def main() -> None:
    """Run the two commands, then record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="twin")
    parser.add_argument("--further", action="store_true")
    options = parser.parse_args()
    weights = FURTHER if options.further else PACKAGE
    said = ["--trained-on", TRAINED_ON, "--licence", LICENCE, "--fallback", FALLBACKS.get(options.name, "")]
    said += [] if options.further else ["--calibrate", "--data", options.data]
    twinshot("export", options.checkpoint, "--name", options.name, "--weights", weights, *said)
    out = ROOT / "docs" / "benchmark"
    sets = [argument for name in SETS for argument in ("--set", name)]
    twinshot("benchmark", *sets, "--only", "quality", "--systems", options.name, "--data", options.data, "--out", out)
    sha256 = read_manifest(weights)[options.name].sha256
    record_quality(options.name, quality_of(open_results(out), options.name, sha256), weights)


def twinshot(*arguments: object) -> None:
    """The command, stopping at its first failure."""
    subprocess.run([sys.executable, "-m", "twinshot", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()

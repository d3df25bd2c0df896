"""Train recipes one after the other, several at once on the cores of one machine; started again, it goes on.

    python scripts/train_many.py recipes/ablations/*.toml --data DATA_ROOT --at-once 2

Each run gets its share of the cores and a log, runs/NAME.log. A recipe that fails is named at the end; others go on.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twinshot.machine import usable_cores


def main() -> None:
    """Train all that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    at_once = max(1, options.at_once)
    share = max(1, usable_cores() // at_once)
    with ThreadPoolExecutor(at_once) as pool:
        codes = list(pool.map(lambda recipe: train(recipe, options.data, options.runs, share), options.recipes))
    failed = [str(recipe) for recipe, code in zip(options.recipes, codes, strict=True) if code]
    raise SystemExit(f"failed: {', '.join(failed)}; see their logs in {options.runs}" if failed else 0)


def train(recipe: Path, data: Path, runs: Path, share: int) -> int:
    """Run one recipe to its end; returns the command's exit code."""
    arguments = [str(recipe), "--data", str(data), "--runs", str(runs), "--resume"]
    with (runs / f"{recipe.stem}.log").open("a", encoding="utf-8") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": str(share)}
        command = [sys.executable, "-m", "twinshot", "train", *arguments]
        return subprocess.run(command, stdout=log, stderr=log, env=environment).returncode


if __name__ == "__main__":
    main()

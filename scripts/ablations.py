"""The ablation table: every run of recipes/ablations that is there, measured alike, written to docs/ablations.md.

    for recipe in recipes/ablations/*.toml; do twinshot train $recipe --data DATA_ROOT --resume; done
    python scripts/ablations.py --data DATA_ROOT

A row says what its recipe's first line says; the runs' steps and hours stand beside it.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from twinshot.bench.results import Results, open_results
from twinshot.train.config import load_recipe

ROOT = Path(__file__).parent.parent
SETS = {"paper": "photographs, profile paper", "camera": "photographs, profile camera", "real": "real windows"}
HEADER = """# Ablations

What each part of the paper's training does, at one small budget: `recipes/ablations`, each an overlay of `full-merger`
(DeblurMerger) or `full-rnn` (DeblurRNN) that takes one thing away. Written by `scripts/ablations.py`, which measures
with `twinshot benchmark`; PSNR in dB and SSIM by the convention `paper`. The grid is the benchmark's measure of
checkerboards, in dB over the truth's own: 0 is none. Compare rows of this page with each other alone: those of
docs/benchmark may be of other sets.

"""
AGED = """Measured on the sets as they were before the noise of `paper` was put right (docs/notebook/training.md),
and on 40 pictures of `camera`.
The recipes were of 1,000 steps then, at a constant rate, and the DeblurRNN of four levels and base 32. A thousand
steps say little: even after five times as many, the flow and the merged bottleneck were next to idle. The recipes have
10,000 now.

"""
"""What to say as long as the rows are older than that; take it away once they are measured again."""


def main() -> None:
    """Export, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs")
    options = parser.parse_args()
    recipes = sorted((ROOT / "recipes" / "ablations").glob("*.toml"))
    done = [path for path in recipes if finished(path, options.runs)]
    weights, out = options.runs / "ablations", options.runs / "ablations-benchmark"
    for path in done:
        twinshot(
            weights, "export", options.runs / path.stem / "checkpoint.pt", "--name", path.stem, "--weights", weights
        )
    names = ",".join(["noisy", "blurry", *(path.stem for path in done)])
    sets = [argument for name in SETS for argument in ("--set", name)]
    twinshot(weights, "benchmark", *sets, "--only", "quality", "--systems", names, "--data", options.data, "--out", out)
    results = open_results(out)
    page = HEADER + AGED + "\n".join(table(name, results, {path.stem: path for path in done}) for name in SETS)
    (ROOT / "docs" / "ablations.md").write_text(page, "utf-8")


def finished(recipe: Path, runs: Path) -> bool:
    """Whether a recipe's run has come to its last step."""
    path = runs / recipe.stem / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
    return bool(rows) and "validation" in rows[-1] and rows[-1]["step"] == load_recipe(recipe).steps


def table(name: str, results: Results, recipes: dict[str, Path]) -> str:
    """One set's rows as Markdown."""
    found = results.sets[name]
    lines = [f"## {SETS[name]}: {found.pictures} pictures", ""]
    lines += ["| run | what | steps | hours | PSNR | SSIM | grid |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for system, row in found.systems.items():
        said = (
            recipes[system].read_text("utf-8").splitlines()[0].lstrip("# ") if system in recipes else "as it comes in"
        )
        model = results.models.get(system)
        cells = [system, said, *((model.steps, model.hours or "") if model else ("", ""))]
        measured = ((row.psnr, ".2f"), (row.ssim_paper, ".4f"), (row.checkerboard, ".2f"))
        cells += [row.error, "", ""] if row.error else [format(figure, spec) for figure, spec in measured]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def twinshot(weights: Path, *arguments: object) -> None:
    """The command with a folder of models, stopping at its first failure."""
    environment = {**os.environ, "TWINSHOT_WEIGHTS": str(weights)}
    subprocess.run([sys.executable, "-m", "twinshot", *map(str, arguments)], check=True, env=environment)


if __name__ == "__main__":
    main()

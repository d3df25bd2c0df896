"""How well networks draw, and what DeblurRNN's second net adds to its first: a table for docs/paper.md.

    python scripts/drawing.py --models merger,rnn,unet --set paper --data DATA_ROOT

Both frames true: PSNR in dB where both frames are the truth. A wave of n px: the share of its height that is left.
x-tilde and x-hat: PSNR in dB of the denoised and the sharp picture on the set's pairs, as `restore` shows them.
"""

import argparse
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
import torch

from twinshot.bench.datasets import Triple, triples_in
from twinshot.bench.drawing import PERIODS, both_true, contrast, on_grid
from twinshot.bench.sets import prepare
from twinshot.engines.loading import Model, load_model
from twinshot.engines.torch import network_of
from twinshot.nets.rnn import DeblurRNN
from twinshot.picture.encoding import Image
from twinshot.picture.levels import psnr


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True, help="separated by commas")
    parser.add_argument("--set", required=True, help="as of `twinshot benchmark`")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--count", type=int, default=16, help="the set's first pictures")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        triples = triples_in(prepare(options.set, options.data, Path(folder), 0, quick=False))[: options.count]
        print(f"{options.set}: {len(triples)} pictures\n")
        heads = ["model", "both frames true", *(f"wave of {period} px" for period in PERIODS), "x-tilde", "x-hat"]
        print(f"| {' | '.join(heads)} |\n" + "| --- " * len(heads) + "|")
        for name in options.models.split(","):
            print(row(load_model(name, "onnx"), triples), flush=True)


def row(model: Model, triples: list[Triple]) -> str:
    """One model's line of the table."""
    shares = [f"{contrast(model.run, period):.2f}" for period in PERIODS]
    drawn = f"{both_true(model.run, model.multiple, [triple.truth() for triple in triples]):.2f}"
    net = network_of(model.path, model.card)
    both = (
        [f"{value:.2f}" for value in stages(net, model.multiple, triples)] if isinstance(net, DeblurRNN) else ["", ""]
    )
    return f"| {' | '.join([model.name, drawn, *shares, *both])} |"


@torch.no_grad()
def stages(net: DeblurRNN, multiple: int, triples: list[Triple]) -> tuple[float, float]:
    """Mean PSNR in dB of x-tilde and of x-hat."""
    found = []
    for triple in triples:
        shot, truth = triple.shot(), on_grid(triple.truth(), multiple)
        frames = (batch(on_grid(frame, multiple)) for frame in (shot.noisy, shot.registered))
        pictures = (picture[0].permute(1, 2, 0).clamp(0, 1).numpy() for picture in net.both(*frames))
        found.append([psnr(picture, truth) for picture in pictures])
    denoised, sharp = zip(*found, strict=True)
    return fmean(denoised), fmean(sharp)


def batch(image: Image) -> torch.Tensor:
    """(H, W, 3) to (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))


if __name__ == "__main__":
    main()

"""Restore the example pair and show what came of it: demo/restored.png, demo/sheet.png and a small table."""

from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

import twinshot
from twinshot.bench.datasets import shot_of
from twinshot.bench.metrics import psnr, ssim
from twinshot.bench.systems import system
from twinshot.files.io import read
from twinshot.files.pairs import read_pair
from twinshot.picture.encoding import Image
from twinshot.picture.pair import as_float

FOLDER = Path(__file__).parent
CROPS = ((160, 330), (520, 90))  # top, left of the 100 % crops: bottle and grinder, the drum's rope
CROP = (250, 380)


def main() -> None:
    """Restore, write the pictures, print the table."""
    noisy, blurry, sharp = (FOLDER / f"{name}.jpg" for name in ("noisy", "blurry", "sharp"))
    restored = twinshot.restore(noisy, blurry)
    restored.save(FOLDER / "restored.png", force=True)

    truth = as_float(read(sharp).pixels)
    shot = shot_of(read_pair(noisy, blurry), (), truth)
    pictures = {name: system(name).restore(shot) for name in ("noisy", "blurry", "nlm")}
    pictures["twinshot"] = restored.image
    shown = [pictures["noisy"], pictures["blurry"], pictures["twinshot"], truth]
    _write(FOLDER / "sheet.png", sheet(shown, ("noisy", "blurry", "restored", "truth")))

    table = Table("", "PSNR, dB", "SSIM", title=f"The example pair, {truth.shape[1]}x{truth.shape[0]}")
    titles = {"nlm": "non-local means on the noisy (OpenCV)"}
    for name, picture in pictures.items():
        table.add_row(titles.get(name, name), f"{psnr(picture, truth):.2f}", f"{ssim(picture, truth):.4f}")
    console = Console()
    console.print(table)
    seconds = restored.report["seconds"]
    console.print(f"seconds: {', '.join(f'{stage} {value:.2f}' for stage, value in seconds.items())}")
    console.print(f"look at {FOLDER / 'restored.png'} and {FOLDER / 'sheet.png'}")


def sheet(pictures: list[Image], titles: tuple[str, ...]) -> Image:
    """The pictures side by side, whole, and below each its crops at 100 %."""
    columns = []
    for picture, title in zip(pictures, titles, strict=True):
        height = round(picture.shape[0] * CROP[1] / picture.shape[1])
        whole = cv2.resize(picture, (CROP[1], height), interpolation=cv2.INTER_AREA)
        cut = [picture[top : top + CROP[0], left : left + CROP[1]] for top, left in CROPS]
        columns.append(np.concatenate([_label(title), whole, *cut]))
    gap = np.ones((len(columns[0]), 4, 3), np.float32)
    return np.concatenate([part for column in columns for part in (column, gap)][:-1], axis=1)


def _label(title: str) -> Image:
    label = np.full((32, CROP[1], 3), 255, np.uint8)
    cv2.putText(label, title, (8, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return label.astype(np.float32) / 255


def _write(path: Path, picture: Image) -> None:
    cv2.imwrite(str(path), np.round(picture[..., ::-1] * 255).clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()

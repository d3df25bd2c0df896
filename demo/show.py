"""Restore the example pair and show what came of it: demo/restored.png, demo/sheet.png and a small table."""

from pathlib import Path

import cv2
from rich.console import Console
from rich.table import Table

import twinshot
from twinshot.bench.datasets import shot_of
from twinshot.bench.metrics import ssim
from twinshot.bench.sheet import sheet
from twinshot.bench.systems import system
from twinshot.files.io import read
from twinshot.files.pairs import read_pair
from twinshot.picture.encoding import Image
from twinshot.picture.levels import eight_bit, psnr
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
    _write(FOLDER / "sheet.png", sheet(shown, ("noisy", "blurry", "restored", "truth"), CROPS, CROP))

    table = Table("", "PSNR, dB", "SSIM", title=f"The example pair, {truth.shape[1]}x{truth.shape[0]}")
    titles = {"nlm": "non-local means on the noisy (OpenCV)"}
    for name, picture in pictures.items():
        table.add_row(titles.get(name, name), f"{psnr(picture, truth):.2f}", f"{ssim(picture, truth):.4f}")
    console = Console()
    console.print(table)
    seconds = restored.report["seconds"]
    console.print(f"seconds: {', '.join(f'{stage} {value:.2f}' for stage, value in seconds.items())}")
    console.print(f"look at {FOLDER / 'restored.png'} and {FOLDER / 'sheet.png'}")


def _write(path: Path, picture: Image) -> None:
    cv2.imwrite(str(path), eight_bit(picture)[..., ::-1])


if __name__ == "__main__":
    main()

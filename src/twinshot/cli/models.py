"""The command `models`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from . import app as shared

_PURPOSES = {
    "twin": "a short and a long photograph (the default)",
    "twin-large": "a short and a long photograph, for comparison: better on simulated pairs alone, and slower",
    "twin-noisy": "the short photograph alone, where no long one goes with it",
}
_TAKEN = {
    "pair": "a short and a long photograph",
    "noisy": "the short photograph alone",
    "blurry": "the long one alone",
}


def models(
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure how long 12 megapixels take on this machine, and remember it.")
    ] = False,
) -> None:
    """List the models: those in the package, and those in TWINSHOT_WEIGHTS or a checkout's `weights`."""
    from ..engines.models import manifest
    from ..engines.pace import measured_seconds, remembered_seconds

    for name, card in manifest().items():
        size = f"{card.path.stat().st_size / 1e6:.1f} MB" if card.path.is_file() else "missing"
        seconds = measured_seconds(name, card) if measure else remembered_seconds(card)
        pace = f"{seconds:.0f} s" if seconds else "try --measure"
        shared.out.print(Text(f"{name}: {_PURPOSES.get(name, _TAKEN[card.takes])}", "bold"), soft_wrap=True)
        shared.out.print(_indented(f"{size}; 12 megapixels here: {pace}"))
        for title, text in (
            ("PSNR / SSIM by test set", ", ".join(f"{key} {value}" for key, value in card.quality.items())),
            ("trained on", card.trained_on),
            ("licence", card.licence),
        ):
            if text:
                shared.out.print(_indented(f"{title}: {text}"))


def _indented(text: str) -> Padding:
    """Lines below a model's name, as wide as the terminal."""
    return Padding(Text(text), (0, 0, 0, 4), expand=False)

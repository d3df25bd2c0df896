"""Draw the pictures of the documentation and write docs/gallery.md, by running the commands that the page shows.

    python scripts/gallery.py

Everything is made of the example pair in demo/. Its short frame is darkened here as a shorter exposure would be: less
light, then 8 bits. Needs the extra `bench`, for Matplotlib.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill

import cv2
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from twinshot.bench.sheet import sheet
from twinshot.files.io import read
from twinshot.files.pairs import read_pair
from twinshot.match import tone
from twinshot.match.prepare import prepare
from twinshot.picture.encoding import Image, to_linear, to_srgb
from twinshot.picture.levels import eight_bit
from twinshot.picture.pair import as_float

ROOT = Path(__file__).parent.parent
PAGES, PICTURES = ROOT / "docs", ROOT / "docs" / "images"
PLACE, SIZE = (160, 330), (250, 380)  # top and left, height and width of the part shown at 100 %
HEAD = """# Gallery

Every picture here comes from the command above it. `python scripts/gallery.py` runs them all and writes this page. The
pair is the one in `demo/`; its short frame is darkened the way a shorter exposure would be, then stored in 8 bits.
"""


@dataclass(frozen=True)
class Example:
    """One entry of the page: what it shows, and the frames it is made of."""

    name: str
    title: str
    text: str
    darker: float = 8.0
    long: str = "blurry"
    options: tuple[str, ...] = ()


EXAMPLES = (
    Example(
        "hand-held",
        "Hand-held, short frame at 1/8 of the light",
        "The usual case. The short frame is dark and noisy, the long one is bright and blurred.",
    ),
    Example(
        "very-dark",
        "Short frame at 1/30 of the light",
        "The darkest ratio we recommend. Only a few of the 256 levels of the short file are in use, so dark parts come "
        "from the long frame.",
        darker=30.0,
    ),
    Example(
        "grain",
        "Keep some of the grain",
        "`--strength` leaves part of the grain in, `--colour-strength` part of its colour.",
        options=("--strength", "0.7"),
    ),
    Example(
        "sharp-long",
        "The long frame was sharp after all",
        "On a tripod the long frame is sharp. It is then better than anything made from a dark short frame, so "
        "twinshot uses it where it is sharp. The report's `from_long_frame` says for how much of the picture.",
        long="sharp",
    ),
    Example(
        "other-scene",
        "The two frames show different scenes",
        "Here the long frame is upside down. twinshot says so and denoises the short frame on its own.",
        darker=1.0,
        long="turned",
    ),
)


def main() -> None:
    """Draw everything."""
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        entries = [entry(example, folder / example.name) for example in EXAMPLES]
        (PAGES / "gallery.md").write_text("\n".join([HEAD, *entries]), "utf-8")
        first = folder / EXAMPLES[0].name
        frames = [picture(first / f"{name}.png") for name in ("short", "long", "sharp")]
        write("opening", side_by_side(frames, ("short exposure", "long exposure", "twinshot")))
        write("stages", stages(first))
        curve(json.loads((first / "report.json").read_text("utf-8"))["tone_curve"])


def entry(example: Example, folder: Path) -> str:
    """Run one example in its folder, draw it, and return its part of the page."""
    folder.mkdir()
    cv2.imwrite(str(folder / "short.png"), bgr(darkened(picture(ROOT / "demo" / "noisy.jpg"), example.darker)))
    source = picture(ROOT / "demo" / f"{'blurry' if example.long == 'turned' else example.long}.jpg")
    cv2.imwrite(str(folder / "long.png"), bgr(source[::-1, ::-1] if example.long == "turned" else source))
    said = ("restore", "short.png", "long.png", "-o", "sharp.png", "--report", "report.json", *example.options)
    done = subprocess.run(
        [sys.executable, "-m", "twinshot", *said], cwd=folder, capture_output=True, text=True, check=True
    )
    frames = [picture(folder / f"{name}.png") for name in ("short", "long", "sharp")]
    write(example.name, side_by_side(frames, ("short", "long", "result")))
    output = without_seconds(f"{done.stderr}{done.stdout}".strip())
    lines = f"```\n$ twinshot {' '.join(said)}\n{output}\n```"
    shown = f"![short frame, long frame and result](images/{example.name}.jpg)"
    return f"## {example.title}\n\n{fill(example.text, 118)}\n\n{lines}\n\n{shown}\n"


def without_seconds(text: str) -> str:
    """What the command printed, less how long it took, which differs every time."""
    return text.rpartition(", ")[0]


def darkened(image: Image, times: float) -> Image:
    """With so many times less light."""
    return to_srgb(to_linear(image) / np.float32(times))


def stages(folder: Path) -> Image:
    """What the network is given, and what it makes of it."""
    pair = read_pair(folder / "short.png", folder / "long.png")
    ready = prepare(pair)
    before = np.abs(ready.short - pair.blurry.pixels / np.float32(255))
    after = np.abs(ready.short - ready.long)
    titles = "1 short frame", "2 tone matched", "3 shift before", "4 shift after", "5 restored"
    shown = [pair.noisy.pixels / np.float32(255), ready.short, before * 3, after * 3, picture(folder / "sharp.png")]
    return side_by_side([frame.clip(0, 1).astype(np.float32) for frame in shown], titles)


def curve(knots: list[list[float]]) -> None:
    """Draw a report's tone curve, beside the brightest and darkest of the models: nothing, and plain eight times."""
    values = np.array(knots)
    eight = tone.apply(np.repeat(values[:, :1], 3, axis=1).astype(np.float32)[None], tone.known((8, 8, 8)))[0, :, 0]
    with rc_context({"svg.hashsalt": "twinshot", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axes = figure.subplots()
        for channel, colour in enumerate(("#c0392b", "#27874a", "#2b5fb0"), 1):
            axes.plot(values[:, 0], values[:, channel], color=colour, label="RGB"[channel - 1])
        axes.plot(values[:, 0], eight, color="#777777", linestyle="--", label="8 times the light")
        axes.plot((0, 1), (0, 1), color="#bbbbbb", linestyle=":", label="as it is")
        axes.set(xlabel="value in the short frame", ylabel="value used", xlim=(0, 0.6), ylim=(0, 1.02))
        axes.legend(frameon=False)
        figure.savefig(PICTURES / "tone.svg", metadata={"Date": None})


def side_by_side(frames: list[Image], titles: tuple[str, ...]) -> Image:
    """Pictures whole, and below each a part at 100 %."""
    return sheet(frames, titles, [PLACE], SIZE)


def picture(path: Path) -> Image:
    """RGB, float32, sRGB-encoded, in [0, 1]."""
    return as_float(read(path).pixels)


def bgr(image: Image) -> np.ndarray:
    """In 8 bits, as OpenCV writes it."""
    return eight_bit(image)[..., ::-1]


def write(name: str, image: Image) -> None:
    """A JPEG for the pages."""
    cv2.imwrite(str(PICTURES / f"{name}.jpg"), bgr(image), [cv2.IMWRITE_JPEG_QUALITY, 84])


if __name__ == "__main__":
    main()

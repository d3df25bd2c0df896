"""GOPRO_Large (Nah et al. 2017): blurry and sharp pictures as they are downloaded.

Only the pairs; windows of GOPRO_Large_all, which noisy frames are made from, are `synth.frames`'.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..picture.pair import TwinshotError
from ..synth.frames import images_in

Split = Literal["train", "test"]
Blur = Literal["blur", "blur_gamma"]

_LAYOUT = "GOPRO_Large holds {train,test}/SCENE/{blur,blur_gamma,sharp}/NNNNNN.png"


@dataclass(frozen=True)
class BlurPair:
    """A blurry picture and its sharp one; `name` is SCENE/NNNNNN."""

    name: str
    blur: Path
    sharp: Path


def gopro_large(root: Path, split: Split = "test", blur: Blur = "blur") -> list[BlurPair]:
    """The pairs of GOPRO_Large by scene and number: 2103 of train, 1111 of test.

    Args:
        root: the folder GOPRO_Large, which has train/ or test/ in it.
        split: which of the two.
        blur: `blur` is the plain mean of the frames, which most papers report on; `blur_gamma` the mean in the light
            of gamma 2.2.

    Raises:
        TwinshotError: a folder of the layout or one picture of a pair is missing.
    """
    folder = root / split
    if not folder.is_dir():
        raise TwinshotError(f"{folder}: no such folder; name the folder GOPRO_Large: {_LAYOUT}")
    scenes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not scenes:
        raise TwinshotError(f"{folder}: holds no scenes; {_LAYOUT}")
    return [pair for scene in scenes for pair in _pairs(scene, blur)]


def _pairs(scene: Path, blur: str) -> list[BlurPair]:
    for kind in (blur, "sharp"):
        if not (scene / kind).is_dir():
            seen = ", ".join(sorted(path.name for path in scene.iterdir() if path.is_dir())) or "no folders"
            raise TwinshotError(f"{scene / kind}: no such folder, {scene.name} has {seen}; {_LAYOUT}")
    blurry, sharp = ({path.name for path in images_in(scene / kind)} for kind in (blur, "sharp"))
    for name in sorted(blurry ^ sharp):
        missing, there = sorted((scene / blur / name, scene / "sharp" / name), key=Path.is_file)
        raise TwinshotError(f"{missing}: missing, but {there} is there; a pair needs both")
    return [
        BlurPair(f"{scene.name}/{Path(name).stem}", scene / blur / name, scene / "sharp" / name)
        for name in sorted(sharp)
    ]

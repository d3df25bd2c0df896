"""Make the example pair from one photograph: a hand-held evening shot, by the `camera` profile with fixed settings.

    python demo/make_pair.py Wine_by_Jakkub_Mede.jpg

The photograph is "Wine" by Jakub Mede, 2018, CC BY 4.0, from Debian's package lomiri-wallpapers-16.04.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.levels import eight_bit
from twinshot.synth.frames import StillWindow, read_photo
from twinshot.synth.motion import MotionRange
from twinshot.synth.profiles import CameraProfile
from twinshot.synth.sample import sample

SEED = 5
LEVEL, RATIO = 0.62, 8.0
EVENING = 0.45  # of the daylight
MOTION = MotionRange(blur=(16.0, 20.0), gap=(0.1, 0.2), movers=0.0)
CAMERA = {"noisy": ((1, 30), 3200), "blurry": ((1, 4), 400)}  # 7.5 times as long, an eighth of the ISO


def main(photo: Path, folder: Path) -> None:
    """Write noisy.jpg, blurry.jpg and sharp.jpg."""
    picture = read_photo(photo)[400:2800]  # the room, the bottle and the drum
    picture = cv2.resize(picture, None, fx=0.42, fy=0.42, interpolation=cv2.INTER_AREA)
    evening = to_srgb(to_linear(picture) * np.float32(EVENING))
    profile = replace(CameraProfile(), level=(LEVEL, LEVEL), ratio=(RATIO, RATIO), mosaic=1.0, jpeg=0.0, dark_file=0.0)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "evening.png")
        cv2.imwrite(str(source), eight_bit(evening)[..., ::-1])
        triple = sample(StillWindow(source, (), None, MOTION), profile, SEED)
    for name in ("noisy", "blurry", "sharp"):
        pixels = Image.fromarray(eight_bit(getattr(triple, name)))
        pixels.save(folder / f"{name}.jpg", quality=94, subsampling=0, exif=_exif(name))


def _exif(name: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "after Wine by Jakub Mede, CC BY 4.0"
    if name in CAMERA:
        (numerator, denominator), iso = CAMERA[name]
        camera = exif.get_ifd(ExifTags.IFD.Exif)
        camera[ExifTags.Base.ExposureTime] = numerator / denominator
        camera[ExifTags.Base.ISOSpeedRatings] = iso
        camera[ExifTags.Base.FNumber] = 1.8
    return exif.tobytes()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)

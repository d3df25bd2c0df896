"""Systems without a network: inputs as they are, and methods of libraries and of `baselines`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import cv2
import numpy as np

from ..baselines import hdrplus, ringaby, yuan
from ..baselines.system import About, Shot, Takes
from ..picture.encoding import Image
from ..picture.errors import TwinshotError
from ..picture.levels import eight_bit
from ..picture.pair import as_float


@dataclass(frozen=True)
class Plain:
    """A system that is one function."""

    name: str
    takes: Takes
    method: Callable[[Shot], Image]
    modules: tuple[ModuleType, ...] = ()  # that have the method, where it is not here
    about: About | None = None

    def restore(self, shot: Shot) -> Image:
        """See `System`. Raises TwinshotError where it takes a burst and the shot has none."""
        if self.takes == "burst" and not shot.burst:
            raise TwinshotError(
                "needs a burst, and this set has none; `twinshot synth --burst 11` makes sets with bursts"
            )
        return self.method(shot)


def _nlm(shot: Shot) -> Image:
    """OpenCV's non-local means, its strength the true noise."""
    strength, reversed_ = 255 * shot.sigma, np.ascontiguousarray(eight_bit(shot.noisy)[..., ::-1])
    clean = cv2.fastNlMeansDenoisingColored(reversed_, None, strength, strength, 7, 21)
    return as_float(np.ascontiguousarray(clean[..., ::-1]))


def _bm3d(shot: Shot) -> Image:
    """BM3D in its colour form (package bm3d), told the true noise."""
    try:
        import bm3d
    except ImportError as error:
        raise TwinshotError("BM3D needs its package; run pip install 'twinshot[bench]'") from error
    return np.asarray(np.clip(bm3d.bm3d_rgb(shot.noisy, shot.sigma), 0, 1), np.float32)


def _wavelet(shot: Shot) -> Image:
    """scikit-image's wavelet shrinkage (BayesShrink in YCbCr), told the true noise."""
    try:
        from skimage.restoration import denoise_wavelet
    except ImportError as error:
        raise TwinshotError("wavelets need scikit-image; run pip install 'twinshot[bench]'") from error
    clean = denoise_wavelet(shot.noisy, shot.sigma, convert2ycbcr=True, channel_axis=-1, rescale_sigma=True)
    return np.asarray(np.clip(clean, 0, 1), np.float32)


def _mean(shot: Shot) -> Image:
    """The burst's plain mean: what its alignment and its merging are worth is measured from here."""
    return np.asarray(np.mean(shot.burst, axis=0), np.float32)


def _hdrplus(shot: Shot) -> Image:
    return hdrplus.merge(shot.burst, hdrplus.Noise(shot.sigma))


def _ringaby(shot: Shot) -> Image:
    return ringaby.stack(shot.burst)


def _yuan(shot: Shot) -> Image:
    """Yuan et al. start from a denoised frame, which non-local means makes here, and take registered frames."""
    return yuan.deblur(_nlm(shot), shot.registered)


CLASSICAL: dict[str, Plain] = {
    found.name: found
    for found in (
        Plain(
            "noisy",
            "noisy",
            lambda shot: shot.noisy,
            about=About("the short frame at the blurry frame's exposure, as it is", "input"),
        ),
        Plain("blurry", "blurry", lambda shot: shot.blurry, about=About("the long frame as it is", "input")),
        Plain(
            "registered",
            "pair",
            lambda shot: shot.registered,
            about=About("the long frame laid on the short one as twinshot does it, nothing else", "input"),
        ),
        Plain(
            "nlm",
            "noisy",
            _nlm,
            about=About("non-local means, told the true noise", "Buades, Coll, Morel, CVPR 2005; OpenCV's code"),
        ),
        Plain(
            "bm3d",
            "noisy",
            _bm3d,
            about=About(
                "BM3D in its colour form, told the true noise",
                "Dabov, Foi, Katkovnik, Egiazarian, IEEE TIP 2007; the package bm3d",
            ),
        ),
        Plain(
            "wavelet",
            "noisy",
            _wavelet,
            about=About(
                "wavelet shrinkage (BayesShrink), told the true noise",
                "Chang, Yu, Vetterli, IEEE TIP 2000; scikit-image's code",
            ),
        ),
        Plain("mean", "burst", _mean, about=About("the burst's plain mean, not aligned", "none")),
        Plain(
            "hdrplus",
            "burst",
            _hdrplus,
            (hdrplus,),
            about=About(
                "HDR+: tiles aligned, merged by a Wiener filter that is told the true noise",
                "Hasinoff et al., SIGGRAPH Asia 2016; as Monod, Facciolo, Morel, IPOL 2021",
            ),
        ),
        Plain(
            "ringaby",
            "burst",
            _ringaby,
            (ringaby,),
            about=About("frames aligned by tracked features, then averaged", "after Ringaby, Forssen, ICCP 2014"),
        ),
        Plain(
            "yuan",
            "pair",
            _yuan,
            (yuan,),
            about=About(
                "one blur kernel from a denoised frame (non-local means, told the true noise), then deconvolution",
                "Yuan, Sun, Quan, Shum, SIGGRAPH 2007",
            ),
        ),
    )
}

"""What others published: the figures of the paper's Tables II and III, and where each compared system comes from.

These figures are copied, not measured: other training, other hardware, other draws of the noise. They stand beside
ours, never among them.
"""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "Zhang, Zhen, Stevenson: Deep Motion Blur Removal Using Noisy/Blurry Image Pairs"


@dataclass(frozen=True)
class Published:
    """A figure of the paper's Table II or III: PSNR in dB, and SSIM (it does not say by which convention)."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Described:
    """A system in a few words, and its source."""

    what: str
    source: str


PUBLISHED: dict[str, dict[str, Published]] = {
    "gopro": {
        "deblurgan": Published(26.63, 0.8798),
        "srn": Published(30.25, 0.9422),
        "merger": Published(31.38, 0.9471),
        "rnn": Published(31.98, 0.9533),
    },
    "gopro2": {
        "deblurgan": Published(20.51, 0.7489),
        "srn": Published(25.48, 0.7976),
        "merger": Published(31.86, 0.9531),
        "rnn": Published(32.53, 0.9561),
        "noise2noise": Published(30.91, 0.9252),
    },
    "koehler": {
        "deblurgan": Published(25.73, 0.8212),
        "srn": Published(26.80, 0.8579),
        "merger": Published(31.77, 0.9475),
        "rnn": Published(32.90, 0.9592),
    },
}
"""By our names of set and system."""

PUBLISHED_SECONDS = {"deblurgan": 1.8, "srn": 1.6, "merger": 0.7, "rnn": 1.1}
"""Table II: one picture of 1280x720 on a GeForce GTX 1080 Ti."""

_HERE = "this project"
_CONTROL = "DeblurMerger on the small budget of the ablations"
SYSTEMS = {
    "noisy": Described("the short frame at the blurry frame's exposure, as it is", "input"),
    "blurry": Described("the long frame as it is", "input"),
    "registered": Described("the long frame laid on the short one as twinshot does it, nothing else", "input"),
    "nlm": Described("non-local means, told the true noise", "Buades, Coll, Morel, CVPR 2005; OpenCV's code"),
    "bm3d": Described(
        "BM3D in its colour form, told the true noise",
        "Dabov, Foi, Katkovnik, Egiazarian, IEEE TIP 2007; the package bm3d",
    ),
    "wavelet": Described(
        "wavelet shrinkage (BayesShrink), told the true noise",
        "Chang, Yu, Vetterli, IEEE TIP 2000; scikit-image's code",
    ),
    "mean": Described("the burst's plain mean, not aligned", "none"),
    "hdrplus": Described(
        "HDR+: tiles aligned, merged by a Wiener filter that is told the true noise",
        "Hasinoff et al., SIGGRAPH Asia 2016; as Monod, Facciolo, Morel, IPOL 2021",
    ),
    "ringaby": Described("frames aligned by tracked features, then averaged", "after Ringaby, Forssen, ICCP 2014"),
    "yuan": Described(
        "one blur kernel from a denoised frame (non-local means, told the true noise), then deconvolution",
        "Yuan, Sun, Quan, Shum, SIGGRAPH 2007",
    ),
    "deblurgan": Described("DeblurGAN, half as wide as published", "Kupyn et al., CVPR 2018"),
    "srn": Described("SRN, recurrent over three scales, half as wide as published", "Tao et al., CVPR 2018"),
    "deepdeblur": Described("DeepDeblur, three scales, a quarter as wide as published", "Nah, Kim, Lee, CVPR 2017"),
    "dcdeblurgan": Described(
        "DCDeblurGAN, the predecessor of DeblurRNN: half as wide as published, 5 levels for 8",
        "Zhang, Zhen, Stevenson: GAN Based Image Deblurring Using Dark Channel Prior, 2019",
    ),
    "noise2noise": Described("Noise2Noise trained on the noise of this project", "Lehtinen et al., ICML 2018"),
    "noise2noise-gaussian": Described("Noise2Noise trained on white noise", "Lehtinen et al., ICML 2018"),
    "unet": Described(
        "a plain U-Net in TwinNet's place, half as wide as published", "after Ronneberger, Fischer, Brox, MICCAI 2015"
    ),
    "rnn": Described("DeblurRNN, half as wide as its predecessor, 4 levels for 8", PAPER),
    "merger": Described("DeblurMerger, half as wide as its predecessor, 5 levels for 8", PAPER),
    "merger-pair": Described("DeblurMerger on the loss and the schedule of the plain U-Net", PAPER),
    "rnn-pair": Described("DeblurRNN on the loss and the schedule of the plain U-Net", PAPER),
    "twin": Described("TwinNet, the network that ships", _HERE),
    "twin-large": Described("TwinNet of three times the operations, on the batches of twin", _HERE),
    "twin-pair": Described("TwinNet with four blocks fewer than twin, on the budget of the plain U-Net", _HERE),
    "twin-noisy": Described("twin given the noisy frame alone, on the same batches", _HERE),
    "full-merger": Described(_CONTROL, PAPER),
    "full-rnn": Described("DeblurRNN on the small budget of the ablations", PAPER),
    "noisy-only": Described(f"{_CONTROL}, given the noisy frame alone", _HERE),
    "blurry-only": Described(f"{_CONTROL}, given the blurry frame alone", _HERE),
    "no-dark-channel": Described(f"{_CONTROL}, without the dark channel loss", _HERE),
    "no-gan": Described(f"{_CONTROL}, without the adversarial loss", _HERE),
    "no-gradient": Described(f"{_CONTROL}, without the gradient loss", _HERE),
    "no-spectral": Described(f"{_CONTROL}, without spectral norm", _HERE),
    "no-flow": Described("DeblurRNN on that budget, its ConvLSTM started from zeros", _HERE),
    "pixel-only": Described(f"{_CONTROL}, with the content loss alone", _HERE),
}
"""By our names; a report says of any other that it is not described."""

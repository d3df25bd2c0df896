"""What others published: the figures of the paper's Tables II and III.

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

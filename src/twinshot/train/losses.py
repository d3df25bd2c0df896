"""Training losses, each on NCHW float tensors in [0, 1] and returning a scalar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import log
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..picture.pair import TwinshotError
from .config import AdversarialForm, LossConfig, PaperWeights


def psnr_loss(restored: Tensor, sharp: Tensor, floor: float = 1e-4) -> Tensor:
    """Minus the mean PSNR in dB, over 10: log10(MSE) of each picture, averaged.

    It weighs pictures as the benchmark does, so that nearly clean ones still count beside very noisy ones. `floor`
    is added to the MSE, so that the pull of a picture fades past it: 1e-4 is 40 dB, 1e-6 is 60.
    """
    return torch.log10(_square_error(restored, sharp) + floor).mean()


def aimed_psnr_loss(restored: Tensor, aim: Tensor, sharp: Tensor, floor: float = 1e-4) -> Tensor:
    """The mean square error towards `aim`, for each picture times the slope of `psnr_loss`, 1 / (ln 10 (MSE + floor)).

    Where `aim` is the truth, its gradient is that of `psnr_loss`. Where it is what may be expected of the truth, the
    gradient is nearly the same in the mean and has less noise, which is what neither frame tells of the truth.
    """
    slopes = 1 / (log(10) * (_square_error(restored, sharp) + floor))
    return (slopes.detach() * _square_error(restored, aim)).mean()


def _square_error(restored: Tensor, sharp: Tensor) -> Tensor:
    """The mean square error of each picture."""
    return (restored - sharp).square().mean((1, 2, 3))


def spectrum_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute value of the difference's unitary Fourier transform: as L1, but of waves for pixels.

    A restored picture's errors are few waves, mostly faint edges and grain: each counts by its amplitude here, where
    the mean square hardly sees it beside the strong ones.
    """
    waves: Tensor = torch.fft.rfft2(restored - sharp, norm="ortho")
    return waves.abs().mean()


def restoration_loss(
    pictures: Sequence[Tensor], sharp: Tensor, weights: LossConfig, taught: Tensor | None = None
) -> Tensor:
    """The weighted terms of `restoration`, summed over a net's scales.

    Args:
        pictures: (n, 3, h / k, w / k) for one or several k; each is compared with the means of k x k pixels of `sharp`.
        sharp: (n, 3, h, w).
        weights: of the terms; one of weight 0 is not computed.
        taught: (n, 3, h, w), what a teacher makes of the pairs; all terms then aim between the truth and it.
    """
    losses = []
    for picture in pictures:
        size = picture.shape[-2:]
        aim = truth = F.interpolate(sharp, size, mode="area")
        if taught is not None:
            aim = truth.lerp(F.interpolate(taught, size, mode="area"), weights.trust)
        nearness = psnr_loss if taught is None else partial(aimed_psnr_loss, sharp=truth)
        terms = (
            (weights.psnr, partial(nearness, floor=weights.floor)),
            (weights.mse, F.mse_loss),
            (weights.l1, F.l1_loss),
            (weights.spectrum, spectrum_loss),
        )
        losses += [weight * term(picture, aim) for weight, term in terms if weight]
    return torch.stack(losses).sum()


# The paper's losses (Section III-B). Its tensors run over [-1, 1] and ours over [0, 1]: differences count double.
_SPAN = 2.0

TABLE_I = PaperWeights()


def content_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference, on the [-1, 1] scale: eq. (5), and eq. (7) for the denoising net."""
    return _SPAN * (restored - sharp).abs().mean()


def gradient_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of horizontal plus that of vertical Sobel gradients, on the [-1, 1] scale: eq. (6).

    The 3x3 kernels are plain integers (1 2 1), eight times a derivative per pixel; borders are reflected. The paper
    picked its weights to make the losses alike at the start, and with these conventions they are: against a mid-grey
    picture, the weighted content, gradient and dark channel losses of 24 photographs average 27, 29 and 36.
    """
    return _SPAN * sobel(restored - sharp).abs().mean((0, 2, 3)).sum()


def sobel(image: Tensor) -> Tensor:
    """Horizontal and vertical gradients of every channel, not normalised: (n, c, h, w) -> (n * c, 2, h, w)."""
    # Sums of slices: on a CPU a convolution of one channel costs several times as much.
    padded = F.pad(image, (1, 1, 1, 1), mode="reflect").flatten(0, 1)
    down = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return torch.stack([down[..., 2:] - down[..., :-2], across[:, 2:] - across[:, :-2]], 1)


def dark_channel(image: Tensor, window: int = 15) -> Tensor:
    """The least value of any channel in the window around each pixel: Dc of eq. (2), (n, c, h, w) -> (n, 1, h, w).

    `window` is odd; at the borders the part inside the picture counts.
    """
    brightest = -image.amin(1, keepdim=True)
    rows = F.max_pool2d(brightest, (1, window), stride=1, padding=(0, window // 2))
    return -F.max_pool2d(rows, (window, 1), stride=1, padding=(window // 2, 0))


def dark_channel_loss(restored: Tensor, sharp: Tensor, window: int = 15) -> Tensor:
    """Mean squared difference of the dark channels, on the [0, 1] scale: eq. (2), squared as its predecessor's code."""
    return F.mse_loss(dark_channel(restored, window), dark_channel(sharp, window))


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Minus eq. (4), which the discriminator maximises: -log D(sharp) - log(1 - D(restored)), from logits.

    The restored picture must come detached, or without gradient.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def adversarial_loss(fake_logits: Tensor, form: AdversarialForm = "minimax") -> Tensor:
    """The generator's part of eq. (4), from the discriminator's logits: log(1 - D), or -log D if `non_saturating`.

    Raises:
        TwinshotError: another form.
    """
    if form not in get_args(AdversarialForm):
        raise TwinshotError(f"adversarial form {form!r}: choose from {', '.join(get_args(AdversarialForm))}")
    return F.softplus(-fake_logits).mean() if form == "non_saturating" else -F.softplus(fake_logits).mean()


def deblurring_terms(
    restored: Tensor, sharp: Tensor, fake_logits: Tensor | None = None, weights: PaperWeights = TABLE_I
) -> dict[str, Tensor]:
    """The terms of eq. (3) by name, already weighted; without `fake_logits` there is no adversarial one."""
    terms = {}
    if weights.content:
        terms["content"] = weights.content * content_loss(restored, sharp)
    if weights.gradient:
        terms["gradient"] = weights.gradient * gradient_loss(restored, sharp)
    if weights.dark_channel:
        terms["dark_channel"] = weights.dark_channel * dark_channel_loss(restored, sharp)
    if weights.adversarial and fake_logits is not None:
        terms["adversarial"] = weights.adversarial * adversarial_loss(fake_logits, weights.adversarial_form)
    return terms


def deblurring_loss(terms: Mapping[str, Tensor]) -> Tensor:
    """Eq. (3), the sum of its weighted terms: what the generator of DeblurRNN or DeblurMerger is trained with."""
    return torch.stack(list(terms.values())).sum()


def denoising_loss(denoised: Tensor, sharp: Tensor, weights: PaperWeights = TABLE_I) -> Tensor:
    """Eq. (7) times its weight in Table I: the only loss of DeblurRNN's denoising net."""
    return weights.denoising * content_loss(denoised, sharp)


# DeblurGAN's losses, after WGAN-GP (Gulrajani et al. 2017).


def critic_loss(sharp_scores: Tensor, restored_scores: Tensor) -> Tensor:
    """How much higher the critic scores restored pictures than sharp ones, on average: it makes this small.

    The restored picture must come detached, or without gradient.
    """
    return restored_scores.mean() - sharp_scores.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], sharp: Tensor, restored: Tensor) -> Tensor:
    """Mean squared distance of the critic's slope from 1, at pictures mixed of sharp and restored ones.

    The slope is taken as DeblurGAN's public code takes it: the norm over the channels, pixel by pixel, of the gradient
    of the sum of all scores, for a picture in [-1, 1]. WGAN-GP itself has one norm a picture: under that the mean of
    the scores would pull at the generator several times as hard against the same weight of the content loss. Each
    picture is mixed by a share of its own, drawn from torch's global generator. Give float32: it is differentiated
    twice.

    Args:
        critic: pictures (n, 3, h, w) in [0, 1] to scores.
        sharp, restored: (n, 3, h, w) in [0, 1], without gradient.
    """
    share = torch.rand(len(sharp), 1, 1, 1, device=sharp.device)
    mixed = (share * sharp + (1 - share) * restored).requires_grad_()
    (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    norms: Tensor = torch.linalg.vector_norm(slope / _SPAN, dim=1)
    return (norms - 1).square().mean()

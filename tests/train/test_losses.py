"""The training losses against slow, direct evaluations and finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from twinshot.picture.pair import TwinshotError
from twinshot.train.config import LossConfig
from twinshot.train.losses import (
    TABLE_I,
    PaperWeights,
    adversarial_loss,
    aimed_psnr_loss,
    content_loss,
    critic_loss,
    dark_channel,
    dark_channel_loss,
    deblurring_loss,
    deblurring_terms,
    denoising_loss,
    discriminator_loss,
    gradient_loss,
    gradient_penalty,
    psnr_loss,
    restoration_loss,
    sobel,
    spectrum_loss,
)

Array = NDArray[np.float64]


def pictures(*shape: int) -> tuple[Tensor, Tensor]:
    return torch.rand(shape, dtype=torch.float64), torch.rand(shape, dtype=torch.float64)


def slow_sobel(image: Array) -> tuple[Array, Array]:
    padded = np.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="reflect")
    horizontal, vertical = np.zeros_like(image), np.zeros_like(image)
    for n, c, y, x in np.ndindex(image.shape):
        p = padded[n, c, y : y + 3, x : x + 3]
        horizontal[n, c, y, x] = (p[0, 2] + 2 * p[1, 2] + p[2, 2]) - (p[0, 0] + 2 * p[1, 0] + p[2, 0])
        vertical[n, c, y, x] = (p[2, 0] + 2 * p[2, 1] + p[2, 2]) - (p[0, 0] + 2 * p[0, 1] + p[0, 2])
    return horizontal, vertical


def slow_dark_channel(image: Array, window: int) -> Array:
    count, _, height, width = image.shape
    out, r = np.zeros((count, 1, height, width)), window // 2
    for n, y, x in np.ndindex(count, height, width):
        out[n, 0, y, x] = image[n, :, max(0, y - r) : y + r + 1, max(0, x - r) : x + r + 1].min()
    return out


def test_content_loss_is_measured_on_the_wide_scale() -> None:
    a, b = pictures(2, 3, 5, 7)
    signed = np.abs((2 * a.numpy() - 1) - (2 * b.numpy() - 1)).mean()
    assert content_loss(a, b).item() == pytest.approx(signed, rel=1e-12)
    assert denoising_loss(a, b).item() == pytest.approx(50 * signed, rel=1e-12)


def test_sobel_against_a_direct_evaluation() -> None:
    a, _ = pictures(2, 3, 6, 5)
    both = sobel(a).reshape(2, 3, 2, 6, 5).numpy()
    horizontal, vertical = slow_sobel(a.numpy())
    np.testing.assert_allclose(both[:, :, 0], horizontal, atol=1e-12)
    np.testing.assert_allclose(both[:, :, 1], vertical, atol=1e-12)


def test_sobel_of_a_ramp_is_eight_times_its_slope() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 5, 6) * 0.1
    both = sobel(ramp)
    torch.testing.assert_close(both[0, 0, :, 1:-1], torch.full((5, 4), 0.8))
    torch.testing.assert_close(both[0, 1], torch.zeros(5, 6))


def test_gradient_loss_against_a_direct_evaluation() -> None:
    a, b = pictures(2, 3, 6, 5)
    pairs = zip(slow_sobel(2 * a.numpy() - 1), slow_sobel(2 * b.numpy() - 1), strict=True)
    expected = sum(np.abs(x - y).mean() for x, y in pairs)
    assert gradient_loss(a, b).item() == pytest.approx(expected, rel=1e-12)


def test_gradient_loss_is_blind_to_a_constant() -> None:
    a, _ = pictures(1, 3, 8, 8)
    assert gradient_loss(a, a + 0.1).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("window", [1, 3, 15])
def test_dark_channel_against_a_direct_evaluation(window: int) -> None:
    a, b = pictures(2, 3, 19, 17)
    slow_a, slow_b = slow_dark_channel(a.numpy(), window), slow_dark_channel(b.numpy(), window)
    np.testing.assert_array_equal(dark_channel(a, window).numpy(), slow_a)
    assert dark_channel_loss(a, b, window).item() == pytest.approx(((slow_a - slow_b) ** 2).mean(), rel=1e-12)


def test_dark_channel_has_the_predecessors_window() -> None:
    image = torch.ones(1, 3, 33, 33)
    image[0, 1, 16, 16] = 0
    assert (dark_channel(image) == 0).sum() == 15 * 15


def test_adversarial_losses_are_equation_4() -> None:
    real, fake = pictures(4)
    d_real, d_fake = 1 / (1 + np.exp(-real.numpy())), 1 / (1 + np.exp(-fake.numpy()))
    value = np.log(d_real).mean() + np.log(1 - d_fake).mean()
    assert discriminator_loss(real, fake).item() == pytest.approx(-value, rel=1e-12)
    assert adversarial_loss(fake).item() == pytest.approx(np.log(1 - d_fake).mean(), rel=1e-12)
    assert adversarial_loss(fake, "non_saturating").item() == pytest.approx(-np.log(d_fake).mean(), rel=1e-12)


@pytest.mark.parametrize(("form", "slope"), [("minimax", 0.0), ("non_saturating", -1.0)])
def test_the_forms_differ_where_the_discriminator_is_sure(form: str, slope: float) -> None:
    logit = torch.tensor([-60.0], requires_grad=True)
    adversarial_loss(logit, form).backward()  # type: ignore[arg-type]
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(slope, abs=1e-6)


def test_extreme_logits_stay_finite() -> None:
    sure = torch.tensor([1e4, -1e4])
    assert discriminator_loss(sure, sure).isfinite()
    assert adversarial_loss(sure).isfinite()


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(TwinshotError, match="minimax"):
        adversarial_loss(torch.zeros(1), "hinge")  # type: ignore[arg-type]


def test_equation_3_with_the_weights_of_table_i() -> None:
    a, b = pictures(2, 3, 16, 17)
    logits = torch.randn(2, dtype=torch.float64)
    parts = [content_loss(a, b), gradient_loss(a, b), dark_channel_loss(a, b), adversarial_loss(logits)]
    expected = sum(w * part.item() for w, part in zip((50, 50, 250, 1), parts, strict=True))
    assert deblurring_loss(deblurring_terms(a, b, logits)).item() == pytest.approx(expected, rel=1e-12)
    assert PaperWeights() == TABLE_I


def test_terms_of_weight_zero_are_left_out() -> None:
    a, b = pictures(1, 3, 16, 16)
    assert set(deblurring_terms(a, b)) == {"content", "gradient", "dark_channel"}
    weights = PaperWeights(gradient=0, dark_channel=0)
    assert set(deblurring_terms(a, b, torch.zeros(1), weights)) == {"content", "adversarial"}


def whole_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    return deblurring_loss(deblurring_terms(restored, sharp))


@pytest.mark.parametrize("loss", [content_loss, gradient_loss, dark_channel_loss, psnr_loss, spectrum_loss, whole_loss])
def test_gradients_of_picture_losses(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    a, b = pictures(1, 3, 5, 4)
    assert torch.autograd.gradcheck(loss, (a.requires_grad_(), b))


@pytest.mark.parametrize("form", ["minimax", "non_saturating"])
def test_gradients_of_adversarial_losses(form: str) -> None:
    real, fake = (x.requires_grad_() for x in pictures(3))
    assert torch.autograd.gradcheck(discriminator_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda x: adversarial_loss(x, form), (fake,))  # type: ignore[arg-type]


# Restoration at several scales


def test_restoration_terms_are_weighted_and_summed_over_scales() -> None:
    fine, sharp = pictures(2, 3, 8, 12)
    coarse, _ = pictures(2, 3, 4, 6)
    small = sharp.reshape(2, 3, 4, 2, 6, 2).mean((3, 5))
    pairs = [(coarse, small), (fine, sharp)]
    parts = [
        2 * psnr_loss(a, b) + 3 * (a - b).square().mean() + 5 * (a - b).abs().mean() + 7 * spectrum_loss(a, b)
        for a, b in pairs
    ]
    weights = LossConfig(psnr=2.0, mse=3.0, l1=5.0, spectrum=7.0)
    assert restoration_loss([coarse, fine], sharp, weights).item() == pytest.approx(sum(parts).item(), rel=1e-9)


def test_the_spectrum_loss_counts_waves_by_their_amplitude() -> None:
    sharp = torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * 3 * torch.arange(16, dtype=torch.float64) / 16).expand_as(sharp)
    # A cosine is two waves of amplitude 1/2, one of which is in the half spectrum of 16 x 9; unitary: times 16.
    assert spectrum_loss(wave, sharp).item() == pytest.approx(0.5 * 16 / (16 * 9))
    assert spectrum_loss(0.1 * wave, sharp).item() == pytest.approx(0.05 * 16 / (16 * 9))


def test_aimed_at_the_truth_it_pulls_as_the_psnr_loss_does() -> None:
    restored, sharp = pictures(2, 3, 8, 8)
    restored.requires_grad_()
    expected = torch.autograd.grad(psnr_loss(restored, sharp), restored)[0]
    torch.testing.assert_close(torch.autograd.grad(aimed_psnr_loss(restored, sharp, sharp), restored)[0], expected)


def test_who_is_taught_aims_between_the_truth_and_the_teacher() -> None:
    restored, sharp = pictures(2, 3, 8, 8)
    taught, _ = pictures(2, 3, 8, 8)
    aim = 0.25 * sharp + 0.75 * taught
    weights = LossConfig(psnr=1.0, l1=2.0, spectrum=3.0, trust=0.75)
    terms = (aimed_psnr_loss(restored, aim, sharp), 2 * (restored - aim).abs().mean(), 3 * spectrum_loss(restored, aim))
    expected = torch.stack(terms).sum()
    assert restoration_loss([restored], sharp, weights, taught).item() == pytest.approx(expected.item(), rel=1e-9)


def test_a_teacher_of_a_net_of_several_scales() -> None:
    fine, sharp = pictures(1, 3, 8, 8)
    taught, _ = pictures(1, 3, 8, 8)
    coarse, weights = pictures(1, 3, 4, 4)[0], LossConfig(trust=0.5)
    small_sharp, small_taught = (F.avg_pool2d(x, 2) for x in (sharp, taught))
    alone = restoration_loss([fine], sharp, weights, taught) + restoration_loss(
        [coarse], small_sharp, weights, small_taught
    )
    assert restoration_loss([coarse, fine], sharp, weights, taught).item() == pytest.approx(alone.item(), rel=1e-9)


def test_by_default_restoration_is_the_psnr_loss() -> None:
    a, b = pictures(2, 3, 8, 8)
    assert restoration_loss([a], b, LossConfig()).item() == psnr_loss(a, b).item()


def test_the_floor_is_where_a_pictures_pull_fades() -> None:
    """At 50 dB a dB counts for an eleventh with a floor of 40 dB, and for ten elevenths with one of 60."""
    sharp = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    for floor, share in ((1e-4, 1 / 11), (1e-6, 1 / 1.1)):
        restored = torch.full_like(sharp, 1e-5**0.5, requires_grad=True)
        pull = torch.autograd.grad(restoration_loss([restored], sharp, LossConfig(floor=floor)), restored)[0]
        steepest = torch.autograd.grad(torch.log10(restored.square().mean()), restored)[0]
        torch.testing.assert_close(pull, share * steepest)


# DeblurGAN


def test_the_critic_wants_sharp_pictures_higher() -> None:
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0])
    assert critic_loss(real, fake).item() == 1.5 - 4.0


def test_the_penalty_is_of_each_pixels_slope_on_the_wide_scale() -> None:
    slope = torch.rand(1, 3, 4, 5)
    penalty = gradient_penalty(lambda x: slope * x, *torch.rand(2, 2, 3, 4, 5))
    expected = ((slope / 2).square().sum(1).sqrt() - 1).square().mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_penalty_is_taken_between_the_pictures() -> None:
    seen: list[Tensor] = []
    sharp, restored = torch.rand(2, 3, 3, 4, 4)

    def critic(image: Tensor) -> Tensor:
        seen.append(image.detach())
        return image.square()

    gradient_penalty(critic, sharp, restored)
    shares = (seen[0] - restored) / (sharp - restored)
    assert (shares > 0).all()
    assert (shares < 1).all()
    torch.testing.assert_close(shares, shares[:, :1, :1, :1].expand_as(shares), rtol=0, atol=1e-2)
    assert len(shares[:, 0, 0, 0].unique()) == 3


def test_the_penalty_trains_the_critic() -> None:
    critic = torch.nn.Conv2d(3, 1, 3)
    gradient_penalty(critic, *torch.rand(2, 1, 3, 8, 8)).backward()
    assert critic.weight.grad is not None
    assert critic.weight.grad.any()

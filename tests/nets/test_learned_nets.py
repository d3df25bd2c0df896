"""The learned baselines: what every network promises, and what sets each of them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twinshot.export.to_onnx import largest_difference, sizes_for, stored_as_fp16, to_onnx
from twinshot.nets import build, takes_of
from twinshot.nets.deblurgan import Critic, DeblurGAN
from twinshot.nets.deepdeblur import DeepDeblur
from twinshot.nets.multiscale import pyramid
from twinshot.nets.noise2noise import Noise2Noise
from twinshot.nets.srn import SRN
from twinshot.nets.unet import UNet
from twinshot.picture.pair import TwinshotError

SMALL: dict[str, dict[str, Any]] = {
    "deblurgan": {"width": 4, "blocks": 2},
    "srn": {"width": 2},
    "deepdeblur": {"width": 4, "blocks": 2},
    "dcdeblurgan": {"base_channels": 2, "levels": 3},
    "noise2noise": {"width": 3},
    "unet": {"base_channels": 4, "levels": 3},
}
OTHER = {"noisy": "blurry", "blurry": "noisy"}
IGNORED = {kind: OTHER[takes_of(kind, {})] for kind in SMALL if takes_of(kind, {}) != "pair"}
COUNTS = {
    "deblurgan": 11_372_931,
    "srn": 8_061_411,
    "deepdeblur": 11_721_321,
    "dcdeblurgan": 85_017_347,
    "noise2noise": 991_203,
    "unet": 31_033_603,
}
MULTIPLES = {"deblurgan": 4, "srn": 16, "deepdeblur": 4, "dcdeblurgan": 8, "noise2noise": 32, "unet": 4}


def frames(height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 3, height, width), torch.rand(count, 3, height, width)


def lively(kind: str, **changes: Any) -> nn.Module:
    """A small one whose weights are nowhere zero and whose norms have seen data."""
    torch.manual_seed(0)
    change = 0.01 if kind == "srn" else 0.1  # its many residual blocks without norm would blow more up
    net = build(kind, {**SMALL[kind], **changes})
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p), alpha=change)
        for _ in range(3):
            net(*frames(64, 64, 2))
    return net.eval()


def maps(net: nn.Module, *parts: nn.Module, side: int = 256) -> list[tuple[int, ...]]:
    """Channels and side of what the parts gave for a picture, in the order they ran."""
    seen: list[tuple[int, ...]] = []
    hooks = [m.register_forward_hook(lambda _m, _x, out: seen.append((out.shape[1], out.shape[2]))) for m in parts]
    ghost = torch.empty(1, 3, side, side, device="meta")
    net(ghost) if isinstance(net, Critic) else net(ghost, ghost)
    for hook in hooks:
        hook.remove()
    return seen


def published(make: Callable[[], nn.Module]) -> Any:
    with torch.device("meta"):
        return make().eval()


# What every network promises


@pytest.mark.parametrize("kind", COUNTS)
def test_published_size(kind: str) -> None:
    net = published(lambda: build(kind, {}))
    assert sum(p.numel() for p in net.parameters()) == COUNTS[kind]


@torch.no_grad()
@pytest.mark.parametrize("kind", SMALL)
def test_any_multiple_works_from_16_up(kind: str) -> None:
    net = lively(kind)
    assert net.multiple == MULTIPLES[kind]
    least = max(16, MULTIPLES[kind])
    for height, width in [*sizes_for(MULTIPLES[kind]), (least, least), (least, 3 * least)]:
        out = net(*frames(height, width))
        assert (out.shape, out.dtype) == ((1, 3, height, width), torch.float32)
        assert out.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("kind", IGNORED)
def test_one_frame_is_used_and_the_other_ignored(kind: str) -> None:
    net, (noisy, blurry), (a, b) = lively(kind), frames(32, 64), frames(32, 64)
    ignored, used = ((a, blurry), (noisy, b)) if IGNORED[kind] == "noisy" else ((noisy, b), (a, blurry))
    assert torch.equal(net(*ignored), net(noisy, blurry))
    assert not torch.allclose(net(*used), net(noisy, blurry))


@torch.no_grad()
@pytest.mark.parametrize("kind", SMALL)
def test_pictures_of_a_batch_do_not_mix_in_evaluation(kind: str) -> None:
    net, (noisy, blurry) = lively(kind), frames(32, 64, 3)
    alone = torch.cat([net(n[None], b[None]) for n, b in zip(noisy, blurry, strict=True)])
    torch.testing.assert_close(net(noisy, blurry), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", SMALL)
def test_every_weight_learns(kind: str) -> None:
    net = lively(kind).train()
    with torch.autocast("cpu", torch.bfloat16):
        out = net.scales(*frames(64, 64, 2)) if hasattr(net, "scales") else [net(*frames(64, 64, 2))]  # type: ignore[operator]
    sum((picture.float() - 0.3).square().sum() for picture in out).backward()  # type: ignore[union-attr]
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@torch.no_grad()
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind == "srn" else kind for kind in SMALL]
)
def test_onnx_takes_both_frames_and_agrees(kind: str) -> None:
    net = lively(kind, **({"width": 4} if kind == "srn" else {}))
    graph = to_onnx(net)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["noisy", "blurry"]
    for height, width in sizes_for(MULTIPLES[kind]):
        noisy, blurry = frames(height, width)
        stored = session.run(None, {"noisy": noisy.numpy(), "blurry": blurry.numpy()})[0]
        assert stored.shape == noisy.shape
        np.testing.assert_allclose(stored, net(noisy, blurry).numpy(), rtol=0, atol=1e-4)
    if kind == "deblurgan":  # an instance norm bears half precision, too
        assert largest_difference(net, stored_as_fp16(graph).SerializeToString()) < 1 / 255


# DeblurGAN


def test_maps_of_deblurgan() -> None:
    net, critic = published(DeblurGAN), published(Critic)
    shapes = maps(net, net.head, *net.down, net.blocks, *net.up, net.image)
    assert shapes == [(64, 256), (128, 128), (256, 64), (256, 64), (128, 128), (64, 256), (3, 256)]
    convs = [layer for layer in critic.layers if isinstance(layer, nn.Conv2d)]
    assert maps(critic, *convs) == [(64, 129), (128, 65), (256, 33), (512, 34), (1, 35)]
    assert sum(p.numel() for p in critic.parameters()) == 2_763_841


def test_deblurgan_adds_to_the_frame_and_stays_in_range() -> None:
    net, pair = DeblurGAN(4, 1).eval(), frames(32, 32)
    with torch.no_grad():
        net.image.weight.mul_(1e4)
        assert set(net(*pair).unique().tolist()) >= {0.0, 1.0}
        assert 0 <= net(*pair).min() <= net(*pair).max() <= 1
        net.image.weight.zero_()
        torch.testing.assert_close(net(*pair), pair[1])


def test_instance_norm_is_of_each_picture_at_test_time_too() -> None:
    net, (noisy, blurry) = DeblurGAN(4, 1).eval(), frames(32, 32)
    assert not any("running" in name for name in net.state_dict())
    features = net.head[:2](torch.cat([blurry, 0.3 * blurry]))
    torch.testing.assert_close(features.mean((2, 3)), torch.zeros(2, 4), rtol=0, atol=1e-4)
    torch.testing.assert_close(features.std((2, 3), correction=0), torch.ones(2, 4), rtol=0, atol=0.02)
    whole, part = net(noisy, blurry)[..., :16, :16], net(noisy[..., :16, :16], blurry[..., :16, :16])
    assert not torch.allclose(whole[..., 4:8, 4:8], part[..., 4:8, 4:8], atol=1e-6)


def test_dropout_is_off_at_test_time() -> None:
    net, pair = DeblurGAN(4, 2), frames(32, 32)
    with torch.no_grad():
        assert not torch.equal(net(*pair), net(*pair))
        assert torch.equal(net.eval()(*pair), net(*pair))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (61, 83)])
def test_the_critic_takes_any_size(height: int, width: int) -> None:
    scores = Critic(2)(frames(height, width)[0])
    assert scores.shape[:2] == (1, 1)
    assert min(scores.shape[2:]) >= 4


# From coarse to fine


def test_the_pyramid_is_made_of_means() -> None:
    image = torch.rand(1, 3, 16, 8)
    coarse, middle, fine = pyramid(image)
    assert fine is image
    torch.testing.assert_close(middle[0, 0, 1, 2], image[0, 0, 2:4, 4:6].mean())
    torch.testing.assert_close(coarse[0, 2, 3, 1], image[0, 2, 12:16, 4:8].mean())


@torch.no_grad()
@pytest.mark.parametrize("kind", ["srn", "deepdeblur"])
def test_scales_end_with_the_picture(kind: str) -> None:
    net, pair = lively(kind), frames(32, 48)
    pictures: list[Tensor] = net.scales(*pair)  # type: ignore[operator]
    assert [tuple(picture.shape) for picture in pictures] == [(1, 3, 8, 12), (1, 3, 16, 24), (1, 3, 32, 48)]
    assert torch.equal(net(*pair), pictures[-1])


def test_maps_of_srn() -> None:
    net = published(SRN)
    parts = [net.fine, net.middle, net.coarse, net.up_coarse, net.up_middle, net.image]
    at_full = [(32, 256), (64, 128), (128, 64), (64, 128), (32, 256), (3, 256)]
    expected = [(channels, side // by) for by in (4, 2, 1) for channels, side in at_full]
    assert maps(net, *parts) == expected


def steps_of(net: SRN, blurry: Tensor) -> tuple[list[tuple[Tensor, Any]], list[Tensor]]:
    """What each scale was given, and the pictures."""
    given: list[tuple[Tensor, Any]] = []
    plain = net.step
    net.step = lambda x, hidden: (given.append((x, hidden)), plain(x, hidden))[1]  # type: ignore[method-assign, func-returns-value]
    return given, net.scales(blurry, blurry)


def test_srn_hands_on_pictures_without_gradient_and_memory_with_it() -> None:
    blurry = frames(32, 32)[1]
    given, pictures = steps_of(SRN(2), blurry)
    assert [x.requires_grad for x, _ in given] == [False] * 3
    assert given[0][1] is None
    assert all(state.requires_grad for _, hidden in given[1:] for state in hidden)
    first = pyramid(blurry)[0]
    assert torch.equal(given[0][0], torch.cat([first, first], 1))
    for (x, _), frame, before in zip(given[1:], pyramid(blurry)[1:], pictures, strict=False):
        assert torch.equal(x[:, :3], frame)
        torch.testing.assert_close(x[:, 3:], F.interpolate(before, scale_factor=2.0, mode="bilinear"))


def test_srns_state_is_enlarged_between_scales() -> None:
    given, _ = steps_of(SRN(2), frames(64, 32)[1])
    assert [tuple(hidden[0].shape) for _, hidden in given[1:]] == [(1, 8, 8, 4), (1, 8, 16, 8)]


def test_deepdeblurs_gradient_runs_through_all_scales() -> None:
    net = DeepDeblur(8, 1)
    net(*frames(32, 32)).mean().backward()
    assert net.nets[0][0].weight.grad.any()


def test_maps_of_deepdeblur() -> None:
    net = published(DeepDeblur)
    assert maps(net, *net.nets, *net.larger) == [(3, 64), (12, 64), (3, 128), (12, 128), (3, 256)]
    assert [len(scale[1]) for scale in net.nets] == [19] * 3
    assert len({id(p) for p in net.parameters()}) == 3 * 2 * (1 + 2 * 19 + 1) + 2 * 2  # nothing is shared


# The others


def test_maps_of_noise2noise() -> None:
    net = published(Noise2Noise)
    down = [(48, 256), (48, 128), (48, 64), (48, 32), (48, 16), (48, 8)]
    up = [(96, 16), (96, 32), (96, 64), (96, 128), (32, 256), (3, 256)]
    assert maps(net, *net.encoder, net.bottom, *net.decoder, net.image) == down + up
    assert [block[0].in_channels for block in net.decoder] == [96, 144, 144, 144, 99]


@pytest.mark.parametrize("width", [0, 4])
def test_a_width_that_cannot_be_split_is_refused(width: int) -> None:
    with pytest.raises(TwinshotError, match="multiple of 3"):
        Noise2Noise(width)


def test_maps_of_the_unet() -> None:
    net = published(UNet)
    assert net.multiple == 16
    down = [(64, 256), (128, 128), (256, 64), (512, 32), (1024, 16)]
    assert maps(net, *net.down, *net.up) == [*down, (512, 32), (256, 64), (128, 128), (64, 256)]


@pytest.mark.parametrize(("inputs", "start"), [(["noisy", "blurry"], 0), (["noisy"], 0), (["blurry"], 1)])
def test_the_unet_starts_from_its_first_frame(inputs: list[str], start: int) -> None:
    pair = frames(32, 32)
    assert torch.equal(UNet(4, 3, inputs)(*pair), pair[start])
    net = lively("unet", inputs=inputs)
    other = frames(32, 32)
    assert torch.allclose(net(other[0], pair[1]), net(*pair)) == ("noisy" not in inputs)
    assert torch.allclose(net(pair[0], other[1]), net(*pair)) == ("blurry" not in inputs)


def test_dcdeblurgan_makes_the_picture_anew() -> None:
    net = published(lambda: build("dcdeblurgan", {}))
    assert [b.conv.in_channels for b in net.decoder.blocks] == [512, 1024, 1024, 1024, 1024, 512, 256]
    assert [b.dropout.p for b in net.decoder.blocks] == [0.5, 0.5, 0.5, 0, 0, 0, 0]
    assert not any(hasattr(module, "parametrizations") for module in net.modules())
    assert maps(net, net.encoder.blocks[-1], net.decoder) == [(512, 1), (3, 256)]

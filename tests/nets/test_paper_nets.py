"""DeblurRNN, DeblurMerger, the discriminator and the pieces they are built of."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from twinshot.nets.blocks import ConvBlock, Decoder, Encoder, UpBlock, level_widths, remove_spectral_norm
from twinshot.nets.convlstm import ConvLSTM
from twinshot.nets.discriminator import Discriminator
from twinshot.nets.merger import DeblurMerger
from twinshot.nets.rnn import DeblurRNN
from twinshot.picture.pair import TwinshotError

GENERATORS: list[Callable[..., nn.Module]] = [DeblurRNN, DeblurMerger]
ALL_NETS: list[Callable[..., nn.Module]] = [*GENERATORS, Discriminator]
PAPER_MAPS = [(64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4), (512, 2), (512, 1)]


@pytest.fixture(scope="module")
def paper() -> dict[str, nn.Module]:
    """The paper setting without storage: shapes and counts only."""
    with torch.device("meta"):
        return {"rnn": DeblurRNN().eval(), "merger": DeblurMerger().eval(), "discriminator": Discriminator().eval()}


def ghosts(count: int) -> tuple[Tensor, Tensor]:
    return torch.empty(count, 3, 256, 256, device="meta"), torch.empty(count, 3, 256, 256, device="meta")


def frames(count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 3, height, width), torch.rand(count, 3, height, width)


def shapes_of(modules: list[nn.Module], run: Callable[[], object]) -> list[tuple[int, ...]]:
    """Output shapes of the modules, in the order they ran."""
    seen: list[tuple[int, ...]] = []
    hooks = [m.register_forward_hook(lambda _m, _x, out: seen.append(tuple(out.shape))) for m in modules]
    run()
    for hook in hooks:
        hook.remove()
    return seen


def size_of(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def sharpened(net: nn.Module) -> nn.Module:
    """Evaluation mode with batch norms that have seen data, so that nothing is trivially equal."""
    for _ in range(3):
        net(*frames(2, 48, 48))
    return net.eval()


# Architecture


def test_widths_double_up_to_eight_times_the_base() -> None:
    assert level_widths(64, 8) == [64, 128, 256, 512, 512, 512, 512, 512]
    assert level_widths(3, 2) == [3, 6]


@pytest.mark.parametrize(("base", "levels"), [(0, 4), (8, 1)])
def test_too_small_a_network_is_refused(base: int, levels: int) -> None:
    with pytest.raises(TwinshotError, match="levels"):
        level_widths(base, levels)


def test_map_sizes_of_the_paper_setting(paper: dict[str, nn.Module]) -> None:
    net = paper["rnn"]
    for half in (net.denoising, net.deblurring):
        layers = [*half.encoder.blocks, *half.decoder.blocks, half.decoder.image]
        up = [*reversed(PAPER_MAPS[:-1]), (3, 256)]
        assert shapes_of(layers, lambda: net(*ghosts(1))) == [(1, c, s, s) for c, s in PAPER_MAPS + up]


def test_merger_has_one_bottleneck_and_the_skips_of_both(paper: dict[str, nn.Module]) -> None:
    net = paper["merger"]
    assert shapes_of([net.merge], lambda: net(*ghosts(1))) == [(1, 512, 1, 1)]
    assert [b.conv.in_channels for b in net.decoder.blocks] == [512, 1536, 1536, 1536, 1536, 768, 384]
    assert net.decoder.image.in_channels == 192


def test_discriminator_maps_and_logits(paper: dict[str, nn.Module]) -> None:
    net = paper["discriminator"]
    shapes = shapes_of([*net.encoder.blocks, net], lambda: net(*ghosts(4)))
    assert shapes == [*((4, c, s, s) for c, s in PAPER_MAPS[:4]), (4,)]


def test_parameter_counts_by_hand() -> None:
    # Base 2, 3 levels: widths 2, 4, 8. A block has in * out * 25 weights, then a bias (first, last) or gamma and beta.
    encoder = (3 * 2 * 25 + 2) + (2 * 4 * 25 + 2 * 4) + (4 * 8 * 25 + 2 * 8)
    wider_first = 3 * 2 * 25
    lstm = 16 * 32 * 9 + 32
    one_skip = (8 * 4 * 25 + 2 * 4) + (8 * 2 * 25 + 2 * 2) + (4 * 3 * 25 + 3)
    two_skips = (8 * 4 * 25 + 2 * 4) + (12 * 2 * 25 + 2 * 2) + (6 * 3 * 25 + 3)
    merge = 16 * 8 + 2 * 8
    assert size_of(Encoder(3, [2, 4, 8])) == encoder == 1176
    assert size_of(ConvLSTM(8)) == lstm == 4640
    assert size_of(Decoder([2, 4, 8])) == one_skip == 1515
    assert size_of(DeblurRNN(2, 3)) == 2 * (encoder + lstm + one_skip) + wider_first == 14812
    assert size_of(DeblurMerger(2, 3)) == 2 * encoder + merge + two_skips == 4361
    assert size_of(Discriminator(2, 3)) == encoder + wider_first + 8 + 1 == 1335


def test_parameter_counts_of_the_paper_setting(paper: dict[str, nn.Module]) -> None:
    counts = {name: size_of(net) for name, net in paper.items()}
    assert counts == {"rnn": 207_792_326, "merger": 140_035_011, "discriminator": 4_312_769}


def test_the_two_halves_share_nothing_and_leave_nothing_out() -> None:
    net = DeblurRNN(2, 3)
    halves = [*net.denoising.parameters(), *net.deblurring.parameters()]
    assert len({id(p) for p in halves}) == len(halves)
    assert {id(p) for p in halves} == {id(p) for p in net.parameters()}


FIRST_AND_MEMORY = [
    (DeblurRNN, ["denoising.encoder.blocks.0.conv", "deblurring.encoder.blocks.0.conv"], ["denoising", "deblurring"]),
    (DeblurMerger, ["encoders.noisy.blocks.0.conv", "encoders.blurry.blocks.0.conv"], []),
    (Discriminator, ["encoder.blocks.0.conv"], []),
]


@pytest.mark.parametrize(("make", "first", "halves"), FIRST_AND_MEMORY)
def test_who_lacks_a_norm(make: Callable[..., nn.Module], first: list[str], halves: list[str]) -> None:
    modules = dict(make(2, 3).named_modules())
    layers = {name for name, m in modules.items() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))}
    bare = {name for name in layers if not hasattr(modules[name], "parametrizations")}
    assert bare == {*first, *(f"{half}.memory.gates" for half in halves)}
    unbatched = {name for name in layers if not isinstance(modules.get(f"{name[:-4]}norm"), nn.BatchNorm2d)}
    assert unbatched == bare | {name for name in layers if name.endswith(("decoder.image", "head"))}
    assert not any(hasattr(m, "parametrizations") for m in make(2, 3, spectral=False).modules())


def test_a_normalised_weight_has_norm_one() -> None:
    block = ConvBlock(4, 6)
    for _ in range(30):
        block(torch.rand(2, 4, 8, 8))
    largest = torch.linalg.matrix_norm(block.eval().conv.weight.flatten(1), 2)
    assert largest.item() == pytest.approx(1, abs=1e-3)


def test_initial_weights() -> None:
    net = DeblurRNN(16, 3)
    for name, p in net.named_parameters():
        if p.ndim == 4:
            assert abs(p.mean().item()) < 5 * 0.02 / math.sqrt(p.numel()), name
            assert p.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * p.numel())), name
        elif name.endswith("bias"):
            assert not p.any(), name
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all((m.weight == 1).all() and (m.eps, m.momentum) == (1e-5, 0.1) for m in norms)


def test_dropout_is_in_the_first_decoder_blocks_only() -> None:
    rates = [block.dropout.p for block in Decoder(level_widths(2, 6), dropout=0.5).blocks]
    assert rates == [0.5, 0.5, 0.5, 0, 0]
    assert [block.dropout.p for block in Decoder(level_widths(2, 4), dropout_blocks=1).blocks] == [0.5, 0, 0]
    net = DeblurMerger(2, 3)
    pair = frames(2, 32, 32)
    assert not torch.equal(net(*pair), net(*pair))


# Sizes and ranges


@pytest.mark.parametrize("make", GENERATORS)
@pytest.mark.parametrize("levels", [3, 8])
@pytest.mark.parametrize(("height", "width"), [(61, 83), (17, 16), (16, 16), (64, 33)])
def test_any_size_works(make: Callable[..., nn.Module], levels: int, height: int, width: int) -> None:
    net = make(2, levels).eval()
    out = net(*frames(1, height, width))
    assert net.multiple == 2**levels  # a tile then lies on the grid of the whole
    assert out.shape == (1, 3, height, width)
    assert 0 <= out.min() <= out.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(61, 83), (17, 16)])
def test_discriminator_takes_any_size(height: int, width: int) -> None:
    assert Discriminator(2, 4).eval()(*frames(3, height, width)).shape == (3,)


def test_cropping_keeps_the_decoder_in_place() -> None:
    block = UpBlock(2, 3).eval()
    x = torch.rand(1, 2, 5, 6)
    whole, part = block(x, (10, 12)), block(x, (9, 11))
    assert torch.equal(whole[..., :9, :11], part)


@pytest.mark.parametrize("make", GENERATORS)
def test_pictures_of_a_batch_do_not_mix_in_evaluation(make: Callable[..., nn.Module]) -> None:
    net = sharpened(make(2, 4))
    noisy, blurry = frames(3, 40, 24)
    together = net(noisy, blurry)
    alone = torch.cat([net(n[None], b[None]) for n, b in zip(noisy, blurry, strict=True)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("make", ALL_NETS)
def test_both_inputs_matter(make: Callable[..., nn.Module]) -> None:
    net = sharpened(make(2, 3))
    (a, b), (c, d) = frames(1, 32, 32), frames(1, 32, 32)
    assert not torch.allclose(net(a, b), net(c, b))
    assert not torch.allclose(net(a, b), net(a, d))


@pytest.mark.parametrize("make", GENERATORS)
def test_a_one_pixel_bottleneck_needs_a_batch_to_train(make: Callable[..., nn.Module]) -> None:
    net = make(2, 5)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        net(*frames(1, 32, 32))
    assert net(*frames(2, 32, 32)).shape == (2, 3, 32, 32)
    assert net(*frames(1, 64, 64)).shape == (1, 3, 64, 64)


# The memory


def test_convlstm_step_by_hand() -> None:
    cell = ConvLSTM(1)
    with torch.no_grad():
        cell.gates.weight.zero_()
        cell.gates.weight[:, 0, 1, 1] = torch.tensor([1.0, 2.0, 3.0, 4.0])  # i, f, o, g from x
        cell.gates.weight[1, 1, 1, 1] = 0.5  # f from h
    x, h, c = (torch.full((1, 1, 1, 1), value) for value in (0.3, -0.4, 0.7))

    def sigmoid(t: float) -> float:
        return 1 / (1 + math.exp(-t))

    expected_c = sigmoid(2 * 0.3 - 0.5 * 0.4 + 1) * 0.7 + sigmoid(0.3) * math.tanh(1.2)
    new_h, new_c = cell(x, (h, c))
    assert new_c.item() == pytest.approx(expected_c, rel=1e-6)
    assert new_h.item() == pytest.approx(sigmoid(0.9) * math.tanh(expected_c), rel=1e-6)


def test_convlstm_starts_from_zeros() -> None:
    cell, x = ConvLSTM(3), torch.rand(2, 3, 4, 5)
    zeros = torch.zeros_like(x)
    assert all(torch.equal(a, b) for a, b in zip(cell(x), cell(x, (zeros, zeros)), strict=True))


def test_convlstm_gradients() -> None:
    cell = ConvLSTM(1).double()
    states = [torch.randn(1, 1, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda x, h, c: cell(x, (h, c)), states)


def start_of(net: DeblurRNN, noisy: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor] | None:
    """The state that the deblurring net's memory starts from."""
    caught: list[tuple[Tensor, Tensor] | None] = []
    hook = net.deblurring.memory.register_forward_pre_hook(lambda _m, args: caught.append(args[1]))
    net(noisy, blurry)
    hook.remove()
    return caught[0]


def test_the_state_flows_from_net_to_net() -> None:
    net = sharpened(DeblurRNN(2, 3))
    (noisy, blurry), (other, _) = frames(1, 32, 32), frames(1, 32, 32)
    first, second = start_of(net, noisy, blurry), start_of(net, other, blurry)
    after = net.denoising(2 * noisy - 1)[1]
    assert all(torch.equal(a, b) for a, b in zip(first, after, strict=True))
    assert not any(torch.allclose(a, b) for a, b in zip(first, second, strict=True))


def test_without_flow_the_state_is_zero_whatever_the_noisy_frame() -> None:
    net = sharpened(DeblurRNN(2, 3, flow=False))
    assert start_of(net, *frames(1, 32, 32)) is None


def test_flow_changes_the_picture_and_nothing_else() -> None:
    net = sharpened(DeblurRNN(2, 3))
    still = DeblurRNN(2, 3, flow=False).eval()
    still.load_state_dict(net.state_dict())
    pair = frames(1, 32, 32)
    (denoised, sharp), (same, other) = net.both(*pair), still.both(*pair)
    assert torch.equal(denoised, same)
    assert not torch.allclose(sharp, other)


# Gradients


def reached(parameters: Iterator[nn.Parameter]) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in parameters)


@pytest.mark.parametrize("joint", [False, True])
def test_whom_the_deblurring_loss_trains(joint: bool) -> None:
    net = DeblurRNN(2, 3, joint=joint)
    net.both(*frames(2, 32, 32))[1].mean().backward()
    assert reached(net.deblurring.parameters())
    assert reached(net.denoising.parameters()) == joint


def test_the_denoising_loss_trains_the_denoising_net_alone() -> None:
    net = DeblurRNN(2, 3)
    net.both(*frames(2, 32, 32))[0].mean().backward()
    assert reached(net.denoising.parameters())
    assert not reached(net.deblurring.parameters())


@pytest.mark.parametrize("make", GENERATORS)
def test_every_parameter_learns(make: Callable[..., nn.Module]) -> None:
    net = make(2, 3, dropout=0.0, **({"joint": True} if make is DeblurRNN else {}))
    (net(*frames(2, 40, 40)) - torch.rand(2, 3, 40, 40)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_training_runs_under_bf16_autocast() -> None:
    net = DeblurRNN(4, 3).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        denoised, sharp = net.both(*frames(2, 33, 40))
    (denoised.float().mean() + sharp.float().mean()).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


# Removal of spectral norm


@pytest.mark.parametrize("make", ALL_NETS)
def test_removal_leaves_the_output_as_it_was(make: Callable[..., nn.Module]) -> None:
    net, pair = sharpened(make(2, 3)), frames(1, 33, 40)
    before = net(*pair)
    names = set(make(2, 3, spectral=False).state_dict())
    assert remove_spectral_norm(net) is net
    assert set(net.state_dict()) == names
    torch.testing.assert_close(net(*pair), before, rtol=0, atol=1e-6)


def test_stripped_weights_fit_a_plain_network() -> None:
    net, pair = sharpened(DeblurRNN(2, 3)), frames(1, 32, 32)
    plain = DeblurRNN(2, 3, spectral=False).eval()
    plain.load_state_dict(remove_spectral_norm(copy.deepcopy(net)).state_dict())
    torch.testing.assert_close(plain(*pair), net(*pair), rtol=0, atol=1e-6)


def test_stripping_in_training_mode_writes_the_weights_of_evaluation() -> None:
    block = ConvBlock(3, 5)
    with torch.no_grad():
        block.conv.parametrizations.weight.original.normal_()  # far from what the power iteration has settled on
    expected = copy.deepcopy(block).eval().conv.weight
    assert torch.equal(remove_spectral_norm(block).conv.weight, expected)
    assert not block.training


def test_stripping_a_copy_leaves_the_original_in_training() -> None:
    net = DeblurMerger(2, 3)
    before = copy.deepcopy(net.state_dict())
    remove_spectral_norm(copy.deepcopy(net))
    assert net.training
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    net(*frames(2, 32, 32)).mean().backward()
    assert reached(net.parameters())
    assert not any(hasattr(m, "parametrizations") for m in remove_spectral_norm(net).modules())

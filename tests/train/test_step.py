"""One step: the updates and their order, the rate, the average."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from laboratory import ADAM, NETS, some_batch, tiny
from torch import Tensor, nn

from twinshot.engines.loading import load_model
from twinshot.engines.torch import network_of
from twinshot.nets import build
from twinshot.picture.pair import TwinshotError
from twinshot.train.config import OptimConfig, PaperWeights, Recipe, recipe_from
from twinshot.train.losses import (
    content_loss,
    deblurring_loss,
    deblurring_terms,
    denoising_loss,
    discriminator_loss,
    gradient_penalty,
    restoration_loss,
)
from twinshot.train.pool import CPU
from twinshot.train.step import STEPS, State, autocast, frozen, new_state, part_of, schedule, update_average

TERMS = {"content", "gradient", "dark_channel", "adversarial"}
ROWS = {
    "twin": {"loss", "gradient", "lr"},
    "merger": {"loss", "gradient_norm", "lr", "discriminator", *TERMS},
    "rnn": {"loss", "gradient_norm", "lr", "discriminator", "denoising", *TERMS},
    "dcdeblurgan": {"loss", "gradient_norm", "lr", "discriminator", *TERMS},
    "deblurgan": {"loss", "gradient_norm", "lr", "critic", "penalty", "content", "adversarial"},
    "srn": {"loss", "gradient", "lr"},
}


def weights_of(net: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in net.parameters()]


def moved(net: nn.Module, before: list[Tensor]) -> bool:
    return any(not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, b.state_dict()[key]) for key, x in a.state_dict().items())


# One iteration


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", ROWS)
def test_one_iteration(kind: str, bf16: bool) -> None:
    recipe = tiny(kind, bf16=bf16)
    state = new_state(recipe)
    nets = [state.net, *([state.discriminator] if state.discriminator is not None else [])]
    before = [weights_of(net) for net in nets]
    row = STEPS[recipe.method](state, some_batch(), recipe)
    assert set(row) == ROWS[kind]
    assert all(math.isfinite(value) for value in row.values())
    assert all(moved(net, old) for net, old in zip(nets, before, strict=True))
    assert state.step == 1
    assert all(p.dtype == torch.float32 and p.requires_grad for net in nets for p in net.parameters())
    assert not any(p.requires_grad for p in state.average.parameters())


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize(
    ("capability", "asked", "used"), [("amx_bf16", True, True), ("amx_bf16", False, False), ("avx2", True, False)]
)
def test_bf16_where_the_processor_has_it(
    capability: str, asked: bool, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    with autocast(tiny("twin", bf16=asked), CPU):
        assert torch.is_autocast_enabled("cpu") == used


@pytest.mark.parametrize("kind", ["twin", "rnn", "merger", "srn"])
def test_the_loss_falls(kind: str) -> None:
    recipe = tiny(kind, optim={"name": "adamw", "lr": 0.003, "warmup": 0, "cooldown": 0.0})
    state, batch = new_state(recipe), some_batch()
    losses = [STEPS[recipe.method](state, batch, recipe)["loss"] for _ in range(15)]
    assert losses[-1] < losses[0]


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
SAME = {"lr": 0.01}
HEAVY = PaperWeights(adversarial=100.0)  # so that what the discriminator says, and when, shows


def paper_step_by_hand(state: State, noisy: Tensor, blurry: Tensor, sharp: Tensor, lr: float) -> None:
    """DeblurRNN's iteration with torch's own Adam, one update after the other."""
    net, judge = state.net, state.discriminator
    assert judge is not None
    adams = [torch.optim.Adam(n.parameters(), lr, (0.5, 0.999)) for n in (net.denoising, judge, net.deblurring)]
    denoised, restored = net.both(noisy, blurry)

    denoising_loss(denoised, sharp).backward()
    adams[0].step()
    discriminator_loss(judge(sharp, blurry), judge(restored.detach(), blurry)).backward()
    adams[1].step()
    judge.requires_grad_(False)
    deblurring_loss(deblurring_terms(restored, sharp, judge(restored, blurry), HEAVY)).backward()
    adams[2].step()


def both_ways(recipe: Recipe, by_hand: Callable[..., None]) -> tuple[State, State]:
    """A step as training makes it, and the same by hand: both end with the same weights and statistics."""
    state, hand = new_state(recipe), new_state(recipe)
    torch.manual_seed(5)  # dropout, and the shares of the gradient penalty
    STEPS[recipe.method](state, some_batch(), recipe)
    torch.manual_seed(5)
    by_hand(hand, *some_batch(), lr=0.01)
    for ours, theirs in ((state.net, hand.net), (state.discriminator, hand.discriminator)):
        assert ours is not None
        assert theirs is not None
        torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()), rtol=0, atol=1e-6)
    return state, hand


def test_the_papers_step_by_hand() -> None:
    recipe = tiny("rnn", bf16=False, optim={**ADAM, "lr": 0.01}, paper={"adversarial": 100.0}, discriminator=SAME)
    state, hand = both_ways(recipe, paper_step_by_hand)
    for ours, theirs in ((state.net, hand.net), (state.discriminator, hand.discriminator)):
        assert ours is not None
        assert theirs is not None
        for p, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p.grad, expected.grad, rtol=1e-4, atol=1e-5)


def two_steps_of_the_generator_by_hand(state: State, noisy: Tensor, blurry: Tensor, sharp: Tensor, lr: float) -> None:
    """DCDeblurGAN's iteration: the discriminator once, the generator twice on the same batch."""
    net, judge = state.net, state.discriminator
    assert judge is not None
    of_net, of_judge = (torch.optim.Adam(n.parameters(), lr, (0.5, 0.999)) for n in (net, judge))
    restored = net(noisy, blurry)
    discriminator_loss(judge(sharp, blurry), judge(restored.detach(), blurry)).backward()
    of_judge.step()
    judge.requires_grad_(False)
    deblurring_loss(deblurring_terms(restored, sharp, judge(restored, blurry), HEAVY)).backward()
    of_net.step()
    of_net.zero_grad()
    restored = net(noisy, blurry)
    deblurring_loss(deblurring_terms(restored, sharp, judge(restored, blurry), HEAVY)).backward()
    of_net.step()


def test_two_steps_of_the_generator_by_hand() -> None:
    weights = {"adversarial": 100.0, "generator_steps": 2}
    recipe = tiny("dcdeblurgan", bf16=False, optim={**ADAM, "lr": 0.01}, paper=weights, discriminator=SAME)
    both_ways(recipe, two_steps_of_the_generator_by_hand)


def wgan_step_by_hand(state: State, noisy: Tensor, blurry: Tensor, sharp: Tensor, lr: float) -> None:
    """DeblurGAN's iteration with two updates of the critic on one batch."""
    net, critic = state.net, state.discriminator
    assert critic is not None
    of_net, of_critic = (torch.optim.Adam(n.parameters(), lr, (0.5, 0.999)) for n in (net, critic))
    restored = net(noisy, blurry)
    for _ in range(2):
        of_critic.zero_grad()
        scores = critic(restored.detach()).mean() - critic(sharp).mean()
        (scores + 10 * gradient_penalty(critic, sharp, restored.detach())).backward()
        of_critic.step()
    (100 * content_loss(restored, sharp) - critic(restored).mean()).backward()
    of_net.step()


def test_the_wgan_step_by_hand() -> None:
    recipe = tiny("deblurgan", bf16=False, optim={**ADAM, "lr": 0.01})
    state, _ = both_ways(recipe, wgan_step_by_hand)
    assert list(state.parts) == ["discriminator", "generator"]
    assert all(p.grad is not None for p in state.net.parameters())


def test_all_scales_are_trained() -> None:
    recipe = tiny("srn", bf16=False)
    state, (noisy, blurry, sharp) = new_state(recipe), some_batch()
    with torch.no_grad():
        pictures = state.net.scales(noisy, blurry)  # type: ignore[operator]
        expected = restoration_loss(pictures, sharp, recipe.loss).item()
    assert len(pictures) == 3
    assert STEPS["restoration"](state, (noisy, blurry, sharp), recipe)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("changes", [{"paper": {"denoising": 0.0}}, {"method": "restoration"}, {"method": "wgan"}])
def test_a_denoising_net_that_nothing_trains_is_refused(changes: dict[str, Any]) -> None:
    """Nobody else's gradient reaches it, and half of DeblurRNN would stay as it was drawn."""
    with pytest.raises(TwinshotError, match="nothing would train the denoising net; set joint = true"):
        new_state(tiny("rnn", **changes))


@pytest.mark.parametrize("kind", ["rnn", "merger"])
def test_parts_are_in_the_papers_order_and_cover_all_weights_once(kind: str) -> None:
    state = new_state(tiny(kind))
    first = ["denoising"] if kind == "rnn" else []
    assert list(state.parts) == [*first, "discriminator", "generator"]
    assert state.discriminator is not None
    updated = [id(p) for part in state.parts.values() for p in part.weights]
    everything = [id(p) for net in (state.net, state.discriminator) for p in net.parameters()]
    assert sorted(updated) == sorted(everything)
    in_optimisers = [id(p) for o in state.optimisers for group in o.param_groups for p in group["params"]]
    assert sorted(in_optimisers) == sorted(everything)


def test_without_an_adversarial_loss_there_is_no_discriminator() -> None:
    recipe = tiny("merger", paper={"adversarial": 0.0, "gradient": 0.0})
    state = new_state(recipe)
    assert state.discriminator is None
    row = STEPS["paper"](state, some_batch(), recipe)
    assert set(row) == {"loss", "gradient_norm", "lr", "content", "dark_channel"}
    assert row["loss"] == pytest.approx(row["content"] + row["dark_channel"])


def test_the_net_starts_alike_with_and_without_a_discriminator() -> None:
    assert same(new_state(tiny("merger")).net, new_state(tiny("merger", paper={"adversarial": 0.0})).net)


def test_two_losses_on_the_denoising_net_are_refused() -> None:
    joint = {"kind": "rnn", "settings": {**NETS["rnn"], "joint": True}}
    with pytest.raises(TwinshotError, match="joint = false or denoising = 0"):
        new_state(tiny("rnn", net=joint))
    recipe = tiny("rnn", net=joint, paper={"denoising": 0.0})
    state = new_state(recipe)
    before = weights_of(state.net.denoising)  # type: ignore[arg-type]
    STEPS["paper"](state, some_batch(), recipe)
    assert moved(state.net.denoising, before)  # type: ignore[arg-type]


def test_the_generator_learns_from_the_discriminator_alone() -> None:
    only = {"content": 0.0, "gradient": 0.0, "dark_channel": 0.0, "denoising": 0.0}
    recipe = tiny("merger", paper=only)
    state = new_state(recipe)
    before = weights_of(state.net)
    assert set(STEPS["paper"](state, some_batch(), recipe)) >= {"adversarial", "discriminator"}
    assert moved(state.net, before)


def test_a_frozen_net_passes_gradients_on() -> None:
    layer, x = nn.Linear(3, 1), torch.rand(2, 3, requires_grad=True)
    with frozen(layer):
        out = layer(x)
    out.sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    assert layer.weight.requires_grad


# Clipping


@pytest.mark.parametrize("kind", ["twin", "merger"])
def test_clip_limits_the_gradient_and_0_does_not(kind: str) -> None:
    sizes = {}
    for clip in (0.0, 1e-3):
        recipe = tiny(kind, optim={"name": "adamw", "clip": clip})
        state = new_state(recipe)
        row = STEPS[recipe.method](state, some_batch(), recipe)
        part = state.parts["net" if kind == "twin" else "generator"]
        left = torch.stack([p.grad.norm() for p in part.weights if p.grad is not None]).norm().item()
        sizes[clip] = left, row["gradient" if kind == "twin" else "gradient_norm"]
    assert sizes[0.0][0] == pytest.approx(sizes[0.0][1], rel=1e-4)
    assert sizes[1e-3][0] == pytest.approx(1e-3, rel=1e-3)
    assert sizes[1e-3][1] == pytest.approx(
        sizes[0.0][1], rel=1e-2
    )  # a clipped discriminator judges a little differently


# The rate


def test_warm_up_then_constant_then_a_cosine_to_zero() -> None:
    optim = OptimConfig(warmup=10, cooldown=0.5)
    rates = [schedule(step, 100, optim) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10:51] == pytest.approx([1.0] * 41)
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert all(a >= b for a, b in pairwise(rates[50:]))


def test_without_warm_up_and_cooldown_the_rate_is_constant() -> None:
    optim = OptimConfig(lr=2e-4, warmup=0, cooldown=0.0)
    assert {schedule(step, 100, optim) for step in range(101)} == {1}


def test_a_network_may_start_from_a_model() -> None:
    shipped = load_model("twin")
    state = new_state(recipe_from({"name": "a", "net": {**shipped.card.training.recipe["net"], "start": "twin"}}))
    for net in (state.net, state.average):
        for found, expected in zip(net.parameters(), network_of(shipped.path, shipped.card).parameters(), strict=True):
            assert torch.equal(found, expected)
    assert state.before == shipped.card.training


def test_a_teacher_is_asked_and_not_taught() -> None:
    loss = {"psnr": 0.0, "mse": 1.0, "teacher": "twin", "trust": 1.0}
    recipe = tiny("twin", bf16=False, loss=loss, optim={"name": "adamw", "lr": 0.003, "warmup": 0})
    state, (noisy, blurry, _) = new_state(recipe), some_batch()
    assert state.teacher is not None
    before = weights_of(state.teacher)
    with torch.no_grad():
        lesson = state.teacher(noisy, blurry).clamp(0, 1)
        expected = (state.net(noisy, blurry) - lesson).square().mean().item()
    row = STEPS["restoration"](state, (noisy, blurry, torch.zeros_like(noisy)), recipe)
    assert row["loss"] == pytest.approx(expected, rel=1e-4)
    assert not moved(state.teacher, before)


def test_a_teacher_needs_its_grid_and_its_method() -> None:
    with pytest.raises(TwinshotError, match="crop = 40: give a multiple of 16, the grid of 'twin-large'"):
        new_state(tiny("twin", loss={"teacher": "twin-large"}, data={"crop": 40}))
    with pytest.raises(TwinshotError, match="teacher = 'twin': the method 'paper' takes no teacher"):
        new_state(tiny("merger", loss={"teacher": "twin"}))


def test_a_teacher_that_is_not_there() -> None:
    with pytest.raises(TwinshotError, match="nobody"):
        new_state(tiny("twin", loss={"teacher": "nobody"}))


def test_a_model_of_another_make_is_no_start() -> None:
    with pytest.raises(TwinshotError, match=r"start = 'twin': is a different network from the recipe's"):
        new_state(tiny("twin", net={"kind": "twin", "settings": NETS["twin"], "start": "twin"}))
    with pytest.raises(TwinshotError, match="no model is called 'none'"):
        new_state(tiny("twin", net={"kind": "twin", "settings": NETS["twin"], "start": "none"}))


def test_every_optimiser_gets_the_rate() -> None:
    recipe = tiny("twin", optim={"warmup": 10, "lr": 1.0})
    state = new_state(recipe)
    assert len(state.optimisers) == 2  # Muon for the inner matrices, AdamW for the rest
    assert STEPS["restoration"](state, some_batch(), recipe)["lr"] == pytest.approx(0.1)
    assert {group["lr"] for o in state.optimisers for group in o.param_groups} == {0.1}


def test_the_papers_discriminator_has_adam_and_a_rate_of_its_own() -> None:
    recipe = tiny("dcdeblurgan", optim={"name": "muon", "lr": 1e-3, "warmup": 10}, discriminator={"lr": 5e-4})
    state = new_state(recipe)
    STEPS["paper"](state, some_batch(), recipe)
    for name, rate in (("discriminator", 5e-5), ("generator", 1e-4)):
        rates = [group["lr"] for optimiser in state.parts[name].optimisers for group in optimiser.param_groups]
        assert rates == pytest.approx([rate] * len(rates))
    kinds = {name: [type(optimiser).__name__ for optimiser in part.optimisers] for name, part in state.parts.items()}
    assert kinds == {"discriminator": ["AdamW"], "generator": ["AdamW", "Muon"]}


@pytest.mark.parametrize("kind", ["twin", "srn", "deepdeblur", "noise2noise", "unet"])
def test_layers_that_read_or_write_pictures_are_not_orthogonalised(kind: str) -> None:
    net = build(kind, {})
    plain, muon = (optimiser.param_groups[0]["params"] for optimiser in part_of(net, OptimConfig()).optimisers)
    matrices = [weights for weights in net.parameters() if weights.ndim >= 2]
    of_pictures = {id(weights) for weights in (matrices[0], matrices[-1])}
    assert of_pictures <= {id(weights) for weights in plain}
    assert all(weights.ndim >= 2 for weights in muon)
    assert len(muon) > 0.7 * len(matrices)


# The average


def test_weights_are_averaged_and_singular_vectors_are_copied() -> None:
    recipe = tiny("merger", optim={"name": "adamw", "ema": 0.9})
    state = new_state(recipe)
    before = copy.deepcopy(state.average)
    with torch.no_grad():
        for p in state.net.parameters():
            p.add_(1.0)
    state.net(*some_batch()[:2])  # moves running statistics and singular vectors
    state.step = 10**6 + 1
    update_average(state, recipe, *some_batch()[:2])
    for mean, old in zip(state.average.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(mean, old + 0.1)
    kept, live, old = (dict(net.named_buffers()) for net in (state.average, state.net, before))
    assert {name.rsplit(".", 1)[1] for name in kept} == {*STATISTICS, "_u", "_v"}
    for name, value in kept.items():
        assert torch.equal(value, (old if name.rsplit(".", 1)[1] in STATISTICS else live)[name])


def test_batch_norms_statistics_are_the_averaged_nets_own() -> None:
    """Not the current one's: here the average's maps are half as large."""
    recipe = tiny("dcdeblurgan", optim={"name": "adamw", "ema": 1.0})
    state, batch = new_state(recipe), some_batch()
    with torch.no_grad():
        for p in state.average.parameters():
            p.mul_(0.5)
    for step in range(0, 1500, 10):
        state.step = 10**6 + step
        update_average(state, recipe, *batch[:2])
    norm = state.average.encoder.blocks[1].norm
    seen = []
    state.average.encoder.blocks[1].conv.register_forward_hook(lambda _, __, out: seen.append(out.detach().float()))
    state.average(*batch[:2])
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), rtol=0.02, atol=1e-3)
    torch.testing.assert_close(norm.running_var, seen[0].var((0, 2, 3)), rtol=0.02, atol=1e-4)
    assert not any(module.training for module in state.average.modules())


def test_early_the_average_follows_at_once() -> None:
    recipe = tiny("twin", optim={"ema": 0.999})
    state = new_state(recipe)
    with torch.no_grad():
        for p in state.net.parameters():
            p.fill_(1.0)
        for p in state.average.parameters():
            p.zero_()
    state.step = 1
    update_average(state, recipe, *some_batch()[:2])
    torch.testing.assert_close(next(state.average.parameters()).max().item(), 1 - 2 / 11)


def test_an_averaged_weight_keeps_its_spectral_norm() -> None:
    """Singular vectors of the live net serve its average: the norm of what ships stays near 1."""
    recipe = tiny("merger", optim={"name": "adamw", "lr": 1e-3, "ema": 0.9})
    state = new_state(recipe)
    for seed in range(30):
        STEPS["paper"](state, some_batch(seed), recipe)
    for name, module in state.average.eval().named_modules():
        if hasattr(module, "parametrizations"):
            transposed = isinstance(module, nn.ConvTranspose2d)
            matrix = module.weight.transpose(0, 1) if transposed else module.weight
            largest = torch.linalg.matrix_norm(matrix.flatten(1), 2).item()
            assert largest == pytest.approx(1, abs=0.1), name

"""One step of training, every update in plain sight.

Three methods: `restoration`, one network and one loss; `paper`, the updates of Section IV-A; `wgan`, DeblurGAN's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from math import cos, inf, pi

import torch
from torch import Tensor, nn

from ..baselines.deblurgan import Critic
from ..engine import load_model
from ..nets import build
from ..nets.discriminator import Discriminator
from ..nets.release import network_of
from ..nets.rnn import DeblurRNN
from ..pair import TwinshotError
from .config import Method, NetConfig, OptimConfig, Recipe
from .losses import (
    content_loss,
    critic_loss,
    deblurring_loss,
    deblurring_terms,
    denoising_loss,
    discriminator_loss,
    gradient_penalty,
    restoration_loss,
)
from .muon import Muon
from .pool import CPU, Triple
from .soap import Soap

_MEASURE_EVERY = 10  # steps; running statistics then look back over some hundred
_PICTURE_CHANNELS = {3, 6, 12, 24}  # of one frame or both, whole or unshuffled by 2


@dataclass(frozen=True)
class Part:
    """Weights that are updated together, what updates them, and the rate that its schedule starts from."""

    weights: Sequence[nn.Parameter]
    optimisers: Sequence[torch.optim.Optimizer]
    lr: float


@dataclass
class State:
    """All that changes while training."""

    net: nn.Module
    average: nn.Module  # exponential moving average of the weights: what is validated and exported
    parts: dict[str, Part]  # net (restoration); denoising, discriminator, generator (paper); the last two (wgan)
    discriminator: nn.Module | None = None
    step: int = 0
    seconds: float = 0.0

    @property
    def device(self) -> torch.device:
        """Where it learns."""
        return next(self.average.parameters()).device

    @property
    def optimisers(self) -> list[torch.optim.Optimizer]:
        """Those of all parts, in the order a checkpoint keeps them."""
        return [optimiser for part in self.parts.values() for optimiser in part.optimisers]


def restoration_step(state: State, batch: Triple, recipe: Recipe) -> dict[str, float]:
    """Forward, loss, backward, clip, update, average."""
    noisy, blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in batch)
    rate = set_rate(state, recipe)
    with autocast(recipe, state.device):
        restored = [picture.float() for picture in scales(state.net, noisy, blurry)]
    loss = restoration_loss(restored, sharp, recipe.loss)
    norm = descend(state.parts["net"], loss, recipe.optim.clip)
    state.step += 1
    update_average(state, recipe, noisy, blurry)
    return {"loss": loss.item(), "gradient": norm, "lr": rate}


def paper_step(state: State, batch: Triple, recipe: Recipe) -> dict[str, float]:
    """Update the denoising net, then the discriminator, then the generator (Section IV-A, Table I).

    The pictures come from one pass before the updates: what the denoising net hands on carries no gradient, and the
    discriminator is asked again after its own update. Only further updates of the generator, which the predecessor has,
    start from a new pass. DeblurMerger has no denoising net; without an adversarial term there is no discriminator.
    """
    noisy, blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in batch)
    judge, weights, clip = state.discriminator, recipe.paper, recipe.optim.clip
    rate, row = set_rate(state, recipe), {}
    with autocast(recipe, state.device):
        denoised, restored = pictures(state.net, noisy, blurry)

    if "denoising" in state.parts:  # eq. (7)
        loss = denoising_loss(denoised, sharp, weights)
        descend(state.parts["denoising"], loss, clip)
        row["denoising"] = loss.item()

    if judge is not None:  # eq. (4), upwards
        with autocast(recipe, state.device):
            real, fake = judge(sharp, blurry), judge(restored.detach(), blurry)
        loss = discriminator_loss(real.float(), fake.float())
        descend(state.parts["discriminator"], loss, clip)
        row["discriminator"] = loss.item()

    for again in range(weights.generator_steps):  # eq. (3)
        with autocast(recipe, state.device):
            restored = pictures(state.net, noisy, blurry)[1] if again else restored
            fake_logits = judged(judge, restored, blurry)
        terms = deblurring_terms(restored, sharp, fake_logits, weights)
        loss = deblurring_loss(terms)
        norm = descend(state.parts["generator"], loss, clip)
    row |= {name: term.item() for name, term in terms.items()}

    state.step += 1
    update_average(state, recipe, noisy, blurry)
    return {"loss": loss.item(), **row, "gradient_norm": norm, "lr": rate}


def wgan_step(state: State, batch: Triple, recipe: Recipe) -> dict[str, float]:
    """Update the critic several times, then the generator (DeblurGAN).

    The critic's updates share one batch and its restored pictures, as in the public code: the generator stands still
    meanwhile, so it runs once a step, and only the penalty's mixing is drawn anew. Its losses are of its last update.
    """
    noisy, blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in batch)
    critic, weights, clip = state.discriminator, recipe.wgan, recipe.optim.clip
    assert critic is not None
    rate = set_rate(state, recipe)
    with autocast(recipe, state.device):
        restored = state.net(noisy, blurry).float()

    for _ in range(weights.critic_steps):
        with autocast(recipe, state.device):
            real, fake = critic(sharp), critic(restored.detach())
        distance = critic_loss(real.float(), fake.float())
        penalty = gradient_penalty(critic, sharp, restored.detach())
        descend(state.parts["discriminator"], distance + weights.penalty * penalty, clip)
    row = {"critic": distance.item(), "penalty": penalty.item()}

    with autocast(recipe, state.device), frozen(critic):
        adversarial = -critic(restored).float().mean()
    content = weights.content * content_loss(restored, sharp)
    norm = descend(state.parts["generator"], content + adversarial, clip)
    row |= {"content": content.item(), "adversarial": adversarial.item()}

    state.step += 1
    update_average(state, recipe, noisy, blurry)
    return {"loss": row["content"] + row["adversarial"], **row, "gradient_norm": norm, "lr": rate}


STEPS: dict[Method, Callable[[State, Triple, Recipe], dict[str, float]]] = {
    "restoration": restoration_step,
    "paper": paper_step,
    "wgan": wgan_step,
}


def descend(part: Part, loss: Tensor, clip: float) -> float:
    """Update a part's weights by a loss; returns the gradient's norm before it was clipped (0: left as it is)."""
    for optimiser in part.optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(part.weights, clip or inf)
    for optimiser in part.optimisers:
        optimiser.step()
    return norm.item()


def scales(net: nn.Module, noisy: Tensor, blurry: Tensor) -> list[Tensor]:
    """The net's pictures from coarse to fine, where it makes several, or its one."""
    each: Callable[[Tensor, Tensor], list[Tensor]] | None = getattr(net, "scales", None)
    return each(noisy, blurry) if each else [net(noisy, blurry)]


def pictures(net: nn.Module, noisy: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
    """The denoised picture, where the net makes one (else the noisy frame), and the restored one, in float32."""
    denoised, restored = net.both(noisy, blurry) if isinstance(net, DeblurRNN) else (noisy, net(noisy, blurry))
    return denoised.float(), restored.float()


def judged(judge: nn.Module | None, restored: Tensor, blurry: Tensor) -> Tensor | None:
    """What the discriminator, where there is one, says of the restored picture, for the generator to learn from."""
    if judge is None:
        return None
    with frozen(judge):
        logits: Tensor = judge(restored, blurry).float()
    return logits


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Gradients pass through the net's output to its input, and none is gathered for its weights."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)


def fastest() -> torch.device:
    """The GPU, where torch has one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def new_state(recipe: Recipe, device: torch.device = CPU) -> State:
    """Networks and optimisers as they are before the first step, drawn from the recipe's seed.

    Raises:
        TwinshotError: an unknown network or setting, a model to start from that is not there or another network, a
            crop off its grid, or a denoising net that two losses would pull at.
    """
    torch.manual_seed(recipe.seed)
    net = _for_training(_at_first(recipe.net), device)
    if recipe.data.crop % int(net.multiple):  # type: ignore[arg-type]
        raise TwinshotError(
            f"crop = {recipe.data.crop}: give a multiple of {net.multiple}, the grid of {recipe.net.kind!r}"
        )
    average = copy.deepcopy(net).requires_grad_(False)
    judge = _judge(recipe, device)
    trained = {"net": net} if recipe.method == "restoration" else _adversaries(net, judge, recipe)
    parts = {name: part_of(each, _optim_of(name, recipe)) for name, each in trained.items()}
    state = State(net, average, parts, judge)
    if device.type == "cuda":
        _capture(state, recipe)  # before a checkpoint is read: to try the net out moves its statistics
    return state


def _capture(state: State, recipe: Recipe) -> None:
    """Have a GPU run the net's passes as CUDA graphs: a small net's kernels take longer to launch than to run."""
    if recipe.method != "restoration" or hasattr(state.net, "scales"):
        return
    size = (recipe.data.batch, 3, recipe.data.crop, recipe.data.crop)
    noisy, blurry = (torch.rand(size, device=state.device).to(memory_format=torch.channels_last) for _ in range(2))
    with torch.autocast("cuda", torch.bfloat16, _bf16_on_gpu(recipe), cache_enabled=False):
        torch.cuda.make_graphed_callables(state.net, (noisy, blurry), allow_unused_input=True)


def _bf16_on_gpu(recipe: Recipe) -> bool:
    return recipe.bf16 and torch.cuda.is_bf16_supported(including_emulation=False)


def _optim_of(part: str, recipe: Recipe) -> OptimConfig:
    """The recipe's, but for the discriminator of `paper`, which must not outrun the net: Adam, and its own rate."""
    if part == "discriminator" and recipe.method == "paper":
        return replace(recipe.optim, name="adamw", lr=recipe.discriminator.lr)
    return recipe.optim


def _at_first(config: NetConfig) -> nn.Module:
    """The network with random weights, or with those of the model that it starts from."""
    net = build(config.kind, config.settings)
    if config.start:
        try:
            net.load_state_dict(network_of(load_model(config.start)).state_dict())
        except RuntimeError as error:
            raise TwinshotError(
                f"start = {config.start!r}: is another network than the recipe's; give its kind and settings"
            ) from error
    return net


def _for_training(net: nn.Module, device: torch.device) -> nn.Module:
    return net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _judge(recipe: Recipe, device: torch.device) -> nn.Module | None:
    """What tells sharp pictures from restored ones, where the method has such a net."""
    if recipe.method == "wgan":
        return _for_training(Critic(recipe.wgan.critic_width), device)
    if recipe.method == "paper" and recipe.paper.adversarial:
        judge = recipe.discriminator
        return _for_training(Discriminator(judge.base_channels, judge.levels, judge.spectral), device)
    return None


def _adversaries(net: nn.Module, judge: nn.Module | None, recipe: Recipe) -> dict[str, nn.Module]:
    """What each loss of `paper` (Table I, in the paper's order) or `wgan` trains."""
    judges: dict[str, nn.Module] = {} if judge is None else {"discriminator": judge}
    if recipe.method == "wgan" or not (isinstance(net, DeblurRNN) and recipe.paper.denoising):
        return {**judges, "generator": net}
    if net.joint:
        raise TwinshotError("joint = true lets a second loss at the denoising net; set joint = false or denoising = 0")
    return {"denoising": net.denoising, **judges, "generator": net.deblurring}


def part_of(net: nn.Module, optim: OptimConfig) -> Part:
    """All weights of a net, with SOAP or AdamW for all, or Muon for the inner matrices and AdamW for the rest."""
    if optim.name == "soap":
        weights = list(net.parameters())
        return Part(weights, [Soap(weights, lr=optim.lr, weight_decay=optim.weight_decay)], optim.lr)
    inner = [p for p in net.parameters() if optim.name == "muon" and _is_inner(p)]
    taken = {id(p) for p in inner}
    rest = [p for p in net.parameters() if id(p) not in taken]
    plain = torch.optim.AdamW(rest, lr=optim.lr, betas=optim.betas, weight_decay=optim.weight_decay, fused=True)
    muon = [Muon(inner, lr=optim.lr, weight_decay=optim.weight_decay)] if inner else []
    return Part(list(net.parameters()), [plain, *muon], optim.lr)


def schedule(step: int, steps: int, optim: OptimConfig) -> float:
    """Share of the rate: linear warm-up, 1, then a cosine to zero over the last `cooldown` share of the steps."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    start = steps * (1 - optim.cooldown)
    done = max(0.0, (step - start) / max(1.0, steps - start))
    return warm * 0.5 * (1 + cos(pi * min(1.0, done)))


def set_rate(state: State, recipe: Recipe) -> float:
    """Give every optimiser the rate of this step; returns the net's."""
    share = schedule(state.step, recipe.steps, recipe.optim)
    for part in state.parts.values():
        for group in [group for optimiser in part.optimisers for group in optimiser.param_groups]:
            group["lr"] = part.lr * share
    return recipe.optim.lr * share


@torch.no_grad()
def update_average(state: State, recipe: Recipe, noisy: Tensor, blurry: Tensor) -> None:
    """Move the averaged weights towards the current ones; the decay is smaller in the first steps.

    Batch norm's statistics are measured on the averaged net itself, now and then: its maps are smaller than the current
    one's, as what the average evens out has no length.
    """
    decay = min(recipe.optim.ema, (1 + state.step) / (10 + state.step))
    for mean, current in zip(state.average.parameters(), state.net.parameters(), strict=True):
        mean.lerp_(current, 1 - decay)
    norms = [module for module in state.average.modules() if isinstance(module, nn.BatchNorm2d)]
    measured = {id(buffer) for module in norms for buffer in module.buffers()}
    for kept, buffer in zip(state.average.buffers(), state.net.buffers(), strict=True):
        if id(kept) not in measured:
            kept.copy_(buffer)
    if norms and state.step % _MEASURE_EVERY == 0:
        _measure(state.average, norms, recipe, noisy, blurry)


def _measure(net: nn.Module, norms: Sequence[nn.Module], recipe: Recipe, noisy: Tensor, blurry: Tensor) -> None:
    """Move batch norm's running statistics by one batch; nothing else is in training mode."""
    net.eval()
    for norm in norms:
        norm.train()
    with autocast(recipe, noisy.device):
        net(noisy, blurry)
    net.eval()


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    """bf16 arithmetic where the recipe asks for it and the device computes it natively."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, _bf16_on_gpu(recipe))
    if recipe.bf16 and torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():  # type: ignore[no-untyped-call]
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def _is_inner(weights: Tensor) -> bool:
    """Matrices but those of layers that read or write pictures, whose rows are pixels and no features."""
    return weights.ndim >= 2 and not _PICTURE_CHANNELS & set(weights.shape[:2])

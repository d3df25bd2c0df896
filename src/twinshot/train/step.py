"""One step of training, every update in plain sight.

Three methods: `restoration`, one network and one loss; `paper`, the updates of Section IV-A; `wgan`, DeblurGAN's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from math import cos, inf, pi
from zlib import crc32

import msgspec
import torch
from torch import Tensor, nn

from ..engines.loading import load_model
from ..engines.models import Training
from ..engines.torch import network_of
from ..nets import build
from ..nets.deblurgan import Critic
from ..nets.discriminator import Discriminator
from ..nets.rnn import DeblurRNN
from ..picture.pair import TwinshotError
from . import ranks
from .config import Method, NetConfig, OptimConfig, Recipe
from .graph import CudaGraphed
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

_TURN_EVERY = 10  # steps: SOAP's bases
_MEASURE_EVERY = 10  # steps; running statistics then look back over some hundred
_PICTURE_CHANNELS = {3, 6}  # of one frame or both
_BF16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # of processors that compute it; on others it doubles the time


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
    teacher: nn.Module | None = None
    recorded: CudaGraphed | None = None  # `learn`, where a GPU repeats it
    before: Training | None = None  # of the model it began with
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
    """Learn from the batch, average."""
    noisy, blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in batch)
    rate = begin_step(state, recipe)
    loss, norm = (state.recorded or partial(learn, state, recipe))(noisy, blurry, sharp)
    state.step += 1
    update_average(state, recipe, noisy, blurry)
    return {"loss": loss.item(), "gradient": norm.item(), "lr": rate}


def learn(state: State, recipe: Recipe, noisy: Tensor, blurry: Tensor, sharp: Tensor) -> tuple[Tensor, Tensor]:
    """Forward, loss, backward, clip, update; returns the loss and the gradient's norm."""
    with autocast(recipe, state.device):
        restored = [picture.float() for picture in scales(state.net, noisy, blurry)]
        taught = None if state.teacher is None else lesson(state.teacher, noisy, blurry)
    loss = restoration_loss(restored, sharp, recipe.loss, taught)
    return loss, descend(state.parts["net"], loss, recipe.optim.clip)


def paper_step(state: State, batch: Triple, recipe: Recipe) -> dict[str, float]:
    """Update the denoising net, then the discriminator, then the generator (Section IV-A, Table I).

    The pictures come from one pass before the updates: what the denoising net hands on carries no gradient, and the
    discriminator is asked again after its own update. Only further updates of the generator, which the predecessor has,
    start from a new pass. DeblurMerger has no denoising net; without an adversarial term there is no discriminator.
    """
    noisy, blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in batch)
    judge, weights, clip = state.discriminator, recipe.paper, recipe.optim.clip
    rate, row = begin_step(state, recipe), {}
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
    return {"loss": loss.item(), **row, "gradient_norm": norm.item(), "lr": rate}


def wgan_step(state: State, batch: Triple, recipe: Recipe) -> dict[str, float]:
    """Update the critic several times, then the generator (DeblurGAN).

    The critic's updates share one batch and its restored pictures, as in the public code: the generator stands still
    meanwhile, so it runs once a step, and only the penalty's mixing is drawn anew. Its losses are of its last update.
    """
    noisy, blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in batch)
    critic, weights, clip = state.discriminator, recipe.wgan, recipe.optim.clip
    assert critic is not None
    rate = begin_step(state, recipe)
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
    return {"loss": row["content"] + row["adversarial"], **row, "gradient_norm": norm.item(), "lr": rate}


STEPS: dict[Method, Callable[[State, Triple, Recipe], dict[str, float]]] = {
    "restoration": restoration_step,
    "paper": paper_step,
    "wgan": wgan_step,
}


def descend(part: Part, loss: Tensor, clip: float) -> Tensor:
    """Update a part's weights by a loss; returns the gradient's norm before it was clipped (0: left as it is)."""
    for optimiser in part.optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    ranks.average([weight.grad for weight in part.weights if weight.grad is not None])
    norm = nn.utils.clip_grad_norm_(part.weights, clip or inf)
    for optimiser in part.optimisers:
        optimiser.step()
    return norm


@torch.no_grad()
def lesson(teacher: nn.Module, noisy: Tensor, blurry: Tensor) -> Tensor:
    """What the teacher makes of the pairs."""
    restored: Tensor = teacher(noisy, blurry).float().clamp(0, 1)
    return restored


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
            crop off its grid, or a denoising net that two losses would pull at, or none.
    """
    torch.manual_seed(recipe.seed)
    net, before = _at_first(recipe.net)
    net = _for_training(net, device)
    _check_grid(recipe, net, recipe.net.kind)
    _check_denoising(recipe, net)
    average = copy.deepcopy(net).requires_grad_(False)
    judge = _judge(recipe, device)
    trained = {"net": net} if recipe.method == "restoration" else _adversaries(net, judge, recipe)
    parts = {name: part_of(each, _optim_of(name, recipe)) for name, each in trained.items()}
    state = State(net, average, parts, judge, _teacher(recipe, device), before=before)
    if device.type == "cuda" and recipe.method == "restoration" and ranks.count() == 1:
        state.recorded = CudaGraphed(partial(learn, state, recipe))
    return state


def _optim_of(part: str, recipe: Recipe) -> OptimConfig:
    """The recipe's, but for the discriminator of `paper`, which must not outrun the net: Adam, and its own rate."""
    if part == "discriminator" and recipe.method == "paper":
        return msgspec.structs.replace(recipe.optim, name="adamw", lr=recipe.discriminator.lr)
    return recipe.optim


def _at_first(config: NetConfig) -> tuple[nn.Module, Training | None]:
    """The network with random weights, or with those of the model that it starts from, and how that was trained."""
    net = build(config.kind, config.settings)
    if not config.start:
        return net, None
    model = load_model(config.start)
    try:
        net.load_state_dict(network_of(model.path, model.card).state_dict())
    except RuntimeError as error:
        raise TwinshotError(
            f"start = {config.start!r}: is a different network from the recipe's; give that model's kind and settings"
        ) from error
    return net, model.card.training


def _for_training(net: nn.Module, device: torch.device) -> nn.Module:
    return ranks.share_norms(net.to(device, memory_format=torch.channels_last))  # type: ignore[call-overload]


def _teacher(recipe: Recipe, device: torch.device) -> nn.Module | None:
    if not (name := recipe.loss.teacher):
        return None
    if recipe.method != "restoration":
        raise TwinshotError(f"teacher = {name!r}: the method {recipe.method!r} takes no teacher; leave it out")
    model = load_model(name)
    teacher = network_of(model.path, model.card)
    _check_grid(recipe, teacher, name)
    return _for_training(teacher, device).requires_grad_(False)


def fingerprint(net: nn.Module) -> int:
    """A checksum of the weights."""
    return crc32(b"".join(weight.cpu().contiguous().numpy().tobytes() for weight in net.state_dict().values()))


def _check_grid(recipe: Recipe, net: nn.Module, name: str) -> None:
    if recipe.data.crop % int(net.multiple):  # type: ignore[arg-type]
        raise TwinshotError(f"crop = {recipe.data.crop}: give a multiple of {net.multiple}, the grid of {name!r}")


def _check_denoising(recipe: Recipe, net: nn.Module) -> None:
    """DeblurRNN's denoising net has one loss: its own, which the method `paper` has, or that of what follows it."""
    own = recipe.method == "paper" and recipe.paper.denoising > 0
    if isinstance(net, DeblurRNN) and net.joint and own:
        raise TwinshotError("joint = true trains the denoising net by two losses; set joint = false or denoising = 0")
    if isinstance(net, DeblurRNN) and not net.joint and not own:
        raise TwinshotError("nothing would train the denoising net; set joint = true in the net's settings")


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
    return {"denoising": net.denoising, **judges, "generator": net.deblurring}


def part_of(net: nn.Module, optim: OptimConfig) -> Part:
    """All weights of a net, with SOAP or AdamW for all, or Muon for the inner matrices and AdamW for the rest."""
    weights = list(net.parameters())
    gpu = weights[0].is_cuda
    rate = torch.tensor(optim.lr, device=weights[0].device) if gpu else optim.lr  # what is recorded reads it anew
    if optim.name == "soap":
        return Part(weights, [Soap(weights, lr=rate, weight_decay=optim.weight_decay)], optim.lr)
    muons = optim.name == "muon"
    inner = [weight for weight in weights if muons and _is_inner(weight)]
    rest = [weight for weight in weights if not (muons and _is_inner(weight))]
    decay = optim.weight_decay
    plain = torch.optim.AdamW(rest, lr=rate, betas=optim.betas, weight_decay=decay, fused=True, capturable=gpu)
    muon = [Muon(inner, lr=rate, weight_decay=decay)] if inner else []
    return Part(weights, [plain, *muon], optim.lr)


def schedule(step: int, steps: int, optim: OptimConfig) -> float:
    """Share of the rate: linear warm-up, 1, then a cosine to zero over the last `cooldown` share of the steps."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    start = steps * (1 - optim.cooldown)
    done = max(0.0, (step - start) / max(1.0, steps - start))
    return warm * 0.5 * (1 + cos(pi * min(1.0, done)))


def begin_step(state: State, recipe: Recipe) -> float:
    """Give every optimiser the rate of this step, and SOAP new bases now and then; returns the net's rate."""
    share = schedule(state.step, recipe.steps, recipe.optim)
    for part in state.parts.values():
        for group in [group for optimiser in part.optimisers for group in optimiser.param_groups]:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(part.lr * share)
            else:
                group["lr"] = part.lr * share
    if state.step % _TURN_EVERY == 0:
        for soap in [optimiser for optimiser in state.optimisers if isinstance(optimiser, Soap)]:
            soap.update_bases()
    return recipe.optim.lr * share


@torch.no_grad()
def update_average(state: State, recipe: Recipe, noisy: Tensor, blurry: Tensor) -> None:
    """Move the averaged weights towards the current ones; the decay is smaller in the first steps.

    Batch norm's statistics are measured on the averaged net itself, now and then: its maps are smaller than the current
    one's, as what the average evens out has no length.
    """
    decay = min(recipe.optim.ema, (1 + state.step) / (10 + state.step))
    torch._foreach_lerp_(list(state.average.parameters()), list(state.net.parameters()), 1 - decay)
    norms = [module for module in state.average.modules() if isinstance(module, nn.BatchNorm2d)]
    measured = {id(buffer) for module in norms for buffer in module.buffers()}
    for average, buffer in zip(state.average.buffers(), state.net.buffers(), strict=True):
        if id(average) not in measured:
            average.copy_(buffer)
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
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.autocast("cuda", torch.bfloat16, recipe.bf16 and native)
    libraries = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    native = libraries and any(map(torch.cpu.get_capabilities().get, _BF16))
    return torch.autocast("cpu", torch.bfloat16) if recipe.bf16 and native else nullcontext()


def _is_inner(weights: Tensor) -> bool:
    """Matrices but those of layers that read or write pictures, whose rows are pixels and no features."""
    return weights.ndim >= 2 and not _PICTURE_CHANNELS & set(weights.shape[:2])

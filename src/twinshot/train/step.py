"""One step of training, every update in plain sight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from math import cos, pi

import torch
from torch import Tensor, nn

from .config import OptimConfig, Recipe
from .data import Triple
from .losses import psnr_loss
from .muon import Muon


@dataclass
class State:
    """All that changes while training."""

    net: nn.Module
    average: nn.Module  # exponential moving average of the weights: what is validated and exported
    optimisers: list[torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0


def restoration_step(state: State, batch: Triple, recipe: Recipe) -> dict[str, float]:
    """Forward, loss, backward, clip, update, average."""
    noisy, blurry, sharp = (image.contiguous(memory_format=torch.channels_last) for image in batch)
    rate = set_rate(state, recipe)
    with autocast(recipe):
        restored = state.net(noisy, blurry).float()
    loss = recipe.loss.psnr * psnr_loss(restored, sharp)
    for optimiser in state.optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.net.parameters(), recipe.optim.clip)
    for optimiser in state.optimisers:
        optimiser.step()
    state.step += 1
    update_average(state, recipe.optim.ema)
    return {"loss": loss.item(), "gradient": norm.item(), "lr": rate}


def optimisers_for(net: nn.Module, optim: OptimConfig) -> list[torch.optim.Optimizer]:
    """AdamW for all, or Muon for the inner matrices and AdamW for the rest."""
    inner = [p for name, p in net.named_parameters() if optim.name == "muon" and _is_inner(name, p)]
    taken = {id(p) for p in inner}
    rest = [p for p in net.parameters() if id(p) not in taken]
    plain = torch.optim.AdamW(rest, lr=optim.lr, betas=optim.betas, weight_decay=optim.weight_decay, fused=True)
    return [plain, Muon(inner, lr=optim.lr, weight_decay=optim.weight_decay)] if inner else [plain]


def learning_rate(step: int, steps: int, optim: OptimConfig) -> float:
    """Linear warm-up, constant, then a cosine to zero over the last `cooldown` share of the steps."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    start = steps * (1 - optim.cooldown)
    done = max(0.0, (step - start) / max(1.0, steps - start))
    return optim.lr * warm * 0.5 * (1 + cos(pi * min(1.0, done)))


def set_rate(state: State, recipe: Recipe) -> float:
    """Give every optimiser the rate of this step; returns it."""
    rate = learning_rate(state.step, recipe.steps, recipe.optim)
    for group in chain.from_iterable(optimiser.param_groups for optimiser in state.optimisers):
        group["lr"] = rate
    return rate


@torch.no_grad()
def update_average(state: State, decay: float) -> None:
    """Move the averaged weights towards the current ones; the decay is smaller in the first steps."""
    decay = min(decay, (1 + state.step) / (10 + state.step))
    for mean, current in zip(_tensors(state.average), _tensors(state.net), strict=True):
        if mean.is_floating_point():
            mean.lerp_(current, 1 - decay)
        else:
            mean.copy_(current)


def autocast(recipe: Recipe) -> AbstractContextManager[object]:
    """bf16 arithmetic where the recipe asks for it and the processor computes it natively."""
    if recipe.bf16 and torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def _is_inner(name: str, parameter: Tensor) -> bool:
    """Matrices but the first and last layer's, whose rows are pixels and no features."""
    return parameter.ndim >= 2 and not name.startswith(("head", "tail"))


def _tensors(net: nn.Module) -> Iterator[Tensor]:
    return chain(net.parameters(), net.buffers())

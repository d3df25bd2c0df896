"""Ranks: processes that train one network together, under `torchrun` or on Ray Train, as one would by itself.

All hold the same weights and optimisers. Each draws its own part of every batch, and gradients are averaged before each
update; so all make the same update, which is that of one process on the whole batch, but for rounding. Rank 0 alone
validates, prints and writes. A process alone is rank 0 of 1, for which nothing here does anything.

Gradients are averaged in plain sight, and not by torch's DistributedDataParallel: that wraps one net, which is called
once and gone backward through once. A step of `paper` goes through the net once and backward through its parts by
losses of their own, calls it by other ways than `forward`, and asks the discriminator again after its own update. What
DDP has for it is that gradients travel while others are still computed; docs/scale.md has how long that takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # before ranks meet: else its defaults would hold their group and its threads
from torch import Tensor, nn

from ..picture.pair import TwinshotError

PATIENCE = timedelta(hours=12)
"""How long ranks wait for the first to validate, or for motion to be rendered; one that ends is noticed at once."""


class RankLostError(TwinshotError):
    """Another rank has ended, and without it there is nothing to go on with."""


@contextmanager
def joined() -> Iterator[None]:
    """Meet the other ranks meanwhile, where `torchrun` started some; on Ray Train they have met before.

    Raises TwinshotError where they cannot.
    """
    if dist.is_initialized() or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        dist.init_process_group(timeout=PATIENCE)  # gloo for what lies in memory, NCCL for what lies on GPUs
    except (RuntimeError, ValueError) as error:
        raise TwinshotError(f"WORLD_SIZE is set, but no processes meet ({error}); start them with torchrun") from error
    try:
        yield
    finally:
        dist.destroy_process_group()


def count() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def check_split(batch: int, reuse: int) -> None:
    """Raises TwinshotError where ranks cannot have equal parts of what is drawn for a batch."""
    if (drawn := batch // reuse) % count():
        what = f"batch = {batch}" if reuse == 1 else f"batch / reuse = {drawn}"
        raise TwinshotError(f"{what} cannot be split over {count()} processes; start as many as divide it")


def check_same(beginning: str) -> None:
    """Raises TwinshotError where another rank begins otherwise."""
    if count() == 1:
        return
    every: list[Any] = [None] * count()
    _together(dist.all_gather_object, every, beginning)
    if other := next((number for number, each in enumerate(every) if each != every[0]), None):
        raise TwinshotError(
            f"process {other} would begin with {every[other]}, process 0 with {every[0]}; "
            "give all the same recipe, and a folder of runs that all machines share"
        )


def part(numbers: range, size: int) -> Iterable[int]:
    """This rank's of numbered items, `size` of which make a batch; `numbers` are whole batches."""
    share = size // count()
    return (number for number in numbers if number % size // share == rank())


def own_stream(seed: int, step: int) -> None:
    """Have torch draw what a rank beyond the first draws in this step, as dropout; the first goes on with its stream.

    As a function of the step it needs no place in a checkpoint.
    """
    if rank():
        torch.manual_seed(int(np.random.SeedSequence([seed, step, rank()]).generate_state(1)[0]))


def average(tensors: Sequence[Tensor]) -> None:
    """Have each hold its mean over the ranks."""
    if count() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    _together(dist.all_reduce, flat)
    flat /= count()
    for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def mean(row: Mapping[str, float]) -> dict[str, float]:
    """A step's numbers, each its mean over the ranks."""
    values = torch.tensor(list(row.values()), dtype=torch.float64)
    average([values])
    return dict(zip(row, values.tolist(), strict=True))


def share_norms(net: nn.Module) -> nn.Module:
    """The net, whose batch norms see the whole batch from now on; what a checkpoint holds of them stays the same."""
    for module in net.modules() if count() > 1 else ():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm
    return net


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm by the statistics of the whole batch, of which each rank has a part of the same size.

    As torch's SyncBatchNorm, which runs on GPUs alone. By its own part's statistics a rank would learn something else
    than a process alone; of the two pictures that five ranks have of a batch of ten, the paper's bottleneck of one
    pixel would keep but a sign.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        variance, mean = (moment.double() for moment in torch.var_mean(x.float(), (0, 2, 3), correction=0))
        mean, square = _Sum.apply(torch.stack([mean, variance + mean.square()])) / count()  # type: ignore[no-untyped-call]
        variance = square - mean.square()
        self._follow(mean.detach(), variance.detach(), x.numel() // x.shape[1] * count())
        scale = self.weight * (variance + self.eps).rsqrt().float()
        shift = self.bias - mean.float() * scale
        out: Tensor = (x.float() * scale[:, None, None] + shift[:, None, None]).to(x.dtype)
        return out

    def _follow(self, mean: Tensor, variance: Tensor, values: int) -> None:
        """Move the running statistics, as torch does: the variance without bias."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean.float(), self.momentum)
        self.running_var.lerp_((variance * values / (values - 1)).float(), self.momentum)
        self.num_batches_tracked += 1


class _Sum(torch.autograd.Function):
    """The sum over the ranks, which all of their losses depend on."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        _together(dist.all_reduce, total)
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return _Sum.forward(ctx, slope)


def _together(work: Any, *arguments: Any) -> None:
    """Raises RankLostError where another rank has ended."""
    try:
        work(*arguments)
    except RuntimeError as error:
        raise RankLostError(
            "another process of this training has ended: see what it says; then --resume from the last checkpoint"
        ) from error

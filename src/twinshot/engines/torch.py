"""torch, where it is installed: on a CUDA device if there is one, and for whatever trains a model further."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..picture.errors import ModelError
from .engine import Batch, Loaded, failed
from .models import Card

if TYPE_CHECKING:
    from torch import Tensor, nn


def has_cuda() -> bool:
    """Whether a torch is installed that finds a CUDA device; it is imported only where it was built for one."""
    if find_spec("torch") is None or find_spec("onnx") is None or version("torch").endswith("+cpu"):
        return False
    import torch

    return bool(torch.cuda.is_available())


def load(path: Path, card: Card) -> Loaded:
    """In single precision."""
    try:
        import torch

        net = network_of(path, card)
    except ImportError as error:
        raise ModelError("engine 'torch' needs its packages; run pip install 'twinshot[cuda]'") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def run(noisy: Batch, blurry: Batch) -> Batch:
        try:
            frames = [torch.from_numpy(frame).to(device) for frame in (noisy, blurry)]
            restored: Batch = net(*frames).cpu().numpy()
        except RuntimeError as error:  # CUDA's memory is the usual one
            raise failed(path, error) from error
        return restored

    return Loaded(run)


def network_of(path: Path, card: Card) -> nn.Module:
    """The torch network of a model, from the weights in its ONNX graph: float32, in evaluation mode.

    It computes what the graph computes. Where the export folded a batch norm into the convolution before it, the norm
    is the identity with the convolution's bias: to train such a network further, go on from its checkpoint.

    Raises:
        ModelError: the graph is not of the network that the manifest names.
    """
    import onnx
    import torch
    from onnx import numpy_helper

    from ..nets import build_plain

    graph = onnx.load(path).graph
    state = {w.name.removesuffix("_half"): torch.tensor(numpy_helper.to_array(w)) for w in graph.initializer}
    recipe = card.training.recipe["net"]
    net = build_plain(recipe["kind"], recipe["settings"])
    state = _folded_norms(net, state) | state
    if missing := sorted(set(net.state_dict()) - set(state)):
        raise ModelError(f"{path}: lacks {missing[0]} of the network {recipe['kind']!r}; export the model again")
    net.load_state_dict({name: state[name] for name in net.state_dict()})
    return net.eval()


def _folded_norms(net: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What stands for the batch norms that a graph has in the convolutions before them, and for their counters."""
    import torch
    from torch import nn

    found = {}
    for name, norm in net.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            found[f"{name}.num_batches_tracked"] = torch.tensor(0)
            bias = state.get(f"{name.removesuffix('norm')}conv.weight_bias")
            if bias is not None:
                ones = torch.ones_like(bias)
                values = {"weight": ones, "bias": bias, "running_mean": 0 * ones, "running_var": ones - norm.eps}
                found |= {f"{name}.{key}": value for key, value in values.items()}
    return found

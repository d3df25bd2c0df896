"""Training by workers of a cluster: Ray Train starts and connects them, and restarts all of them where one dies.

Each runs `train.loop`, as under `torchrun`; after a restart they resume from the last checkpoint.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..picture.errors import TwinshotError
from ..train import loop, ranks
from ..train.config import Recipe
from .cluster import ClusterError, connected

_RESTARTS = 10  # in a run: one that always kills its workers would never end


@dataclass(frozen=True)
class Order:
    """What is trained; folders have the same names on all machines."""

    recipes: tuple[Recipe, ...]
    root: Path
    folder: Path
    resume: bool
    workers: int


def train(
    recipes: Sequence[Recipe],
    root: Path,
    folder: Path,
    resume: bool,
    report: loop.Report = lambda row: None,
    *,
    on: str,
    workers: int,
) -> list[Path]:
    """Train as `loop.train` does, with `workers` processes on a cluster, on GPUs where it has one for each.

    Args:
        recipes, resume: as there.
        root, folder: as there, and shared by all machines of the cluster.
        report: as there; after a restart it is called again with rows since the last checkpoint.
        on: see `cluster.connected`.
        workers: each has as many cores as there is room for.

    Raises:
        TwinshotError: what `loop.train` says.
        ClusterError: no cluster answers, it has fewer cores than workers, or they died more than ten times.
    """
    order = Order(tuple(recipes), root.absolute(), folder.absolute(), resume, workers)
    with connected(on):
        import ray
        from ray.util.queue import Queue

        messages = Queue(actor_options={"num_cpus": 0})
        # Ray Train runs within the cluster: a client (ray://) cannot start it.
        for word in _words(messages, ray.remote(num_cpus=0)(_fit).remote(order, messages)):
            if isinstance(word, TwinshotError):
                raise word
            report(word)
    return [order.folder / recipe.name / loop.CHECKPOINT for recipe in recipes]


def _words(messages: Any, work: Any) -> Iterator[Any]:
    """Yield what the workers tell, until the work has ended."""
    import ray

    ended = False
    while not ended:
        ended = bool(ray.wait([work], timeout=1)[0])
        yield from messages.get_nowait_batch(messages.qsize())
    ray.get(work)


def _fit(order: Order, messages: Any) -> None:
    """Runs on one machine of the cluster; tells errors in the order, and raises those of Ray."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    notes = order.folder / f".ray-{secrets.token_hex(4)}"  # Ray's own files, no checkpoints
    try:
        for recipe in order.recipes if not order.resume else ():
            loop.check_new(order.folder / recipe.name)
        cores, gpu = _room(order.workers)
        TorchTrainer(
            _work,
            train_loop_config={"order": order, "messages": messages},
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpu else "gloo", timeout_s=ranks.PATIENCE.seconds),
            scaling_config=ScalingConfig(
                num_workers=order.workers, use_gpu=gpu, resources_per_worker={"CPU": cores, "GPU": int(gpu)}
            ),
            run_config=RunConfig(
                name="run", storage_path=str(notes), failure_config=FailureConfig(max_failures=_RESTARTS)
            ),
        ).fit()
    except TwinshotError as error:
        messages.put(error)
    finally:
        shutil.rmtree(notes, ignore_errors=True)


def _room(workers: int) -> tuple[int, bool]:
    """Cores for each worker, the most that the machines have room for, and whether there is a GPU for each.

    Raises ClusterError where there are fewer cores than workers.
    """
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [int(machine.get("CPU", 0)) for machine in machines]
    fitting = [each for each in range(1, max(cores) + 1) if sum(there // each for there in cores) >= workers]
    if not fitting:
        raise ClusterError(
            f"--workers {workers}: the cluster has {sum(cores)} cores; ask for no more workers than that"
        )
    return fitting[-1], sum(int(machine.get("GPU", 0)) for machine in machines) >= workers


def _work(config: dict[str, Any]) -> None:
    """Runs in a worker; an error that a restart would not mend is also told, which ends the training."""
    import torch
    from ray.train.torch import get_device

    order, messages, device = config["order"], config["messages"], get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        loop.train(order.recipes, order.root, order.folder, True, messages.put, device)
    except ranks.RankLostError:
        raise
    except TwinshotError as error:
        messages.put(error)
        raise

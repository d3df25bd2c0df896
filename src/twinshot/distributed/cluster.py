"""The only module that talks to Ray Core and Ray Data: it connects to a cluster and maps work over its workers.

Ray Data decides where workers run, when they are replaced, how often work is repeated and how much runs at once.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..machine import usable_cores
from ..picture.errors import TwinshotError

Thing = TypeVar("Thing")
Made = TypeVar("Made")

_OBJECTS = 200_000_000  # bytes of Ray's object store on one machine; only names and reports go through it
_REPEATS = 3  # of a thing whose worker died: one that always kills its worker would never end
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # codes for colours in Ray's messages
_BLOCKS = 20_000  # at most, of a dataset: Ray Data keeps track of each


class ClusterError(TwinshotError):
    """There is no Ray, or no cluster where one was named, or the cluster failed as a whole."""


@contextmanager
def connected(on: str) -> Iterator[None]:
    """Connect to a cluster, and disconnect at the end of the block.

    Args:
        on: "local", which starts Ray on this machine; "ray://HOST:PORT"; or any other address that `ray.init` takes.

    Raises:
        ClusterError: Ray is not installed, no cluster answers, or it fails on the way.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        import ray
    except ImportError as error:
        raise ClusterError("--on needs Ray; install it with pip install 'twinshot[distributed]'") from error
    here: dict[str, Any] = {"num_cpus": usable_cores(), "include_dashboard": False, "object_store_memory": _OBJECTS}
    try:
        with _own_signals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=on, log_to_driver=False, logging_level="error", **(here if on == "local" else {}))
    except Exception as error:  # Ray raises a plain Exception where a node is slow to start
        ray.shutdown()
        raise ClusterError(f"{on}: no Ray cluster answers there ({_last_line(error)}); see docs/scale.md") from error
    try:
        yield
    except (ConnectionError, ray.exceptions.RayError) as error:
        raise ClusterError(f"{on}: the cluster failed ({_last_line(error)}); call again, and it resumes") from error
    finally:
        ray.shutdown()


def _last_line(error: Exception) -> str:
    """The last line of a remote traceback, which says what was wrong."""
    lines = _COLOUR.sub("", str(error)).splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), type(error).__name__)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the command's handler of SIGTERM, which `ray.init` replaces."""
    ours = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)


def mapped(
    make: Callable[..., Callable[[Thing], Made]], arguments: Sequence[Any], things: Sequence[Thing], memory: int
) -> Iterator[tuple[Thing, Made | None]]:
    """Yield each thing with its result, in the order in which they are done.

    Args:
        make: called with `arguments` in every worker, once; what it returns is called with one thing after the other.
            Work may be repeated, so the same thing must give the same result.
        arguments: of `make`; pickled.
        things: what there is to do; pickled.
        memory: bytes that a worker needs; a machine gets no more workers than it has room for.

    The result is None where a thing killed its worker each time; the others go on.
    """
    import ray

    # An actor iterates over the dataset: a client (ray://) cannot.
    pickled = [pickle.dumps(thing) for thing in things]
    stream = ray.remote(num_cpus=0)(_Stream).remote(make, tuple(arguments), pickled, memory)
    missing = set(range(len(things)))
    while done := ray.get(stream.more.remote()):
        for index, made in done:
            missing.discard(index)
            yield things[index], pickle.loads(made)
    for index in sorted(missing):
        yield things[index], None


class _Stream:
    """The actor that iterates over the dataset, within the cluster."""

    def __init__(self, make: Callable[..., Any], arguments: tuple[Any, ...], things: list[bytes], memory: int) -> None:
        from ray import data

        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        context.autoscaling_config.actor_pool_util_upscaling_threshold = 0.5  # adds workers until no core is left
        rows = [{"index": index, "thing": thing} for index, thing in enumerate(things)]
        dataset = data.from_items(rows, override_num_blocks=min(len(rows), _BLOCKS))
        # One thing at a time, so that one that kills its worker takes no other with it.
        pool = data.ActorPoolStrategy(min_size=1, max_tasks_in_flight_per_actor=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # max_task_retries is deprecated, but has no successor yet
            done = dataset.map(
                _Worker,
                fn_constructor_args=(make, arguments),
                compute=pool,
                num_cpus=1,
                memory=memory,
                max_restarts=-1,
                max_task_retries=_REPEATS,
            )
        self.batches = iter(done.iter_batches(batch_size=None, batch_format="pyarrow"))

    def more(self) -> list[tuple[int, bytes]]:
        """The next results; empty once all are done."""
        for batch in self.batches:
            if batch.num_rows:
                return list(zip(batch["index"].to_pylist(), batch["made"].to_pylist(), strict=True))
        return []


class _Worker:
    """Runs in a worker process; what it needs is made once."""

    def __init__(self, make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
        self.work = make(*arguments)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"index": row["index"], "made": pickle.dumps(self.work(pickle.loads(row["thing"])))}

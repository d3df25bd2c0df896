"""Ray as the other modules need it: a cluster to work on, and things handed out to its workers.

Where a worker runs, when it is replaced, how often work is repeated and how much is under way at once is Ray Data's.
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

from ..machine import threads
from ..picture.errors import TwinshotError

Thing = TypeVar("Thing")
Made = TypeVar("Made")

_OBJECTS = 200_000_000  # bytes of Ray's object store on one machine; only names and reports go through it
_REPEATS = 3  # of a thing whose worker died: what kills it each time must not go on for ever
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # with which Ray writes on terminals
_BLOCKS = 20_000  # things are handed out in at most so many lots, for which Ray Data keeps books


class ClusterError(TwinshotError):
    """There is no Ray, or no cluster where one was named, or the cluster failed as a whole."""


@contextmanager
def connected(on: str) -> Iterator[None]:
    """Work on this cluster meanwhile.

    Args:
        on: "local", which starts Ray on this machine; "ray://HOST:PORT"; or what else `ray.init` takes as an address.

    Raises:
        ClusterError: Ray is not installed, no cluster answers, or it fails on the way.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        import ray
    except ImportError as error:
        raise ClusterError("--on needs Ray; install it with pip install 'twinshot[distributed]'") from error
    here: dict[str, Any] = {"num_cpus": threads(), "include_dashboard": False, "object_store_memory": _OBJECTS}
    try:
        with _own_signals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=on, log_to_driver=False, logging_level="error", **(here if on == "local" else {}))
    except Exception as error:  # a node that takes too long to start raises a plain one
        ray.shutdown()
        raise ClusterError(f"{on}: no Ray cluster answers there ({_last_line(error)}); see docs/scale.md") from error
    try:
        yield
    except (ConnectionError, ray.exceptions.RayError) as error:
        raise ClusterError(f"{on}: the cluster failed ({_last_line(error)}); call again, and it resumes") from error
    finally:
        ray.shutdown()


def _last_line(error: Exception) -> str:
    """Of a traceback from elsewhere the line that says what was wrong."""
    lines = _COLOUR.sub("", str(error)).splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), type(error).__name__)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts a way of its own to end the process in the place of the command's."""
    ours = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)


def mapped(
    make: Callable[..., Callable[[Thing], Made]], arguments: Sequence[Any], things: Sequence[Thing], memory: int
) -> Iterator[tuple[Thing, Made | None]]:
    """Each thing with what became of it, in the order in which they are done.

    Args:
        make: called with `arguments` in every worker, once; what it returns is called with one thing after the other.
            The result must be the same however often that happens.
        arguments: pickled, as the things are.
        things: what there is to do.
        memory: bytes that a worker needs; a machine gets no more workers than it has room for.

    What comes of a thing is None where its worker died each time; the other things go on.
    """
    import ray

    # A dataset is followed by an actor, since clients from outside the cluster cannot do so.
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
    """A dataset on its way through the workers, within the cluster."""

    def __init__(self, make: Callable[..., Any], arguments: tuple[Any, ...], things: list[bytes], memory: int) -> None:
        from ray import data

        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        context.autoscaling_config.actor_pool_util_upscaling_threshold = 0.5  # workers, until there is no core left
        rows = [{"index": index, "thing": thing} for index, thing in enumerate(things)]
        dataset = data.from_items(rows, override_num_blocks=min(len(rows), _BLOCKS))
        # One thing at a time, so that what kills a worker takes no other thing with it.
        pool = data.ActorPoolStrategy(min_size=1, max_tasks_in_flight_per_actor=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of max_task_retries, which has no other name yet
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
        """What is done next; nothing once all is done."""
        for batch in self.batches:
            if batch.num_rows:
                return list(zip(batch["index"].to_pylist(), batch["made"].to_pylist(), strict=True))
        return []


class _Worker:
    """One process's: what it needs to work is made once."""

    def __init__(self, make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
        self.work = make(*arguments)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"index": row["index"], "made": pickle.dumps(self.work(pickle.loads(row["thing"])))}

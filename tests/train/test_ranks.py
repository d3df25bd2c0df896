"""Ranks: two processes that train together learn what one learns by itself."""

from __future__ import annotations

import os
import signal
import socket
import sys
import weakref
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from laboratory import (
    HELD,
    NETS,
    TWINSHOT,
    Lab,
    rows_of,
    some_batch,
    tiny,
    tiny_table,
    training,
    wait_for,
    workplace,
)
from torch import Tensor

from twinshot.picture.pair import TwinshotError
from twinshot.train import ranks
from twinshot.train.config import recipe_from
from twinshot.train.loop import train
from twinshot.train.pool import CPU
from twinshot.train.step import STEPS, new_state

STEADY: dict[str, Any] = {"kind": "rnn", "settings": {**NETS["rnn"], "dropout": 0.0}}


def learned() -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """What this rank logs in three steps of the paper's method, on its part of each batch, and its averaged weights."""
    recipe = tiny("rnn", bf16=False, net=STEADY)
    state, rows = new_state(recipe), []
    for step in range(3):
        batch = tuple(frames.chunk(ranks.count())[ranks.rank()] for frames in some_batch(step))
        rows.append(ranks.mean(STEPS[recipe.method](state, batch, recipe)))  # type: ignore[arg-type]
    return rows, state.average.state_dict()


def second() -> None:
    """Once ranks have parted nothing holds their group: its threads, living on, can abort the process as it ends."""
    with ranks.joined():
        learned()
        group = weakref.ref(dist.group.WORLD)
    assert group() is None


def test_two_learn_what_one_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Denoising net, discriminator and generator; with one picture each, batch norm must see the other's."""
    rows, average = learned()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2, "OMP_NUM_THREADS": 1, "RANK": 1}
    for name, value in meeting.items():
        monkeypatch.setenv(name, str(value))
    other = get_context("spawn").Process(target=second)
    other.start()
    monkeypatch.setenv("RANK", "0")
    with ranks.joined():
        assert ranks.count() == 2
        together, average_together = learned()
    other.join()
    assert other.exitcode == 0
    assert together == [pytest.approx(row, rel=1e-5) for row in rows]
    torch.testing.assert_close(average_together, average, rtol=0, atol=1e-6)


def test_a_batch_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "count", lambda: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        parts.append(list(ranks.part(range(12, 24), 6)))
    assert parts == [[12, 13, 18, 19], [14, 15, 20, 21], [16, 17, 22, 23]]
    assert sorted(chain(*parts)) == list(range(12, 24))


def test_a_batch_that_cannot_be_shared_out(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "count", lambda: 3)
    with pytest.raises(TwinshotError, match="batch = 2 cannot be split over 3 processes"):
        train([tiny("twin")], lab.root, tmp_path, resume=False, device=CPU)


def test_each_rank_has_random_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = set()
    for rank, step in ((0, 5), (1, 5), (2, 5), (1, 6), (1, 5)):
        torch.manual_seed(0)
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        ranks.own_stream(7, step)
        drawn.add(float(torch.rand(())))
    assert len(drawn) == 4


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find a process of torchrun's")
def test_one_of_two_is_killed_and_both_resumed(lab: Lab, tmp_path: Path) -> None:
    """They end as two of which none was killed, and log what one process logs."""
    table = {**tiny_table("rnn"), "bf16": False, "net": STEADY}
    whole, broken, alone = (workplace(lab, tmp_path / name) for name in ("whole", "broken", "alone"))
    with training(table, lab.root, broken, (*TORCHRUN, *HELD)) as process:
        wait_for(7, broken / table["name"], process)
        os.kill(children(process.pid)[-1], signal.SIGKILL)
        assert process.wait() != 0
    assert torch.load(broken / table["name"] / "checkpoint.pt")["step"] < table["steps"]
    for folder in (broken, whole):
        with training(table, lab.root, folder, (*TORCHRUN, *TWINSHOT)) as process:
            assert process.wait() == 0
    train([recipe_from(table)], lab.root, alone, resume=False, device=CPU)
    one, two, resumed = (rows_of(folder / table["name"]) for folder in (alone, whole, broken))
    assert resumed == two
    assert [row["step"] for row in two] == [row["step"] for row in one]
    assert two[:10] == [pytest.approx(row, rel=1e-4) for row in one[:10]]


def children(process: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text("utf-8").split()]

"""The server's side of a worker process: started, asked, cancelled, and started again when it dies."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from .problems import Problem

Event = dict[str, Any]
_LONGEST_LINE = 1 << 20  # bytes of one answer; a report has a few thousand
_PATIENCE = 2.0  # seconds in which a cancelled task may end by itself


class TaskCancelledError(Exception):
    """The task ended because it was cancelled."""


class _SilentError(Problem):
    """The process died before it said a word on its task: most likely it was dead already."""


class Worker:
    """One worker process, which does one task at a time.

    Attributes:
        starts: how often a process was started.
        pid: of the process; None before the first task and after `close`.
    """

    def __init__(self) -> None:
        self.starts = 0
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._running = ""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def run(self, task: dict[str, Any], seconds: float, heard: Callable[[Event], None] = lambda _: None) -> Event:
        """Have a task done; `heard` gets what the worker says on the way, and the last answer is returned.

        Raises:
            Problem: the task failed, took longer than `seconds`, or the process died; the next task gets a new one.
            TaskCancelledError: `cancel` was called.
        """
        async with self._turn:
            self._running = task["id"]
            try:
                async with asyncio.timeout(seconds):
                    with suppress(_SilentError):
                        return await self._ask(await self._alive(), task, heard)
                    return await self._ask(await self._alive(), task, heard)
            except TimeoutError as error:
                await self.close()
                raise Problem("worker-failed", f"It took longer than {seconds:g} s and was stopped.") from error
            except asyncio.CancelledError:  # nobody listens to its answer, which must not be taken for the next one's
                await self.close()
                raise
            finally:
                self._running = ""

    async def _ask(self, process: Process, task: dict[str, Any], heard: Callable[[Event], None]) -> Event:
        with suppress(ConnectionError):  # a process that died is noticed by its silence
            _tell(process, task)
        answered = False
        async for event in _events(process):
            answered = True
            if event["event"] == "done":
                return event
            if event["event"] == "failed":
                raise Problem(event["kind"], event["detail"])
            if event["event"] == "cancelled":
                raise TaskCancelledError
            heard(event)
        code = await process.wait()
        if task["id"] != self._running:
            raise TaskCancelledError  # by `cancel`, which found no other way
        failure = _SilentError if not answered else Problem
        raise failure("worker-failed", f"The worker process died ({_cause(code)}). The next picture gets a new one.")

    async def cancel(self, task_id: str) -> None:
        """End a task that runs: by asking, and if that does not help, by ending the process."""
        process = self._process
        if process is None or self._running != task_id:
            return
        with suppress(ConnectionError):
            _tell(process, {"cancel": task_id})
        for _ in range(round(_PATIENCE / 0.05)):
            await asyncio.sleep(0.05)
            if self._running != task_id:
                return
        self._running = ""
        await self._end(process)

    async def close(self) -> None:
        """End the process; a task that runs fails."""
        if self._process:
            await self._end(self._process)

    async def _alive(self) -> Process:
        """The process, or a new one in its place."""
        if self._process and self._process.returncode is None and not _output(self._process).at_eof():
            return self._process
        self.starts += 1
        self._process = await _started()
        async for event in _events(self._process):
            if event["event"] == "ready":
                return self._process
        raise Problem("worker-failed", "The worker process does not start. Install twinshot again.")

    async def _end(self, process: Process) -> None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _started() -> Process:
    """A new process. Raises Problem where the system has no room for one."""
    command = sys.executable, "-m", "twinshot.web.worker"
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=_LONGEST_LINE
        )
    except OSError as error:
        detail = f"The worker process cannot be started ({error.strerror}). Try again later."
        raise Problem("worker-failed", detail) from error


def _tell(process: Process, message: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(json.dumps(message).encode() + b"\n")


async def _events(process: Process) -> AsyncIterator[Event]:
    """What the process says, until it ends."""
    async for line in _output(process):
        yield json.loads(line)


def _output(process: Process) -> asyncio.StreamReader:
    assert process.stdout
    return process.stdout


def _cause(code: int) -> str:
    return "killed, perhaps for want of memory" if code == -9 else f"exit code {code}"

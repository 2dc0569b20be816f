"""What operators' tools ask through the gRPC port: utils.ToolBox/cmdserver."""

import asyncio
import gc
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Final

import psutil

from aiges_loader.frontend import json_reader
from aiges_loader.frontend.json_errors import JsonError
from aiges_loader.frontend.json_reader import Json
from aiges_loader.frontend.request_body import kind_of

_NOT_GO: Final = "not available: this program is not written in Go"


class ToolBoxError(ValueError):
    """The request is none; the text says why."""


class ToolBox:
    """Answers commands about this process and its service."""

    def __init__(self, is_ready: Callable[[], bool], age_s: Callable[[], float]) -> None:
        """Make it.

        Args:
            is_ready: Says whether the service takes calls.
            age_s: Says for how long it has been there.
        """
        self._is_ready = is_ready
        self._age_s = age_s
        self._commands: Mapping[str, Callable[[], str]] = {
            "health": self._health,
            "status": self._status,
            "metrics": lambda: "",  # as upstream answers while [metrics] is off
            "query": lambda: "query method not defined",
            "goroutine": _stacks,
            "heap": _memory,
            "threadcreate": _threads,
            "gcsummary": _collections,
            "block": lambda: _NOT_GO,
            "rawHeap": lambda: _NOT_GO,
            "rawTrace": lambda: _NOT_GO,
            "rawCpu": lambda: _NOT_GO,
        }

    def answer(self, query: str, headers: str) -> str:
        """Run the command that `query` names; raise `ToolBoxError` if there is no request in it."""
        asked = _texts("query", query)
        if _texts("headers", headers).get("method", "").upper() != "GET":
            raise ToolBoxError("don't support the method")
        command = self._commands.get(asked.get("cmd", ""))
        return command() if command else "don't support the cmd"

    def _health(self) -> str:
        # Its readers look for "err".
        return "health staus:" + ("" if self._is_ready() else "\npool:err: no worker is ready")

    def _status(self) -> str:
        values = {
            "pid:\t\t": os.getpid(),
            "user:\t\t": psutil.Process().username(),
            "uptime:\t\t": f"{int(self._age_s())}s",
            "goroutineid:\t": threading.get_native_id(),
            "goroutines:\t": len(asyncio.all_tasks()),
        }
        return "\n".join(f"{name}{value}" for name, value in values.items())


def _texts(name: str, text: str) -> dict[str, str]:
    """Read a JSON object of texts; say what Go's decoder says of anything else."""
    try:
        value = json_reader.read(text.encode()).value
    except JsonError as error:
        is_cut = str(error) in ("EOF", "unexpected EOF")
        reason = "unexpected end of JSON input" if is_cut else str(error)
        raise ToolBoxError(f"{name}:{text},err:{reason}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unfit(name, text, value, "map[string]string")
    texts = {key: member for key, member in value.items() if isinstance(member, str)}
    for member in value.values():
        if not isinstance(member, str) and member is not None:
            raise _unfit(name, text, member, "string")
    return texts


def _unfit(name: str, text: str, value: Json, wanted: str) -> ToolBoxError:
    reason = f"json: cannot unmarshal {kind_of(value)} into Go value of type {wanted}"
    return ToolBoxError(f"{name}:{text},err:{reason}")


def _stacks() -> str:
    """Show where each thread and each task is, without values."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        lines = "".join(traceback.format_stack(frame))
        parts.append(f"thread {names.get(ident, ident)}\n{lines}")
    for task in asyncio.all_tasks():
        frames = task.get_stack()
        lines = "".join("".join(traceback.format_stack(frame, limit=1)) for frame in frames)
        parts.append(f"task {task.get_name()}\n{lines}")
    return "\n".join(parts)


def _memory() -> str:
    usage = psutil.Process().memory_info()
    objects = gc.get_count()
    return f"rss_bytes:{usage.rss}\nvms_bytes:{usage.vms}\nallocated_since_collection:{objects[0]}"


def _threads() -> str:
    return "\n".join(f"{thread.native_id} {thread.name}" for thread in threading.enumerate())


def _collections() -> str:
    lines = []
    for generation, counts in enumerate(gc.get_stats()):
        figures = " ".join(f"{name}:{count}" for name, count in counts.items())
        lines.append(f"generation:{generation} {figures}")
    return "\n".join(lines)

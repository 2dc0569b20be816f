"""A status for people: lines and a table in a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

TAIL_LINES: Final = 5
"""How much of what a dead worker wrote last is shown; the JSON has more."""

FRESH_S: Final = 3600.0
"""A death that is older is one line without its output."""

_COLOURS: Final[Mapping[str, str]] = {
    "ready": "green",
    "degraded": "yellow",
    "draining": "yellow",
    "stopping": "yellow",
    "starting": "cyan",
    "handshaking": "cyan",
    "initialising": "cyan",
    "backoff": "red",
    "failed": "bold red",
    "not ready": "bold red",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MIB: Final = 1024 * 1024


def print_status(status: Mapping[str, Any]) -> None:
    """Print what /status answered."""
    console = Console(highlight=False, soft_wrap=False)
    console.print(_headline(status))
    console.print(_table(status["workers"]))
    for worker in _last_exits(status["workers"]):
        console.print(_exit(worker["number"], worker["last_exit"]), soft_wrap=True)


def duration(seconds: float) -> str:
    """Write a duration with its two largest units, or with the milliseconds of a short one."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02d} h"


def _headline(status: Mapping[str, Any]) -> Text:
    licences, queue = status["licences"], status["queue"]
    line = Text.assemble(
        (status["service"], "bold"),
        " is ",
        (status["state"], _COLOURS.get(status["state"], "")),
        f" · up {duration(status['uptime_seconds'])}",
        f" · pid {status['pid']}",
        f" · {status['workers_ready']} of {status['workers_planned']} workers ready",
        f" · licences {licences['taken']} of {licences['limit']}",
    )
    if queue["limit"] or queue["taken"]:
        line.append(f" · queue {queue['taken']} of {queue['limit']}")
    if fronts := status["fronts"]:
        line.append(f" · {sum(front['serves'] for front in fronts)} of {len(fronts)} front ends")
    if loaded := len(status["resources"]):
        line.append(f" · {loaded} resource{'s' if loaded > 1 else ''}")
    if status["waiting_for_worker"]:
        line.append(f" · {status['waiting_for_worker']} wait for a worker")
    return line


def _table(workers: list[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False)
    table.add_column("worker", justify="right")
    table.add_column("pid", justify="right")
    table.add_column("state")
    table.add_column("for", justify="right", no_wrap=True)
    for name in ("calls", "served", "restarts", "memory", "CPU"):
        table.add_column(name, justify="right", no_wrap=True)
    for worker in workers:
        restarts = worker["restarts"]
        runs = worker["pid"] is not None
        table.add_row(
            str(worker["number"]),
            str(worker["pid"]) if runs else "-",
            Text(worker["state"], _COLOURS.get(worker["state"], "")),
            duration(worker["since_seconds"]),
            f"{worker['in_flight']} of {worker['concurrency']}",
            str(worker["served"]),
            Text(str(restarts), "yellow" if restarts else ""),
            f"{worker['rss_bytes'] / _MIB:.0f} MiB" if runs else "-",
            f"{worker['cpu_seconds']:.1f} s" if runs else "-",
        )
    return table


def _last_exits(workers: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the workers that have died, those last that died last, which is what one looks for."""
    newest = {worker["number"]: worker for worker in workers if worker["last_exit"]}
    return sorted(newest.values(), key=lambda worker: str(worker["last_exit"]["at"]))


def _exit(number: int, report: Mapping[str, Any]) -> Text:
    ago_s = (datetime.now(UTC) - datetime.fromisoformat(report["at"])).total_seconds()
    calls = len(report["calls"])
    text = Text.assemble(
        (f"worker {number}", "bold"),
        " last ended ",
        f"{duration(max(0.0, ago_s))} ago: ",
        (report["reason"], "red"),
    )
    if calls:
        text.append(f", with {calls} call{'s' if calls > 1 else ''}")
    if ago_s <= FRESH_S:
        for line in report["tail"][-TAIL_LINES:]:
            text.append(f"\n  | {line}", "dim")
    return text

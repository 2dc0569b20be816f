"""`aiges dev`: serve a project, and restart its workers whenever one of its sources is saved."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import watchfiles

from aiges.authoring.admin import Admin, NoAnswerError
from aiges.authoring.errors import AuthoringError
from aiges.authoring.project import Project
from aiges.authoring.serving import Served, announce_start, announce_when_ready
from aiges.authoring.sources import is_config, is_watched
from aiges.authoring.supervisor import supervising
from aiges.authoring.texts import say

QUIET_MS: Final = 50
"""Files that are saved together are one change: it is over once nothing happened for so long."""

_SETTINGS: Final[Mapping[str, str]] = {
    "AIGES__POOL__GIVEUP": "wait",
    "AIGES__POOL__RESTARTWAIT": "60",  # calls wait while the wrapper is loaded
    # By second and size Python may take a compiled file for current that is not.
    "PYTHONDONTWRITEBYTECODE": "1",
}


async def develop(what: Served, environ: Mapping[str, str]) -> int:
    """Serve until a signal, restarting at each change; return the supervisor's exit status.

    Raises:
        AuthoringError: The project cannot be watched; then it is not served either.
    """
    admin = Admin()
    announce_start(what)
    click.echo(say("dev.watching", folder=what.project.root))
    settings = {**what.settings, **_SETTINGS, **admin.settings}
    async with supervising(what.project, settings, environ) as supervisor:
        ended = asyncio.ensure_future(supervisor.ended())
        announcing = asyncio.ensure_future(announce_when_ready(what, supervisor))
        watching = asyncio.ensure_future(_restart_at_changes(what.project, admin))
        helpers = (announcing, watching)
        try:
            await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            return await ended
        finally:
            for helper in (ended, *helpers):
                helper.cancel()
            await asyncio.wait({ended, *helpers})


async def _restart_at_changes(project: Project, admin: Admin) -> None:
    """Act on each change, also while the last restart is not over: it begins anew then."""
    acting: asyncio.Task[None] | None = None
    try:
        async for changed in _changes(project.root):
            if acting is not None:
                await _give_up(acting)
            acting = asyncio.create_task(_act(project, changed, admin))
    except OSError as error:
        raise AuthoringError(say("dev.cannot_watch", folder=project.root, reason=error)) from None
    finally:
        if acting is not None:
            await _give_up(acting)


async def _give_up(acting: "asyncio.Task[None]") -> None:
    """End a task that nobody wants to hear of any more."""
    acting.cancel()
    await asyncio.wait([acting])


async def _changes(root: Path) -> AsyncIterator[Sequence[Path]]:
    """Yield the sources that were saved together, by their paths in the project."""

    def is_ours(_change: watchfiles.Change, path: str) -> bool:
        return is_watched(Path(path).relative_to(root))

    async for changes in watchfiles.awatch(root, watch_filter=is_ours, step=QUIET_MS):
        yield sorted({Path(path).relative_to(root) for _, path in changes})


async def _act(project: Project, changed: Sequence[Path], admin: Admin) -> None:
    """Reload if only the configuration was saved, else restart; say how it went."""
    names = ", ".join(str(path) for path in changed)
    only_config = all(is_config(path) for path in changed)
    if only_config and project.config is None:
        click.echo(say("dev.new_config", names=names))
        return
    click.echo(say("dev.reloading" if only_config else "dev.restarting", names=names))
    began = time.monotonic()
    try:
        problem = await (admin.reload() if only_config else admin.restart_workers())
    except (OSError, NoAnswerError) as error:
        click.echo(say("warning", text=say("run.no_answer", reason=error)), err=True)
        return
    if problem:
        click.echo(click.style(say("dev.failed", problem=problem), fg="red"), err=True)
    else:
        seconds = time.monotonic() - began
        click.echo(click.style(say("dev.ready", seconds=f"{seconds:.1f}"), fg="green"))

"""`aiges run`: serve a project until it is stopped, and say how it is reached."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import click

from aiges.authoring.addresses import (
    ADMIN_PORT,
    ADMIN_VARIABLE,
    LISTEN_VARIABLE,
    LOOPBACK,
    Address,
    free_port,
)
from aiges.authoring.methods import only_streams
from aiges.authoring.project import Project
from aiges.authoring.supervisor import SERVICE, Supervisor, supervising
from aiges.authoring.texts import say

ANSWER_LIMIT_S: Final = 10.0

_PAGES: Final = ("/console/", "/swagger/index.html")
"""Pages for people; which of them a service has, it is asked."""

_WORKERS_VARIABLE: Final = "AIGES__POOL__WORKERS"


@dataclass(frozen=True, slots=True)
class Served:
    """What is served, and where.

    Attributes:
        project: The project.
        address: Of its HTTP port.
        settings: Variables that override keys of its configuration.
    """

    project: Project
    address: Address
    settings: Mapping[str, str]


def served(
    project: Project, address: Address, workers: int | None, environ: Mapping[str, str]
) -> Served:
    """Put together what overrides the project's configuration.

    Args:
        project: The project.
        address: Where to serve.
        workers: How many; None: as configured.
        environ: Ours; what overrides the configuration there already stays.
    """
    settings = {LISTEN_VARIABLE: str(address)}
    if workers is not None:
        settings[_WORKERS_VARIABLE] = str(workers)
    if project.config is None and ADMIN_VARIABLE not in environ:
        settings[ADMIN_VARIABLE] = f"{LOOPBACK}:{free_port(LOOPBACK, ADMIN_PORT)}"
    return Served(project, address, settings)


async def run(what: Served, environ: Mapping[str, str]) -> int:
    """Serve until a signal, or until it cannot go on; return the supervisor's exit status."""
    announce_start(what)
    async with supervising(what.project, what.settings, environ) as supervisor:
        announcing = asyncio.ensure_future(announce_when_ready(what, supervisor))
        try:
            return await supervisor.ended()
        finally:
            announcing.cancel()
            await asyncio.wait([announcing])


def announce_start(what: Served) -> None:
    """Say what is about to be served."""
    source = what.project.wrapper or what.project.folder
    config = what.project.config or say("run.no_config")
    click.echo(say("run.starting", source=source, config=config, url=what.address.url))


async def announce_when_ready(what: Served, supervisor: Supervisor) -> None:
    """Wait until calls are taken; then say where, and how to make one."""
    await supervisor.is_ready.wait()
    try:
        lines = await asyncio.to_thread(_how_to_call, what)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # It has just said that it is ready: it may be on its way out again.
        click.echo(say("warning", text=say("run.no_answer", reason=error)), err=True)
        return
    click.echo("\n".join(["", click.style(say("run.ready"), fg="green"), *lines, ""]))


def _how_to_call(what: Served) -> list[str]:
    url = what.address.url
    pages = [page for page in _PAGES if _get(url, page)[0] == http.client.OK]
    status, document = _get(url, "/openapi.json")
    route = (
        json.loads(document)["servers"][0]["url"] if status == http.client.OK else f"/v1/{SERVICE}"
    )
    wrapper = what.project.wrapper
    streams = wrapper is not None and only_streams(wrapper.read_text("utf-8", "replace"))
    options = "-sN -H 'Accept: text/event-stream'" if streams else "-s"
    return [
        *(f"  {url}{page}" for page in pages),
        f"  curl -s {url}/test.json | curl {options} -d @- {url}{route}",
    ]


def _get(url: str, path: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_LIMIT_S)
    try:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()

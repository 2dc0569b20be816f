"""The commands for projects as a whole: create, run, dev, package."""

import asyncio
import os
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path

import click

from aiges.authoring import addresses, creating, packaging, project, serving
from aiges.authoring.errors import AuthoringError
from aiges.authoring.interface import Command, Option, program
from aiges.authoring.texts import say

folder_option = click.option(
    "-p",
    "--path",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help=say("help.project"),
)


@click.command(cls=Command, help=say("create"))
@click.option("-n", "--name", cls=Option, metavar="NAME", required=True, help=say("create.name"))
@click.option(
    "-p",
    "--path",
    "parent",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help=say("create.path"),
)
@click.option(
    "--lang",
    type=click.Choice(creating.languages()),
    default="python",
    help=say("create.lang"),
)
@click.option("--kind", type=click.Choice(creating.KINDS), help=say("create.kind"))
@click.option("--force", is_flag=True, help=say("create.force"))
def create(name: str, parent: Path, lang: str, kind: str | None, *, force: bool) -> None:
    """Make a new project."""
    creating.check_name(name)
    if lang == "python":
        files = creating.python_files(name, kind or creating.KINDS[0])
    elif kind is not None:
        raise click.UsageError(say("create.kind_of_library"), click.get_current_context())
    else:
        files = creating.library_files(name)
    folder = parent / name
    creating.write(folder, files, force=force)
    click.echo(say("create.done", count=len(files), folder=folder))
    for path in sorted(files):
        click.echo(f"  {path}")
    following = "create.next" if lang == "python" else "create.next_library"
    click.echo(say(following, folder=folder, program=program()))


def serving_options(command: Callable[[serving.Served], int]) -> Callable[..., int]:
    """Give a command the options that say what to serve, and where."""

    @folder_option
    @click.option("--host", metavar="ADDRESS", help=say("run.host"))
    @click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help=say("run.port"))
    @click.option(
        "--workers", type=click.IntRange(1, 1024), metavar="NUMBER", help=say("run.workers")
    )
    @wraps(command)
    def wrapped(folder: Path, host: str | None, port: int | None, workers: int | None) -> int:
        found = project.find(folder)
        address = addresses.choose(found.config, os.environ, host=host, port=port)
        return command(serving.served(found, address, workers, os.environ))

    return wrapped


@click.command(cls=Command, help=say("run"))
@serving_options
def run(what: serving.Served) -> int:
    """Serve a project."""
    return asyncio.run(serving.run(what, os.environ))


@click.command(cls=Command, help=say("dev"))
@serving_options
def dev(what: serving.Served) -> int:
    """Serve a project, and restart it at each change."""
    if find_spec("watchfiles") is None:
        raise AuthoringError(say("dev.no_watchfiles"))
    from aiges.authoring.developing import develop  # noqa: PLC0415 - imports an extra

    return asyncio.run(develop(what, os.environ))


@click.command(cls=Command, help=say("package"))
@folder_option
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=say("package.output"),
)
def package(folder: Path, target: Path | None) -> None:
    """Pack a project into one file."""
    root = project.find(folder).root
    packed = packaging.pack(root, target or Path(packaging.default_name(root)))
    for warning in packed.warnings:
        click.echo(click.style(say("warning", text=warning), fg="yellow"), err=True)
    click.echo(say("package.done", file=packed.file, files=packed.files, bytes=packed.bytes))
    click.echo(say("package.then", name=packed.file.name, folder=root.name))

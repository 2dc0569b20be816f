"""The commands: their names, what they take, how they end. What they do is elsewhere."""

import asyncio
import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from aiges.authoring import addresses, creating, project, serving
from aiges.authoring.errors import AuthoringError
from aiges.authoring.interface import HELP_OPTIONS, Group, wrong_usage
from aiges.authoring.texts import say

FAILED: Final = 1
_INTERRUPTED: Final = 130

folder_option = click.option(
    "-p",
    "--path",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help=say("help.project"),
)


def main() -> int:
    """Obey the command line; return the exit status."""
    try:
        return _status_of(commands.main(prog_name=program(), standalone_mode=False))
    except click.UsageError as error:
        click.echo(wrong_usage(error), err=True)
        return error.exit_code
    except (AuthoringError, click.ClickException) as error:
        click.echo(click.style(say("error", text=str(error)), fg="red"), err=True)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output wants no more of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def program() -> str:
    """Return how the user called us."""
    path = Path(sys.argv[0])
    return "python -m aiges" if path.name == "__main__.py" else path.name


def _status_of(returned: object) -> int:
    return returned if isinstance(returned, int) else 0


@click.group(cls=Group, context_settings=HELP_OPTIONS, help=say("aiges"))
@click.version_option(version("aiges-loader"), message="%(version)s", help=say("help.version"))
def commands() -> None:
    """Hold the commands."""
    context = click.get_current_context()
    if os.environ.get("NO_COLOR"):
        context.color = False


@commands.command(help=say("create"))
@click.option("-n", "--name", required=True, help=say("create.name"))
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
    "--lang", type=click.Choice(creating.languages()), default="python", help=say("create.lang")
)
@click.option("--kind", type=click.Choice(creating.KINDS), help=say("create.kind"))
@click.option("--force", is_flag=True, help=say("create.force"))
def create(name: str, parent: Path, lang: str, kind: str | None, *, force: bool) -> None:
    """Make a new project."""
    creating.check_name(name)
    if lang == "python":
        files = creating.python_files(name, kind or "once")
    elif kind is not None:
        raise click.UsageError(say("create.kind_of_library"), click.get_current_context())
    else:
        files = creating.library_files(name)
    folder = parent / name
    creating.write(folder, files, force=force)
    click.echo(say("create.done", count=len(files), folder=folder))
    for path in sorted(files):
        click.echo(f"  {path}")
    if lang == "python":
        click.echo(say("create.next", folder=folder, program=program()))


def serving_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that say what to serve, and where."""

    @folder_option
    @click.option("--host", metavar="ADDRESS", help=say("run.host"))
    @click.option("--port", type=click.IntRange(0, 65535), help=say("run.port"))
    @click.option("--workers", type=click.IntRange(1, 1024), help=say("run.workers"))
    @wraps(command)
    def wrapped(folder: Path, host: str | None, port: int | None, workers: int | None) -> int:
        found = project.find(folder)
        address = addresses.choose(found.config, os.environ, host=host, port=port)
        return command(serving.served(found, address, workers))

    return wrapped


@commands.command(help=say("run"))
@serving_options
def run(what: serving.Served) -> int:
    """Serve a project."""
    return asyncio.run(serving.run(what, os.environ))


@commands.command(help=say("dev"))
@serving_options
def dev(what: serving.Served) -> int:
    """Serve a project, and restart it at each change."""
    if find_spec("watchfiles") is None:
        raise AuthoringError(say("dev.no_watchfiles"))
    from aiges.authoring.developing import develop  # noqa: PLC0415 - imports an extra

    return asyncio.run(develop(what, os.environ))

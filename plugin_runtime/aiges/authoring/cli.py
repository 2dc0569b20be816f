"""`aiges`: its commands, and how they end."""

import os
import sys
from importlib.metadata import version
from typing import Final

import click

from aiges.authoring.errors import AuthoringError
from aiges.authoring.interface import HELP_OPTIONS, Group, program, wrong_usage
from aiges.authoring.project_commands import create, dev, package, run
from aiges.authoring.texts import say
from aiges.authoring.wrapper_commands import call, doctor, schema, test

FAILED: Final = 1
INTERRUPTED: Final = 130


def main() -> int:
    """Obey the command line; return the exit status."""
    try:
        status = commands.main(prog_name=program(), standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        click.echo(wrong_usage(error), err=True)
        return error.exit_code
    except (AuthoringError, click.ClickException) as error:
        click.echo(click.style(say("error", text=error), fg="red"), err=True)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output wants no more of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status if isinstance(status, int) else 0


@click.group(cls=Group, context_settings=HELP_OPTIONS, help=say("aiges"))
@click.version_option(version("aiges-loader"), message="%(version)s", help=say("help.version"))
def commands() -> None:
    """Hold the commands."""
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False


for command in (create, dev, run, test, call, schema, package, doctor):
    commands.add_command(command)

"""Sub-commands, which AIservice does not have."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from aiges_loader.admin_commands import drain, logs, reload, restart, status
from aiges_loader.config import DEFAULT_NAME, ConfigError, Finding, load_given
from aiges_loader.exit_status import ExitStatus
from aiges_loader.flags import DEFAULT_SERVICE

C_HEADER: Final = "wrapper.h"


@click.group(
    epilog="Without a sub-command the flags of AIservice are read: see aiges-loader -h.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def commands() -> None:
    """Serve a wrapper.py from supervised worker processes."""


for command in (status, logs, drain, reload, restart):
    commands.add_command(command)


@commands.command()
@click.option("-c", "--config", default=DEFAULT_NAME, show_default=True, help="The file to check.")
@click.option(
    "-s", "--service", default=DEFAULT_SERVICE, show_default=True, help="Name of the service."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(config: str, service: str, *, as_json: bool) -> None:
    """Say everything about a configuration file without starting anything.

    Exits with 1 if the service would not start with it.
    """
    errors: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    try:
        program = Path(sys.argv[0])
        loaded = load_given(config, program=program, service=service, environ=os.environ)
        warnings, notes = loaded.warnings, loaded.notes
    except ConfigError as error:
        errors, warnings = error.findings, error.warnings
    found = {"errors": errors, "warnings": warnings, "notes": notes}
    if as_json:
        click.echo(json.dumps({kind: [_as_json(f) for f in fs] for kind, fs in found.items()}))
    else:
        _print(found, config)
    sys.exit(ExitStatus.FAILED if errors else ExitStatus.OK)


@commands.command()
def include() -> None:
    """Print the folder of wrapper.h, for compilers of C plugins.

    For example: gcc -I"$(aiges-loader include)" -shared -fPIC wrapper.c -o libwrapper.so
    """
    package = find_spec("aiges")  # found, not imported: what it contains is not for supervisors
    folder = Path(package.origin).parent / "include" if package and package.origin else None
    if folder is None or not (folder / C_HEADER).is_file():
        found = f"the package `aiges` at {folder.parent}" if folder else "this Python's packages"
        raise click.ClickException(
            f"no {C_HEADER} in {found}; install aiges-loader, and not `aiges` beside it"
        )
    click.echo(folder)


def _as_json(finding: Finding) -> dict[str, object]:
    place = finding.place
    return {
        "source": place.source if place else None,
        "line": place.line or None if place else None,
        "where": finding.where,
        "text": finding.text,
    }


def _print(found: dict[str, tuple[Finding, ...]], config: str) -> None:
    colours = {"errors": "red", "warnings": "yellow", "notes": None}
    for kind, findings in found.items():
        for finding in findings:
            tag = click.style(f"{kind.removesuffix('s')}:", fg=colours[kind])
            click.echo(f"{tag} {finding}")
    verdict = "cannot be served with" if found["errors"] else "is fine"
    colour = "red" if found["errors"] else "green"
    click.echo(click.style(f"{config} {verdict}", fg=colour))

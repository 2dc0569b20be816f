"""Sub-commands for operators: they speak to the admin API of a running service."""

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from aiges_loader.admin_client import AdminAddress, AdminError, address_of_url, ask
from aiges_loader.config import DEFAULT_NAME, ConfigError, load_given
from aiges_loader.exit_status import ExitStatus
from aiges_loader.flags import DEFAULT_SERVICE

OTHER_ADDRESS = "-c FILE, or --admin http://HOST:PORT"


def admin_command(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say whom to ask, and report its errors."""

    @click.option("-c", "--config", default=DEFAULT_NAME, show_default=True, help="Its file.")
    @click.option("-s", "--service", default=DEFAULT_SERVICE, show_default=True, help="Its name.")
    @click.option("--admin", metavar="URL", help="Address of its admin API; the file is not read.")
    @click.option("--token", envvar="AIGES_ADMIN_TOKEN", show_envvar=True, help="[admin] token.")
    @click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
    @wraps(command)
    def wrapped(
        config: str, service: str, admin: str | None, token: str | None, **rest: object
    ) -> None:
        try:
            command(_find(config, service, admin, token), **rest)
        except AdminError as error:
            click.echo(f"{click.style('error:', fg='red')} {error}", err=True)
            sys.exit(ExitStatus.FAILED)

    return wrapped


@click.command()
@admin_command
def status(address: AdminAddress, *, as_json: bool) -> None:
    """Show what a running service and its workers are doing."""
    value = ask(address, "GET", "/status")
    if as_json:
        _print_json(value)
        return
    from aiges_loader.admin_screen import print_status  # noqa: PLC0415 - rich takes 0.1 s

    print_status(value)


@click.command()
@click.option(
    "-n", "--lines", type=click.IntRange(min=1), default=100, show_default=True, help="How many."
)
@admin_command
def logs(address: AdminAddress, *, lines: int, as_json: bool) -> None:
    """Show the newest log records of a running service, its workers' output included."""
    value = ask(address, "GET", f"/logs?limit={lines}")
    if as_json:
        _print_json(value)
        return
    for record in value["records"]:
        clock = datetime.fromisoformat(record["at"]).astimezone().strftime("%H:%M:%S")
        source = f"[worker {record['worker']}] " if record["worker"] is not None else ""
        click.echo(f"{clock} {record['level'].upper():<7} {source}{record['text']}")


@click.command()
@admin_command
def drain(address: AdminAddress, *, as_json: bool) -> None:
    """Let a running service finish what it has begun, and end."""
    value = ask(address, "POST", "/drain")
    _print_done(value, "draining: it finishes what it has begun, then ends", as_json=as_json)


@click.command()
@admin_command
def reload(address: AdminAddress, *, as_json: bool) -> None:
    """Have a running service read its configuration again, and wait until it lives by it.

    New workers are ready before old ones go, where both can run at once; no call is lost. If the
    new configuration is not good, the service goes on with the one that it has.
    """
    value = ask(address, "POST", "/reload", patient=True)
    _print_done(value, "reloaded", as_json=as_json)
    if not as_json:
        for problem in value["problems"]:
            click.echo(f"{click.style('warning:', fg='yellow')} {problem}")


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--stop-first", is_flag=True, help="The old one goes first; calls wait meanwhile.")
@admin_command
def restart(address: AdminAddress, *, number: int, stop_first: bool, as_json: bool) -> None:
    """Replace worker NUMBER of a running service by a fresh process, and wait for that.

    The new one is ready before the old one goes, where both can run at once. The old one finishes
    its calls. With --stop-first there is never more than one: for models that fill the memory.
    """
    order = "stop-first" if stop_first else "start-first"
    value = ask(address, "POST", f"/workers/{number}/restart?order={order}", patient=True)
    _print_done(value, f"worker {number} restarted", as_json=as_json)


def _find(config: str, service: str, admin: str | None, token: str | None) -> AdminAddress:
    """Find the admin API: where `--admin` says, else where the configuration does."""
    if admin is not None:
        return address_of_url(admin, token or "")
    try:
        loaded = load_given(
            config, program=Path(sys.argv[0]), service=service, environ=os.environ
        ).admin
    except ConfigError as error:
        raise AdminError(
            f"{error}\nThe file says where the admin API is; without it, use --admin URL."
        ) from None
    if loaded.listen is None:
        raise AdminError(f'{config} switches the admin API off ([admin] listen = "")')
    if loaded.listen.port == 0:
        raise AdminError(
            f"{config} leaves the port to chance ([admin] listen); the log of the service names"
            " it (admin=...): use --admin URL"
        )
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104 - not bound
        loaded.listen.host, loaded.listen.host
    )
    return AdminAddress(host, loaded.listen.port, token or loaded.token, OTHER_ADDRESS)


def _print_json(value: Any) -> None:  # noqa: ANN401 - JSON
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_done(value: Any, text: str, *, as_json: bool) -> None:  # noqa: ANN401 - JSON
    if as_json:
        _print_json(value)
    else:
        click.echo(click.style(text, fg="green"))

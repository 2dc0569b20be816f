"""The commands that look at a wrapper or a service: test, call, schema, doctor."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import click

from aiges.authoring import addresses, project
from aiges.authoring.errors import AuthoringError
from aiges.authoring.interface import Command
from aiges.authoring.project_commands import folder_option
from aiges.authoring.supervisor import SERVICE
from aiges.authoring.texts import say

json_option = click.option("--json", "as_json", is_flag=True, help=say("help.json"))


@click.command(cls=Command, help=say("test"))
@folder_option
@click.option("--once", is_flag=True, help=say("test.once"))
@click.option("--stream", is_flag=True, help=say("test.stream"))
@click.option(
    "--timeout",
    "limit_s",
    type=click.FloatRange(0.1),
    default=600.0,
    metavar="SECONDS",
    help=say("test.limit"),
)
@json_option
def test(folder: Path, limit_s: float, *, once: bool, stream: bool, as_json: bool) -> int:
    """Try a wrapper in this process."""
    from aiges.authoring import inprocess, reporting, trials  # noqa: PLC0415 - import the SDK

    found = project.find(folder)
    with inprocess.our_output() as out, inprocess.limited(limit_s):
        wrapper = inprocess.load(found)
        report = reporting.Report(out, as_json=as_json)
        for trial in trials.try_out(wrapper, once=once, stream=stream):
            report.add(trial)
        return report.end()


@click.command(cls=Command, help=say("schema"))
@folder_option
@click.option("--legacy", is_flag=True, help=say("schema.legacy"))
def schema(folder: Path, *, legacy: bool) -> None:
    """Print what a wrapper declares."""
    from aiges._runtime import schema_legacy  # noqa: PLC0415
    from aiges._runtime.declaration import declare  # noqa: PLC0415
    from aiges._runtime.describing import describe  # noqa: PLC0415
    from aiges.authoring import inprocess  # noqa: PLC0415 - as the others, imports the SDK

    found = project.find(folder)
    with inprocess.our_output() as out:
        wrapper = inprocess.load(found)
        text = schema_legacy.legacy(declare(wrapper)) if legacy else describe(wrapper, SERVICE)
        out.write(f"{json.dumps(json.loads(text), indent=2, ensure_ascii=False)}\n")


@click.command(cls=Command, help=say("call"))
@click.argument("url", default=f"http://{addresses.LOOPBACK}:{addresses.HTTP_PORT}")
@click.option("-i", "--input", "texts", metavar="NAME=TEXT", multiple=True, help=say("call.input"))
@click.option("-f", "--file", "paths", metavar="NAME=FILE", multiple=True, help=say("call.file"))
@click.option(
    "-P", "--param", "params", metavar="NAME=VALUE", multiple=True, help=say("call.param")
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help=say("call.folder"),
)
@click.option("--stream", is_flag=True, help=say("call.stream"))
@click.option(
    "--timeout",
    "limit_s",
    type=click.FloatRange(0.1),
    default=120.0,
    metavar="SECONDS",
    help=say("call.limit"),
)
def call(  # noqa: PLR0913 - one for each option
    *,
    url: str,
    texts: tuple[str, ...],
    paths: tuple[str, ...],
    params: tuple[str, ...],
    folder: Path,
    stream: bool,
    limit_s: float,
) -> None:
    """Call a running service."""
    if find_spec("aiohttp") is None:
        raise AuthoringError(say("call.no_client"))
    from aiges.authoring import calling  # noqa: PLC0415 - imports an extra

    inputs = {name: text.encode() for name, text in _pairs(texts)}
    inputs |= {name: _content(Path(path)) for name, path in _pairs(paths)}
    calling.call(calling.Wish(url, inputs, dict(_pairs(params)), folder, stream, limit_s))


def _pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(say("call.no_pair", text=text), click.get_current_context())
        pairs.append((name, value))
    return pairs


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthoringError(say("call.no_file", path=path, reason=error.strerror)) from None


@click.command(cls=Command, help=say("doctor"))
@folder_option
@json_option
def doctor(folder: Path, *, as_json: bool) -> int:
    """Say what is wrong here."""
    from aiges.authoring import doctor as examining, reporting  # noqa: PLC0415 - import the SDK

    findings = []
    for finding in examining.examine(folder):
        findings.append(finding)
        if not as_json:
            click.echo(reporting.finding_line(finding))
    errors = sum(finding.level is examining.Level.ERROR for finding in findings)
    if as_json:
        shown = {"findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        click.echo(say("doctor.errors", count=errors) if errors else say("doctor.fine"))
    return 1 if errors else 0

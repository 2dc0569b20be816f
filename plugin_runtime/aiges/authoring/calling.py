"""`aiges call`: one call, or one stream, to a running service; text is printed, the rest saved."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import click

from aiges.authoring.errors import AuthoringError
from aiges.authoring.texts import say
from aiges.client import Client, ClientError, Description, Output, Result

_MAGIC: Final[Mapping[bytes, str]] = {
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"RIFF": "wav",
    b"ID3": "mp3",
    b"OggS": "ogg",
    b"fLaC": "flac",
}
"""First bytes of a file -> what its name ends with."""

_UNSAFE: Final = re.compile(r"[^\w-]+")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be sent, and where its answer goes.

    Attributes:
        url: Of the service.
        inputs: Data by the name of the input.
        params: Values by name.
        folder: For outputs that are no text.
        stream: Have a session rather than a call.
        timeout_s: Longest wait for an answer, or for the next result.
    """

    url: str
    inputs: Mapping[str, bytes]
    params: Mapping[str, str]
    folder: Path
    stream: bool
    timeout_s: float


def call(wish: Wish) -> None:
    """Make the call and show what comes back.

    Raises:
        AuthoringError: It cannot be made, or the service answers with an error.
    """
    try:
        with Client(wish.url, timeout_s=wish.timeout_s) as client, ExitStack() as files:
            _check(client.describe(), wish.inputs)
            shown = _Shown(wish.folder, files)
            for result in _results(client, wish):
                shown.take(result)
            shown.end()
    except ClientError as error:
        hint = say("call.retry") if error.can_retry else ""
        raise AuthoringError(f"{type(error).__name__}: {error}{hint}") from None
    except (OSError, ValueError) as error:
        raise AuthoringError(str(error)) from None


def _results(client: Client, wish: Wish) -> Iterator[Result]:
    if wish.stream:
        yield from client.stream(wish.inputs, params=wish.params)
    else:
        yield client.once(wish.inputs, params=wish.params)


def _check(service: Description, inputs: Mapping[str, bytes]) -> None:
    """Raise `AuthoringError` unless the service takes these inputs."""
    takes = ", ".join(f"{name} ({kind})" for name, kind in service.inputs.items())
    if not inputs:
        raise AuthoringError(say("call.no_input", takes=takes))
    for name in inputs:
        if service.inputs and name not in service.inputs:
            raise AuthoringError(say("call.unknown_input", name=name, takes=takes))


@dataclass
class _Shown:
    """Prints text as it comes and appends the rest to files, one for each output."""

    folder: Path
    files: ExitStack
    saved: dict[str, tuple[Path, BinaryIO]] = field(default_factory=dict)
    last_name: str = ""
    is_in_line: bool = False

    def take(self, result: Result) -> None:
        """Show one result."""
        for output in result:
            if not output.data:
                continue
            text = _text(output) if output.kind == "text" else None
            if text is None:
                self._save(output)
            else:
                self._print(output.name, text, alone=len(result.outputs) == 1)

    def end(self) -> None:
        """Say what was saved."""
        self._end_line()
        for name, (path, file) in self.saved.items():
            click.echo(say("call.saved", name=name, path=path, bytes=file.tell()))

    def _print(self, name: str, text: str, *, alone: bool) -> None:
        if name != self.last_name:
            self._end_line()
            self.last_name = name
            if not alone:
                click.echo(f"{name}: ", nl=False)
        click.echo(text, nl=False)
        self.is_in_line = not text.endswith("\n")

    def _end_line(self) -> None:
        if self.is_in_line:
            click.echo()
        self.is_in_line = False

    def _save(self, output: Output) -> None:
        if output.name not in self.saved:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{_UNSAFE.sub('_', output.name)}.{_ending(output)}"
            self.saved[output.name] = path, self.files.enter_context(path.open("wb"))
        self.saved[output.name][1].write(output.data)


def _text(output: Output) -> str | None:
    """Return the text of an output, None if it is none."""
    try:
        return output.text
    except UnicodeDecodeError:
        return None


def _ending(output: Output) -> str:
    """Say how the name of a file ends that holds an output: by its bytes, else its encoding."""
    known = (name for magic, name in _MAGIC.items() if output.data.startswith(magic))
    encoding = _UNSAFE.sub("", output.attributes.get("encoding", ""))
    return next(known, "") or encoding or "bin"

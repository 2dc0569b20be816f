"""`aiges-loader` as our child: started, heard when it is ready, told to stop, never left behind."""

import asyncio
import ctypes
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiges.authoring.project import Project

SERVICE: Final = "svcName"
"""The name that the service is started under; its route is /v1/svcName, whatever the wrapper's."""

STOP_LIMIT_S: Final = 60.0
"""How long it may take to leave when our own work has failed; its workers drain meanwhile."""

_DEFAULTS: Final = """\
[{service}]
host = "127.0.0.1"
port = 0
[wrapper]
"common.lic" = "64"
"log.level" = "info"
[fc]
able = 1
router = "sessionManager"
max = 64
[log]
level = "none"
"""
"""What a project without aiges.toml is served with: no log file, the rest as in a fresh one."""

_PR_SET_PDEATHSIG: Final = 1
_prctl = ctypes.CDLL(None).prctl
_FORWARDED: Final[Mapping[signal.Signals, signal.Signals]] = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,  # the terminal is gone; to it SIGHUP would mean a reload
}


class Supervisor:
    """A running supervisor.

    Attributes:
        is_ready: Set once it takes calls for the first time.
    """

    def __init__(self, process: asyncio.subprocess.Process, is_ready: asyncio.Event) -> None:
        self.is_ready = is_ready
        self._process = process

    async def ended(self) -> int:
        """Wait for its end; return its exit status, as a shell would say it."""
        status = await self._process.wait()
        return 128 - status if status < 0 else status

    def tell(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)


@asynccontextmanager
async def supervising(
    project: Project, settings: Mapping[str, str], environ: Mapping[str, str]
) -> AsyncIterator[Supervisor]:
    """Run a supervisor for `project`; it has ended afterwards.

    Signals that would end us are passed on to it, so that it can finish what has begun.

    Args:
        project: What to serve.
        settings: Variables that override keys of its configuration.
        environ: Ours.
    """
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    address = f"@aiges-{os.getpid()}-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notices:
        notices.bind(f"\0{address[1:]}")
        loop.add_reader(notices, _hear, notices, is_ready)
        process = await asyncio.create_subprocess_exec(
            *command(project),
            cwd=project.folder,
            env={**_environ(project, environ), **settings, "NOTIFY_SOCKET": address},
            stdin=asyncio.subprocess.DEVNULL,
            # Not the terminal's foreground: Ctrl-C reaches it by us, and so exactly once.
            process_group=0,
            preexec_fn=_stop_with(os.getpid()),
        )
        supervisor = Supervisor(process, is_ready)
        for number, passed_on in _FORWARDED.items():
            loop.add_signal_handler(number, supervisor.tell, passed_on)
        try:
            yield supervisor
        finally:
            supervisor.tell(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_LIMIT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            for number in _FORWARDED:
                loop.remove_signal_handler(number)
            loop.remove_reader(notices)


def command(project: Project) -> tuple[str, ...]:
    """Return the command line that serves a project."""
    # -P: a file of the project that is called like a module must not take that module's place.
    program = (sys.executable, "-P", "-m", "aiges_loader", "-m", "0", "-s", SERVICE)
    if project.config is not None:
        return (*program, "-c", str(project.config))
    return (*program, "-c", os.devnull, "-dc", _DEFAULTS.format(service=SERVICE))


def _environ(project: Project, environ: Mapping[str, str]) -> dict[str, str]:
    """Have workers use our interpreter, and a wrapper.py whatever library lies around."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    mode = "python" if project.wrapper is not None else "c"
    return {"AIGES_PLUGIN_MODE": mode, **environ, "PATH": path}


def _hear(notices: socket.socket, is_ready: asyncio.Event) -> None:
    """Take what it tells whoever manages it: the messages of sd_notify(3)."""
    if "READY=1" in notices.recv(4096).decode("utf-8", "replace").split("\n"):
        is_ready.set()


def _stop_with(parent: int) -> Callable[[], None]:
    """Return what a child does first, so that it is told to stop even if we are killed."""

    def ask() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it was too late for that
            os._exit(1)

    return ask

"""One life of a worker: take stdout, listen, shake hands, serve, leave."""

import argparse
import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiges._runtime import crash_stack, environment, host_watch, listening, loading
from aiges._runtime.hclog import HclogFormatter
from aiges._runtime.stdio import Output
from aiges_wire import handshake
from aiges_wire.worker_env import DUMP_SIGNAL

if TYPE_CHECKING:
    from aiges._runtime.calling import WrapperHost
    from aiges._runtime.lanes import Lanes
    from aiges._runtime.sessions import Sessions
    from aiges._runtime.tls_door import TlsDoor

APP_VERSIONS: Final = (1, 2)
"""The application protocol versions that this worker speaks."""

OVER_GRPC_ALONE: Final = (1,)
"""Those that it speaks where plain Unix sockets will not do: over TLS, and on a TCP port."""

PLUGIN_SERVICE: Final = "plugin"
"""The name under which go-plugin hosts ask for health; the library serves "" by itself."""

LAST_STREAMS_S: Final = 0.3
"""How long open streams may take to give away their last messages."""

EXIT_SLACK_S: Final = 0.5
"""Past the stop's own limits, how long until the process ends come what may."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # a port in use is an error, never a share
)

log = logging.getLogger("aiges.worker")


def run(arguments: Sequence[str]) -> int:
    """Serve until told to stop or until the host dies; return the exit status."""
    options = _options(arguments)
    try:
        wishes = environment.take(os.environ)
    except environment.BadEnvironmentError as error:
        return _init_failed(str(error))
    door = None
    if wishes.client_cert:  # never in the clear where TLS was asked for
        # Imported here: a worker without TLS needs neither the module nor what it imports.
        from aiges._runtime.tls_door import TlsDoor  # noqa: PLC0415
        from aiges_wire.tls import TlsError  # noqa: PLC0415

        try:
            door = TlsDoor(wishes.client_cert)
        except TlsError as error:
            return _init_failed(f"{handshake.ENV_CLIENT_CERT}: {error}")
    output = Output(drained=wishes.drained_stdout)
    _log_as_hclog()
    # A crash in C code leaves its stacks on stderr; a library's other threads say nothing of it.
    faulthandler.enable(all_threads=not options.library)
    crash_stack.enable()
    faulthandler.register(DUMP_SIGNAL, all_threads=True)
    # grpc's fork handlers complain on stderr in every process that user code forks.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if options.processes_asked:
        log.warning("-c and -w have no effect: set [pool] workers in aiges.toml instead")
    try:
        asyncio.run(_serve(wishes, output, door, options))
    except listening.CannotListenError as error:
        return _init_failed(str(error))
    _end_children()
    return 0


async def _serve(  # noqa: PLR0915 - one life, in its order
    wishes: environment.HostWishes,
    output: Output,
    door: "TlsDoor | None",
    options: argparse.Namespace,
) -> None:
    # Imported only now: everything above answers without waiting for grpc.
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # noqa: PLC0415

    from aiges._runtime import control, results as pushed, service  # noqa: PLC0415
    from aiges._runtime.calling import WrapperHost  # noqa: PLC0415
    from aiges._runtime.sessions import Sessions  # noqa: PLC0415
    from aiges_wire.pb import aiges_control_pb2_grpc  # noqa: PLC0415

    stop = Stop(wishes.stop_grace_s)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle

    wrapper = WrapperHost(wishes.concurrency, _loader(options))
    served = OVER_GRPC_ALONE if door is not None or options.tcp else APP_VERSIONS
    version = handshake.choose_version(served, wishes.versions)
    results = service.Results(only_late=version > 1)
    sessions = Sessions(wrapper)
    healths = health.aio.HealthServicer()
    await healths.set(PLUGIN_SERVICE, health_pb2.HealthCheckResponse.SERVING)
    server = grpc.aio.server(options=_OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    service.add_all(server, service.WrapperService(wrapper, sessions, results), output, stop)
    if door is None:
        listener = listening.listen(server, wishes, tcp=options.tcp)
    else:
        listener = door.listen(server, wishes, tcp=options.tcp)
    async with AsyncExitStack() as leaving:
        leaving.callback(listener.remove)
        lanes = None
        if version > 1:
            folder = Path(listener.address).parent
            lanes, session_path = _open_lanes(wrapper, sessions, folder, wishes.concurrency)
            listener = listener.with_leftover(lanes.path).with_leftover(session_path)
            leaving.callback(listener.remove)
            aiges_control_pb2_grpc.add_WorkerControlServicer_to_server(
                control.ControlService(wrapper, lanes, session_path, stop.after), server
            )
        pushed.connect(service.sink(wrapper, results, sessions, lanes))
        await server.start()
        if door is not None:
            await leaving.enter_async_context(door.opened())
        certificate = door.certificate if door is not None else b""
        line = handshake.encode(
            handshake.Handshake(version, listener.network, listener.address, certificate),
            multiplex_asked=wishes.multiplex_asked,
        )
        host_watch.watch(output.watched, output.closed, lambda: _leave_at_once(listener))
        output.announce(line)
        await stop.wait()
        _end_by_force_after(stop.grace_s + 2 * LAST_STREAMS_S + EXIT_SLACK_S, listener)
        await healths.enter_graceful_shutdown()
        await wrapper.fini(stop.grace_s)
        results.finish()
        output.finish()
        if wrapper.waiting_calls or sessions or (lanes is not None and lanes.running_calls):
            await asyncio.sleep(LAST_STREAMS_S)
            _leave_at_once(listener)  # nothing can end their threads; ending their RPCs is noise
        await server.stop(LAST_STREAMS_S)


class Stop(asyncio.Event):
    """Set once the worker is to leave.

    Attributes:
        grace_s: How long wrapperFini may take.
    """

    def __init__(self, grace_s: float) -> None:
        super().__init__()
        self.grace_s = grace_s

    def after(self, grace_s: float) -> None:
        """Leave, with another grace."""
        self.grace_s = grace_s
        self.set()


def _open_lanes(
    wrapper: "WrapperHost", sessions: "Sessions", folder: Path, concurrency: int
) -> tuple["Lanes", Path]:
    """Begin to listen for calls and for sessions; return the lanes, and where sessions come in."""
    from aiges._runtime.lanes import Lanes  # noqa: PLC0415 - as all that needs the wrapper
    from aiges._runtime.session_lanes import SessionLanes  # noqa: PLC0415

    try:
        lanes = Lanes(wrapper, folder, concurrency)
        session_lanes = SessionLanes(sessions, folder, concurrency)
    except OSError as error:
        raise listening.CannotListenError(f"cannot listen for calls: {error}") from None
    lanes.start()
    session_lanes.start()
    return lanes, session_lanes.path


def _loader(options: argparse.Namespace) -> Callable[[], Any]:
    """Choose how the wrapper is made: of the library that was named, or of wrapper.py."""
    if not options.library:
        return loading.load

    def load() -> Any:  # noqa: ANN401 - as `loading.load`
        try:
            from aiges._runtime.library.opening import open_library  # noqa: PLC0415 - needs cffi
        except ModuleNotFoundError as error:
            if error.name != "cffi":
                raise
            raise loading.NoWrapperError(
                "C plugins need the package cffi: pip install 'aiges-loader[c]'"
            ) from None
        return open_library(
            options.library,
            by_callback=options.by_callback,
            reads_at_end=options.read_at_end,
            schema=options.schema,
        )

    return load


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m aiges.serve", allow_abbrev=False)
    parser.add_argument("--tcp", action="store_true", help="listen on a loopback port")
    parser.add_argument(
        "-c", action="store_true", dest="processes_asked", help="accepted, without effect"
    )
    parser.add_argument("-w", type=int, default=0, help="accepted, without effect")
    parser.add_argument(
        "--library", default="", metavar="NAME", help="serve a C plugin, not a wrapper.py"
    )
    parser.add_argument("--by-callback", action="store_true", help="the library pushes its results")
    parser.add_argument(
        "--read-at-end",
        action="store_true",
        help="the library is asked for results only once the input is complete",
    )
    parser.add_argument("--schema", default="", metavar="FILE", help="description of the library")
    return parser.parse_args(arguments)


def _log_as_hclog() -> None:
    from aiges.utils.log import console_handler  # noqa: PLC0415 - configures logging when imported

    console_handler.setFormatter(HclogFormatter())


def _init_failed(reason: str) -> int:
    """Say on stderr, as hosts expect it, why there will be no handshake line."""
    _log_as_hclog()
    log.error("plugin init error: %s", reason)
    return 1


def _leave_at_once(listener: listening.Listener) -> None:
    """End without the interpreter's own leave-taking, which would wait for threads."""
    try:
        listener.remove()
        _end_children()
        sys.stderr.flush()
    finally:  # stderr may have no reader any more
        os._exit(0)


def _end_children() -> None:
    """Kill what user code started by multiprocessing, which the interpreter's leave-taking would.

    They hold our stderr, and some hosts wait for its end. Not by SIGTERM: a forked one has our
    handler for it.
    """
    if multiprocessing := sys.modules.get("multiprocessing"):
        for child in multiprocessing.active_children():
            child.kill()


def _end_by_force_after(seconds: float, listener: listening.Listener) -> None:
    """Bound the stop: threads stuck in user code cannot be joined."""
    timer = threading.Timer(seconds, _leave_at_once, (listener,))
    timer.daemon = True
    timer.start()

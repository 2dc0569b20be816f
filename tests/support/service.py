"""aiges-loader as a user starts it: a real process, a config file, free ports."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LIMIT_S = 30.0
ROOT = Path(__file__).resolve().parents[2]
SOURCES = os.pathsep.join(str(ROOT / tree) for tree in ("loader", "plugin_runtime", "proto"))

BASE: Mapping[str, Mapping[str, object]] = {
    "svcName": {"host": "127.0.0.1", "port": 0},
    "aiges": {"pythonPluginCmd": f"{sys.executable} -m aiges.serve"},
    "wrapper": {"http_listen": "127.0.0.1:0", "log.level": "info"},
    "log": {"level": "info", "file": "./log/aiges.log"},
    "admin": {"listen": "127.0.0.1:0"},
    "fc": {"able": 1, "router": "sessionManager", "max": 64},
}


def config_text(**sections: Mapping[str, object]) -> str:
    """Return TOML for the base config with keys of `sections` over it; None removes a key."""
    merged = {
        name: {**BASE.get(name, {}), **sections.get(name, {})} for name in {**BASE, **sections}
    }
    lines = []
    for name, keys in merged.items():
        lines.append(f"[{name}]")
        lines += [f'"{k}" = {json.dumps(v)}' for k, v in keys.items() if v is not None]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return int(self.json["header"]["code"])

    @property
    def message(self) -> str:
        return str(self.json["header"].get("message", ""))

    def text(self, key: str = "result") -> str:
        return str(self.json["payload"][key]["text"])


class Service:
    """One supervisor with its workers, started in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        program: Sequence[str] = (sys.executable, "-m", "aiges_loader"),
        arguments: Sequence[str] = ("-m", "0", "-c", "aiges.toml", "-s", "svcName"),
        env: Mapping[str, str] | None = None,
        writes_config: bool = True,
        **sections: Mapping[str, object],
    ) -> None:
        if writes_config:
            (folder / "aiges.toml").write_text(config_text(**sections), encoding="utf-8")
        self.folder = folder
        self.http_port = 0
        self.grpc_port = 0
        self.admin_port = 0
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("AIGES_", "PLUGIN_"))}
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=folder,
            env={**kept, "PYTHONPATH": SOURCES, "NO_COLOR": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.log: list[str] = []
        self._logged = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._logged:
                self.log.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._logged.notify_all()
        with self._logged:
            self._ended = True
            self._logged.notify_all()

    def wait_for(self, pattern: str, *, after: int = 0) -> re.Match[str]:
        """Return the first match of `pattern` in a log line from line `after` on."""
        seen = after
        with self._logged:
            while True:
                for line in self.log[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(self.log)
                if self._ended:
                    raise AssertionError(f"ended without {pattern!r}:\n" + "\n".join(self.log))
                if not self._logged.wait(LIMIT_S):
                    raise AssertionError(f"no {pattern!r} in time:\n" + "\n".join(self.log))

    def ready(self) -> Self:
        """Wait until calls are taken; learn the ports."""
        listening = self.wait_for(r"listening http=\S+?:(\d+) grpc=\S+?:(\d+) admin=(\S+)")
        self.http_port, self.grpc_port = int(listening[1]), int(listening[2])
        self.admin_port = int(listening[3].rpartition(":")[2]) if listening[3] != "off" else 0
        self.wait_for(r"ready routes=")
        return self

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = LIMIT_S,
    ) -> Answer:
        """Make one request on a connection of its own."""
        return ask(self.http_port, method, path, body, headers=headers, timeout_s=timeout_s)

    def admin(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Make one request as an operator."""
        return ask(self.admin_port, method, path, headers=headers)

    def once(self, text: bytes = b"hello", *, route: str = "/v1/svcName", **params: Any) -> Answer:
        """Send text, expect text."""
        return self.ask("POST", route, once_body(text, **params))

    def workers(self) -> list[int]:
        """Return the pids of all that descends from this supervisor: guards, workers, children."""
        return descendants(self.process.pid)

    def worker_pid(self) -> int:
        """Return the pid of the worker that was started last."""
        return int(re.findall(r"worker started worker=\d+ pid=(\d+)", "\n".join(self.log))[-1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit status."""
        status = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return status

    def stdout(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            sys.stderr.write("\n".join(self.log) + "\n")
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = LIMIT_S,
) -> Answer:
    """Make one request on a connection of its own."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        client.request(method, path, body=body, headers=dict(headers or {}))
        answer = client.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        client.close()


def once_body(text: bytes = b"hello", **params: Any) -> bytes:
    """Return the body of a call with one text input, which expects one text output."""
    import base64  # noqa: PLC0415

    encoded = base64.b64encode(text).decode()
    expected = {"result": {"encoding": "utf8", "data_type": "text"}}
    return json.dumps(
        {
            "header": {"appid": "a", "status": 3},
            "parameter": {"svcName": {**expected, **params}},
            "payload": {"text": {"encoding": "utf8", "status": 3, "text": encoded}},
        }
    ).encode()


def descendants(pid: int) -> list[int]:
    """Return the pids below `pid` in the tree of processes."""
    import psutil  # noqa: PLC0415

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []

"""deploy/: what the unit file and the Dockerfile say holds, and what they run works.

There is neither systemd nor Docker here: the steps of both are carried out below a temporary
folder that stands for the root of the file system.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

from support.notify_socket import NotifySocket
from support.service import ROOT, Service
from support.waiting import LIMIT_S

UNIT = ROOT / "deploy" / "aiges-loader.service"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IGNORED = ROOT / "deploy" / "Dockerfile.dockerignore"

INSTALL_LIMIT_S = 300

FREE_PORTS = {
    "AIGES__WRAPPER__HTTP_LISTEN": "127.0.0.1:0",
    "AIGES__SVCNAME__HOST": "127.0.0.1",
    "AIGES__SVCNAME__PORT": "0",
    "AIGES__ADMIN__LISTEN": "127.0.0.1:0",
}

PACKAGES_OF_THIS_TEST = {"PYTHONPATH": sysconfig.get_path("purelib")}
"""Dependencies are not downloaded again; this checkout itself is no folder there."""

WITHOUT_DOWNLOADS = {
    **PACKAGES_OF_THIS_TEST,
    "PIP_NO_DEPS": "1",
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_IGNORE_INSTALLED": "1",
}

NOT_CARRIED_OUT: Mapping[str, str] = {"useradd": "it would add a user to this machine"}

INSTRUCTIONS = frozenset(
    [
        "FROM",
        "COPY",
        "RUN",
        "ENV",
        "WORKDIR",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ]
)


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def command(self) -> list[str] | None:
        """The words of an exec form; None of a shell form."""
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        return words if isinstance(words, list) else None


def instructions(dockerfile: str) -> list[Instruction]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    parted = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [Instruction(name, text.strip()) for name, _, text in parted]


def faults(dockerfile: str) -> list[str]:
    """Say which of our rules a Dockerfile breaks."""
    found = []
    whole = instructions(dockerfile)
    begins = [i for i, step in enumerate(whole) if step.name == "FROM"]
    final = whole[begins[-1] :]
    for step in whole:
        if step.name not in INSTRUCTIONS:
            found.append(f"{step.name} is none of ours")
        if step.name == "FROM" and not re.match(r"python:3\.\d+-slim( AS \w+)?$", step.text):
            found.append(f"base is no slim Python of one version: {step.text}")
    last = {step.name: step for step in final}
    user = last["USER"].text.partition(":")[0] if "USER" in last else "root"
    if not user.isdecimal() or int(user) == 0:
        found.append(f"runs as {user}, which Kubernetes cannot see not to be root")
    if [step.name for step in final[-2:]] != ["ENTRYPOINT", "CMD"]:
        found.append("does not end with ENTRYPOINT and CMD")
    found += [
        f"{name} is no exec form: a shell would be process 1"
        for name in ("ENTRYPOINT", "CMD")
        if name not in last or last[name].command is None
    ]
    if "STOPSIGNAL" not in last or last["STOPSIGNAL"].text != "SIGTERM":
        found.append("STOPSIGNAL is not the signal that drains")
    if "HEALTHCHECK" not in last or health_command(last["HEALTHCHECK"]) is None:
        found.append("HEALTHCHECK has no command in exec form")
    return found


def health_command(step: Instruction) -> list[str] | None:
    return Instruction("CMD", step.text.partition(" CMD ")[2]).command


def test_the_dockerfile_keeps_our_rules() -> None:
    assert faults(DOCKERFILE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FROM python:3.12-slim\n", "FROM python:latest\n", "base is no slim Python"),
        ("USER 10001:10001\n", "", "runs as root"),
        ("USER 10001:10001\n", "USER 0\n", "runs as 0"),
        ("USER 10001:10001\n", "USER aiges\n", "runs as aiges"),
        ('ENTRYPOINT ["aiges-loader"]', "ENTRYPOINT aiges-loader", "ENTRYPOINT is no exec form"),
        ("STOPSIGNAL SIGTERM\n", "STOPSIGNAL SIGKILL\n", "STOPSIGNAL"),
        ("HEALTHCHECK", "LABEL", "HEALTHCHECK has no command"),
        ("WORKDIR", "ADD x /\nWORKDIR", "ADD is none of ours"),
        ("ENTRYPOINT [", "RUN true\nCMD [", "does not end with"),
    ],
)
def test_a_dockerfile_that_breaks_a_rule_is_found(old: str, new: str, said: str) -> None:
    text = DOCKERFILE.read_text("utf-8")
    assert old in text
    assert any(fault.startswith(said) for fault in faults(text.replace(old, new)))


class Machine:
    """A folder that stands for the root of a machine's file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entrypoint: list[str] = []
        self.health: list[str] = []
        self.stop_signal = ""
        self.folder = root
        self.env: dict[str, str] = {}

    def at(self, text: str) -> str:
        """Move every path of the image below our root."""
        return re.sub(r"(?<![\w.])/(opt|src|srv)\b", rf"{self.root}/\1", text)

    def carry_out(self, step: Instruction) -> None:
        match step.name:
            case "COPY":
                self._copy([word for word in step.words if not word.startswith("--chown=")])
            case "RUN" if step.words[0] not in NOT_CARRIED_OUT:
                self._run(step.text)
            case "ENV":
                name, _, value = step.text.partition("=")
                self.env[name] = self.at(value)
            case "WORKDIR":
                self.folder = Path(self.at(step.text))
            case "HEALTHCHECK":
                self.health = health_command(step) or []
            case "STOPSIGNAL":
                self.stop_signal = step.text
            case "ENTRYPOINT" | "CMD":
                self.entrypoint += step.command or []

    def _copy(self, words: list[str]) -> None:
        *sources, target = words
        if sources[0].startswith("--from="):
            assert sources[1:] == [target]  # already where it belongs: both stages share our root
        elif sources == ["."]:
            copy_context(Path(self.at(target)))
        else:
            assert target.endswith("/")
            for source in sources:
                assert is_in_context(source)
                shutil.copy(ROOT / source, self.at(target))

    def _run(self, text: str) -> None:
        # Only root may give files away.
        command = self.at(text).replace("-o 10001 -g 10001 ", "")
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        done = subprocess.run(
            ["sh", "-euc", command],
            cwd=self.root,
            env={**os.environ, **WITHOUT_DOWNLOADS, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def ignore_patterns() -> tuple[set[str], list[str]]:
    """Return what of the top folder is in the build context, and patterns of what is not."""
    lines = [line for line in IGNORED.read_text("utf-8").splitlines() if line[:1] not in ("#", "")]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    return kept, [line.removeprefix("**/") for line in lines[1:] if line.startswith("**/")]


def is_in_context(source: str) -> bool:
    kept, left_out = ignore_patterns()
    parts = Path(source).parts
    return parts[0] in kept and not any(fnmatch(part, p) for part in parts for p in left_out)


def copy_context(target: Path) -> None:
    kept, left_out = ignore_patterns()
    target.mkdir()
    for name in kept:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns(*left_out))
        else:
            shutil.copy(ROOT / name, target)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which every step of the Dockerfile has been carried out."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    for step in instructions(DOCKERFILE.read_text("utf-8")):
        made.carry_out(step)
    return made


def test_a_container_serves_is_healthy_and_stops_when_told(machine: Machine) -> None:
    program, *arguments = machine.entrypoint
    path = machine.env["PATH"]
    found = shutil.which(program, path=path)
    assert found is not None
    assert found.startswith(str(machine.root))
    service = Service(
        machine.folder,
        program=[found],
        arguments=arguments,
        env={**PACKAGES_OF_THIS_TEST, **FREE_PORTS, **machine.env},
        writes_config=False,
    )
    with service.ready():
        assert service.once(b"hello").text() == "hello"
        python = shutil.which(machine.health[0], path=path)
        health = [
            str(python),
            *(w.replace("1888", str(service.http_port)) for w in machine.health[1:]),
        ]
        assert health[1:] != machine.health[1:]
        assert is_healthy(health)
        assert service.stop(signal.Signals[machine.stop_signal]) == 0
        assert not is_healthy(health)


def is_healthy(command: list[str]) -> bool:
    done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
    return done.returncode == 0


# The unit file:


@pytest.fixture
def unit() -> ConfigParser:
    parser = ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT, "utf-8")
    return parser


@pytest.fixture
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotifySocket]:
    with NotifySocket(f"@{tmp_path_factory.mktemp('manager')}") as listening:
        yield listening


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(s|min)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1, "min": 60}[unit]


@pytest.mark.usefixtures("needs_systemd")
def test_systemd_finds_nothing_wrong_with_the_unit_file(machine: Machine, tmp_path: Path) -> None:
    program = f"{machine.root}/opt/aiges/bin/aiges-loader"
    text = UNIT.read_text("utf-8").replace("/opt/aiges/venv/bin/aiges-loader", program)
    good, bad = tmp_path / "aiges-loader.service", tmp_path / "bad.service"
    good.write_text(text)
    bad.write_text(text.replace("WatchdogSec=", "WatchdogSecs="))
    assert verified(good) == ""
    assert "WatchdogSecs" in verified(bad)


def verified(path: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", "verify", path],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_unit_waits_longer_than_a_drain_may_take_and_stops_gently(unit: ConfigParser) -> None:
    service = unit["Service"]
    drain_s, fini_s, term_s = 30, 5, 2  # docs/architecture.md, "Stop"
    assert seconds(service["TimeoutStopSec"]) > drain_s + fini_s + term_s
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "on-failure"
    assert service["OOMPolicy"] == "continue"


def test_what_the_unit_file_runs_is_ready_reloads_beats_and_stops(
    unit: ConfigParser, machine: Machine, manager: NotifySocket
) -> None:
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"].replace("/opt/aiges/venv", "/opt/aiges"))
    given = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": str(int(seconds(service["WatchdogSec"]) * 1e6)),
    }
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    running = Service(
        Path(machine.at(service["WorkingDirectory"])),
        program=[machine.at(program)],
        arguments=arguments,
        env={**PACKAGES_OF_THIS_TEST, **FREE_PORTS, **given, **path},
        writes_config=False,
    )
    with running:
        manager.until(WATCHDOG="1")
        manager.until(READY="1")
        reload = ["sh", "-euc", service["ExecReload"]]
        subprocess.run(
            reload, env={"MAINPID": str(running.process.pid)}, timeout=LIMIT_S, check=True
        )
        manager.until(RELOADING="1")
        manager.until(READY="1")
        assert running.stop() == 0
        manager.until(STOPPING="1")

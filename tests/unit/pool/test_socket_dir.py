"""The folder of the workers' sockets."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiges_loader.pool import socket_dir as module
from aiges_loader.pool.socket_dir import remove_dead_socket, socket_dir


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_it_is_private_and_removed_with_all_that_is_in_it(temporary: Path) -> None:
    with socket_dir() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "worker.sock").touch()
    assert list(temporary.iterdir()) == []


def test_a_folder_that_a_living_supervisor_holds_stays(temporary: Path) -> None:
    with socket_dir() as mine:
        script = f"import tempfile; tempfile.tempdir={str(temporary)!r}\n"
        script += "from aiges_loader.pool.socket_dir import socket_dir\nwith socket_dir(): pass"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", script], env=env, check=True, timeout=30)
        assert mine.exists()


def test_a_folder_whose_lock_nobody_holds_is_removed(temporary: Path) -> None:
    abandoned = temporary / f"{module.PREFIX}abandoned"
    abandoned.mkdir()
    (abandoned / module.LOCK).touch()
    being_made = temporary / f"{module.PREFIX}new"
    being_made.mkdir()
    with socket_dir():
        assert not abandoned.exists()
        assert being_made.exists()


def test_a_long_temporary_folder_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = temporary / ("d" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with socket_dir() as folder:
        assert folder.parent == Path("/tmp")
        assert len(os.fsencode(folder / "worker-4194304-00000000.sock")) <= 107


def test_only_a_socket_that_nobody_listens_at_is_removed(temporary: Path) -> None:
    """H67."""
    dead, heard, plain = (temporary / name for name in ("dead", "heard", "plain"))
    plain.touch()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as gone:
        listener.bind(str(heard))
        listener.listen()
        gone.bind(str(dead))
        gone.close()
        for path in (dead, heard, plain, temporary / "missing"):
            remove_dead_socket(f"unix:{path}")
        remove_dead_socket("127.0.0.1:1")
        remove_dead_socket("")
    assert sorted(temporary.iterdir()) == [heard, plain]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_dead_socket_of_somebody_else_stays(temporary: Path) -> None:
    """H67."""
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(temporary / "theirs"))
    os.chown(temporary / "theirs", 65534, -1)
    remove_dead_socket(f"unix:{temporary / 'theirs'}")
    assert (temporary / "theirs").exists()

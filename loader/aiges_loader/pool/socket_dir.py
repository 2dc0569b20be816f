"""Where the workers of this supervisor put their sockets: a private folder, or where they like."""

import fcntl
import logging
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "aiges-loader-"
LOCK: Final = "lock"
MAX_BYTES: Final = 107 - len("/session-4194304-00000000.sock")
"""Longest path that leaves room for a socket's name in what the kernel takes as an address."""

_UNIX: Final = "unix:"

log = logging.getLogger(__name__)


@contextmanager
def socket_dir() -> Iterator[Path]:
    """Make the folder, mode 0700, and remove it with all that is in it.

    Its lock is held for as long as this process lives, however it ends, so a folder whose lock
    nobody holds was left by a supervisor that was killed: those are removed as well.
    """
    parent = _parent()
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_dead_socket(address: str) -> None:
    """Remove the Unix socket that a worker, which has ended, left where it had announced it.

    go-plugin before 1.5 knows nothing of our folder, and a killed plugin removes nothing. What
    somebody still listens at, what is no socket and what is not ours stays.

    Args:
        address: As gRPC has it: "unix:" and a path. Any other is nobody's to remove.
    """
    if not address.startswith(_UNIX):
        return
    path = address.removeprefix(_UNIX)
    try:
        found = os.lstat(path)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid() or _is_heard(path):
            return
        os.unlink(path)
    except FileNotFoundError:
        return  # as it should be
    except OSError as error:
        log.warning("cannot remove what a dead worker left socket=%s reason=%s", path, error)
        return
    log.debug("removed what a dead worker left socket=%s", path)


def _is_heard(path: str) -> bool:
    """Say whether anybody listens at a Unix socket; raise OSError if there is none."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # its queue is full
            return True
    return True


def _parent() -> Path:
    """Choose where: TMPDIR, unless its path is too long for a socket in it."""
    parent = Path(tempfile.gettempdir())
    too_long = len(os.fsencode(parent / f"{PREFIX}12345678")) > MAX_BYTES
    return Path("/tmp") if too_long else parent  # noqa: S108 - only for a private folder in it


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid != os.getuid() or not _is_abandoned(folder):
                continue
        except OSError:
            continue  # removed by its owner this moment
        shutil.rmtree(folder, ignore_errors=True)
        log.info("removed what a killed supervisor left folder=%s", folder)


def _is_abandoned(folder: Path) -> bool:
    """Say whether nobody holds the lock. Without a lock file its owner is just making it."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True

"""The private folder in which the workers of this supervisor put their sockets."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "aiges-loader-"
LOCK: Final = "lock"
MAX_BYTES: Final = 107 - len("/worker-4194304-00000000.sock")
"""Longest path that leaves room for a socket's name in what the kernel takes as an address."""

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

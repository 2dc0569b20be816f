"""Programs and rights without which parts cannot be tested; whoever lacks one is told loudly."""

import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec

NO_GO = "NO GO ON PATH: NOTHING WAS TESTED AGAINST THE REAL GO-PLUGIN"
NO_WRK = "NO WRK ON PATH: THE BENCHMARK WAS NOT TESTED (Debian: apt-get install wrk)"
NO_SYSTEMD = "NO SYSTEMD-ANALYZE: THE UNIT FILE WAS NOT VERIFIED (Debian: apt-get install systemd)"
NO_CHROMIUM = "NO CHROMIUM: NO PAGE WAS TESTED IN A BROWSER (Debian: apt-get install chromium)"
NO_MKDOCS = "NO MKDOCS: THE PAGES OF THE DOCUMENTS WERE NOT TESTED (make docs installs it)"
NO_NAMESPACES = "NO PID NAMESPACES (unshare, nsenter, root): PROCESS 1 WAS NOT TESTED"


def has_go() -> bool:
    return shutil.which("go") is not None


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def has_systemd() -> bool:
    return shutil.which("systemd-analyze") is not None


def has_chromium() -> bool:
    return shutil.which("chromium") is not None


def has_mkdocs() -> bool:
    return all(find_spec(name) for name in ("mkdocs", "material", "jieba"))


@cache
def may_make_namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        return False
    tried = subprocess.run(
        ["unshare", "-pf", "--mount-proc", "true"], capture_output=True, timeout=20, check=False
    )
    return tried.returncode == 0


def missing() -> list[str]:
    """Say what was not tested here, and why."""
    found = (
        (has_go(), NO_GO),
        (has_wrk(), NO_WRK),
        (has_systemd(), NO_SYSTEMD),
        (has_chromium(), NO_CHROMIUM),
        (has_mkdocs(), NO_MKDOCS),
        (may_make_namespaces(), NO_NAMESPACES),
    )
    return [otherwise for is_there, otherwise in found if not is_there]

"""`python -m aiges` and `aiges`: the command line for authors of wrappers."""

import os
import sys
from importlib.util import find_spec

_NO_CLICK = """\
python -m aiges needs the package click, which this interpreter does not have:
  {python} -m pip install click
A worker does not need it: aiges-loader starts those by `python -m aiges.serve`.
"""


def main() -> None:
    """Be `aiges`; exit with its status."""
    if find_spec("click") is None:  # an interpreter that only runs workers
        sys.stderr.write(_NO_CLICK.format(python=sys.executable))
        sys.exit(1)
    from aiges.authoring import cli  # noqa: PLC0415 - it imports click

    status = cli.main()
    sys.stderr.flush()
    os._exit(status)  # threads that user code left running must not keep us


if __name__ == "__main__":
    main()

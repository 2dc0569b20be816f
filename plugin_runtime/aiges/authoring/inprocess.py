"""A project's wrapper in this very process, as a worker would load it, and nothing of its noise."""

import faulthandler
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from aiges._runtime import hclog, loading
from aiges.authoring.errors import AuthoringError
from aiges.authoring.project import Project
from aiges.authoring.texts import say


def load(project: Project) -> Any:  # noqa: ANN401 - a wrapper is whatever its author wrote
    """Go to the project's folder, for good, and make its Wrapper there.

    Raises:
        AuthoringError: It has none, or importing or constructing it raised: with the traceback.
    """
    project.wrapper_folder()
    os.chdir(project.folder)
    sys.path.insert(0, str(project.folder))
    try:
        return loading.load()
    except loading.NoWrapperError as error:
        raise AuthoringError(str(error)) from None
    except Exception as error:  # whatever user code raises
        trace = hclog.user_traceback(error)
        raise AuthoringError(say("load.raised", traceback=trace)) from None


@contextmanager
def our_output() -> Iterator[TextIO]:
    """Yield a file that is stdout, and let whatever else is printed go to stderr meanwhile."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(kept, "w", encoding=sys.stdout.encoding, closefd=False) as ours:
            yield ours
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End the process with status 1, the stacks of all threads on stderr, after `seconds`.

    Nothing else can end user code that hangs.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()

"""Find the user's wrapper.py, import it, make the Wrapper."""

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any, Final

MODULE: Final = "wrapper"
CLASS: Final = "Wrapper"

# What the original worker passes; constructors that do not take a keyword are spared it.
_KEYWORDS: Final = {"legacy": False, "is_aipaas": True, "keep_schema_default_value": True}


class NoWrapperError(Exception):
    """There is no wrapper to load, or it is not one."""


def load() -> Any:  # noqa: ANN401 - a wrapper is whatever its author wrote
    """Import the module `wrapper` and return an instance of its class `Wrapper`.

    Searched in this order: the import path (the working directory first, as `python -m` puts it
    there, then PYTHONPATH and installed packages), then ./wrapper/wrapper.py.

    Raises:
        NoWrapperError: Nothing found, or no class `Wrapper` in it.
        Exception: Whatever importing or constructing raised, untouched: its traceback is the
            author's.
    """
    spec = importlib.util.find_spec(MODULE)
    if spec is None or not _has_source(spec):  # a folder without __init__.py is no wrapper
        folder = Path.cwd() / MODULE
        if not (folder / f"{MODULE}.py").is_file():
            raise NoWrapperError(
                f"no wrapper.py in {Path.cwd()}, in {folder} or on PYTHONPATH; "
                "start in the folder that holds it"
            )
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
    module = importlib.import_module(MODULE)
    wrapper_class = getattr(module, CLASS, None)
    if not isinstance(wrapper_class, type):
        raise NoWrapperError(f"{module.__file__} has no class {CLASS}")
    return wrapper_class(**accepted_keywords(wrapper_class))


def accepted_keywords(wrapper_class: type) -> dict[str, bool]:
    """Select the constructor keywords that `wrapper_class` takes."""
    try:
        parameters = inspect.signature(wrapper_class).parameters.values()
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(_KEYWORDS)
    names = {parameter.name for parameter in parameters}
    return {name: value for name, value in _KEYWORDS.items() if name in names}


def _has_source(spec: importlib.machinery.ModuleSpec) -> bool:
    return spec.origin is not None

"""The names that wrappers try to import before `aiges.dto`.

Inside the original C++ host a built-in module of this name wins; anywhere else this one makes the
same import succeed, so that wrappers which have no fallback run as well.
"""

from aiges.dto import *  # noqa: F403 - exactly the names of the other module
from aiges.dto import __all__ as __all__

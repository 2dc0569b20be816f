"""The old name of `aiges.core.types`."""

from aiges.core.types import *  # noqa: F403 - exactly the names of the other module
from aiges.core.types import __all__ as __all__  # noqa: PLC0414 - the star of this module

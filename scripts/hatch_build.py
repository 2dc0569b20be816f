"""Build hook: the gRPC stubs are generated whenever the package is built, never committed."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateStubs(BuildHookInterface):  # type: ignore[type-arg]
    """Runs scripts/gen_proto.py before files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate; hatchling calls this once per target."""
        sys.path.insert(0, str(Path(self.root) / "scripts"))
        try:
            import gen_proto  # noqa: PLC0415 - only importable once the path is set
        finally:
            sys.path.pop(0)
        gen_proto.generate()

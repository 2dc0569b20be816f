"""Turn proto/aiges_wire/pb/*.proto into the *_pb2 modules beside them.

The one recipe, used by `make proto` and, through hatch_build.py, by every build of the package.
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = ROOT / "proto"


PB = PROTO_ROOT / "aiges_wire" / "pb"

OWN_NAME = PB / "xsf.proto"
"""Clients see the name of this file through reflection, so it must not have our folders in it.

Its stubs could not import its messages then, so it has none: who speaks it names the methods.
"""


def generate() -> None:
    """Write the generated modules; raise RuntimeError if protoc refuses a source."""
    sources = sorted(set(PB.glob("*.proto")) - {OWN_NAME})
    _compile(PROTO_ROOT, f"--grpc_python_out={PROTO_ROOT}", *map(str, sources))
    _compile(PB, str(OWN_NAME))


def _compile(root: Path, *arguments: str) -> None:
    status = protoc.main(
        [
            "protoc",
            f"-I{root}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={root}",
            f"--pyi_out={root}",
            *arguments,
        ]
    )
    if status != 0:
        raise RuntimeError(f"protoc exited with {status}")


if __name__ == "__main__":
    generate()
    sys.exit(0)

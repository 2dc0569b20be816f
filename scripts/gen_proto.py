"""Turn proto/aiges_wire/pb/*.proto into the *_pb2 modules beside them.

The one recipe, used by `make proto` and, through hatch_build.py, by every build of the package.
"""

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO_ROOT = ROOT / "proto"


def generate() -> None:
    """Write the generated modules; raise RuntimeError if protoc refuses a source."""
    sources = sorted((PROTO_ROOT / "aiges_wire" / "pb").glob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            f"-I{PROTO_ROOT}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={PROTO_ROOT}",
            f"--pyi_out={PROTO_ROOT}",
            f"--grpc_python_out={PROTO_ROOT}",
            *(str(source) for source in sources),
        ]
    )
    if status != 0:
        raise RuntimeError(f"protoc exited with {status}")


if __name__ == "__main__":
    generate()
    sys.exit(0)

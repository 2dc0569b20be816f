"""Who may import whom: the import graph repeats the process graph."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TREES = ("proto", "plugin_runtime", "loader")
OURS = ("aiges_wire", "aiges", "aiges_loader")
IO = ("asyncio", "grpc", "aiohttp", "socket", "subprocess", "threading", "time", "os")

MAY_NOT_IMPORT = {
    "aiges_wire": ("aiges", "aiges_loader", "aiohttp", "uvloop", *IO),
    "aiges": ("aiges_loader", "aiohttp", "uvloop", "numpy", "torch", "click"),
    "aiges.authoring": ("aiges_loader", "aiohttp"),
    "aiges.authoring.methods": IO,
    "aiges_embed": ("aiges_loader", "aiges_wire", "aiges._runtime.main", "grpc"),
    "aiges_loader": ("aiges", "aiges_embed", "subprocess"),
    "aiges_loader.fronts": ("aiges_loader.app", "aiges_loader.cli", "aiohttp", "grpc"),
    "aiges_loader.fronts.messages": IO,
    "aiges_loader.frontend": (
        "aiges_loader.fronts",
        "aiges_loader.app",
        "aiges_loader.cli",
        "aiges_loader.pool.process",
        "aiges_loader.pool.client",
        "subprocess",
    ),
    "aiges_loader.config": ("aiges_loader.app", "aiges_loader.pool", "aiges_loader.frontend"),
    "aiges_loader.calls": (*IO, *OURS),
    "aiges_loader.errors": IO,
    "aiges_loader.pool": (
        "aiges_loader.frontend",
        "aiges_loader.fronts",
        "aiges_loader.sessions",
        "aiges_loader.app",
        "aiohttp",
    ),
    "aiges_loader.sessions": ("aiges_loader.frontend", "aiges_loader.app", "aiohttp", "grpc"),
    "aiges_loader.sessions.ordering": (*IO, *OURS),
    "aiges_loader.sessions.streams": IO,
    "aiges_loader.sessions.table": IO,
    "aiges_loader.pool.lifecycle": (*IO, *OURS),
    "aiges_loader.pool.restart": (*IO, *OURS),
    "aiges_loader.pool.admission": IO,
    "aiges_loader.pool.batching": IO,
    "aiges_loader.pool.resources": IO,
    "aiges_loader.pool.start_hint": (*IO, *OURS),
    "aiges_loader.pool.worker_log": IO,
    "aiges_loader.frontend.codec": IO,
    "aiges_loader.frontend.example": IO,
    "aiges_loader.frontend.go_base64": (*IO, *OURS),
    "aiges_loader.frontend.json_reader": IO,
    "aiges_loader.frontend.json_writer": IO,
    "aiges_loader.frontend.openapi": IO,
    "aiges_loader.frontend.request_body": IO,
    "aiges_loader.frontend.request_check": IO,
    "aiges_loader.frontend.schema": IO,
    "aiges_loader.frontend.xsf_handles": (*IO, *OURS),
    "aiges_loader.frontend.xsf_messages": IO,
    "aiges._runtime.convert": ("asyncio", "socket", "subprocess", "threading", "time", "os"),
    "aiges._runtime.schema": IO,
    "aiges._runtime.library.lists": IO,
    "aiges_loader.pool.reported": (*IO, *OURS),
    "aiges._runtime.payloads": IO,
    "aiges._runtime.param_values": IO,
    "aiges._runtime.resource_ids": (*IO, *OURS),
    "aiges._runtime.typed_plan": IO,
    "aiges._runtime.typed_signature": IO,
    "aiges.client.data": IO,
    "aiges.client.description": IO,
    "aiges.client.errors": IO,
    "aiges.client.json_messages": IO,
    "aiges.client.xsf_messages": IO,
}
"""Module -> what it may not import. A rule covers the modules inside a package as well."""

EXCEPTIONS = {
    "aiges.authoring": ("click",),  # the authors' command line, which workers do not import
    "aiges_wire.tls": ("os",),  # keys are loaded from memory, by file descriptor
    "aiges_wire.tls_bridge": ("asyncio", "os", "socket"),
    "aiges.client.web": ("aiohttp",),  # workers do not have it, and do not import it
}
"""Module -> what it, and what is in it, may import though a rule for its package forbids it."""

TEMPLATES = "aiges.authoring.templates"
"""Files of projects to be, which are data here."""


def imports() -> Iterator[tuple[str, str, str]]:
    """Yield (importing module, imported name, place) for every import in the three trees."""
    for tree in TREES:
        for path in (ROOT / tree).rglob("*.py"):
            if "_pb2" in path.name:
                continue
            parts = path.relative_to(ROOT / tree).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if within(module, TEMPLATES):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.Import):
                    yield from ((module, alias.name, place) for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    assert node.level == 0, f"{place}: relative import"
                    yield from ((module, f"{node.module}.{a.name}", place) for a in node.names)


def within(name: str, package: str) -> bool:
    """Say whether dotted `name` is `package` or lies inside it."""
    return name == package or name.startswith(f"{package}.")


def broken_rules(found: Iterator[tuple[str, str, str]]) -> list[str]:
    """Name every import that a rule forbids."""
    return [
        f"{place}: {module} imports {name}"
        for module, name, place in found
        for package, banned in MAY_NOT_IMPORT.items()
        if within(module, package) and any(within(name, ban) for ban in banned)
        if not any(within(name, excepted) for excepted in excepted_for(module))
    ]


def excepted_for(module: str) -> list[str]:
    """List what the exceptions let a module import."""
    return [name for rule, names in EXCEPTIONS.items() if within(module, rule) for name in names]


def test_nobody_imports_upwards() -> None:
    assert broken_rules(imports()) == []


def test_the_worker_side_needs_three_packages_and_the_standard_library() -> None:
    allowed = {"grpc", "grpc_health", "google", "aiges", "aiges_embed", "aiges_wire"}
    strangers = {
        f"{place}: {name}"
        for module, name, place in imports()
        if within(module, "aiges") or within(module, "aiges_embed")
        if not within(module, "aiges.client") and not within(module, "aiges.authoring")
        if (module, name) != ("aiges._runtime.library.abi", "cffi.FFI")  # the extra of C plugins
        if name.partition(".")[0] not in allowed | sys.stdlib_module_names
    }
    assert strangers == set()


def test_only_the_commands_of_authors_need_more_than_the_worker_side() -> None:
    allowed = {"aiges", "aiges_wire", "click", "watchfiles"}
    strangers = {
        f"{place}: {name}"
        for module, name, place in imports()
        if within(module, "aiges.authoring")
        if name.partition(".")[0] not in allowed | sys.stdlib_module_names
    }
    assert strangers == set()


@pytest.mark.parametrize(
    ("package", "users"),
    [
        ("aiges.client", ("aiges.client", "aiges.authoring")),
        ("aiges.authoring", ("aiges.authoring", "aiges.__main__")),
    ],
)
def test_what_workers_do_without_only_its_users_import(
    package: str, users: tuple[str, ...]
) -> None:
    others = {
        place
        for module, name, place in imports()
        if within(name, package) and not any(within(module, user) for user in users)
    }
    assert others == set()


def test_every_rule_is_about_a_module_that_exists() -> None:
    modules = {module for module, _, _ in imports()}
    assert [rule for rule in MAY_NOT_IMPORT if not any(within(m, rule) for m in modules)] == []


def test_a_planted_violation_is_found() -> None:
    planted = iter([("aiges_loader.pool.worker", "aiges_loader.frontend.codec", "x.py:1")])
    assert broken_rules(planted) == [
        "x.py:1: aiges_loader.pool.worker imports aiges_loader.frontend.codec"
    ]

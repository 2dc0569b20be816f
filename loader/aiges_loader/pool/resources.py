"""The resources that workers are to have, and what one does to have just those. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from aiges_loader.errors import ResourceLimitError
from aiges_wire.codes import Code

MOST: Final = 1000
"""Resources at once: every start of a worker loads all of them, and /status lists them."""

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """What wrapperLoadRes gets. Two of the same content are two: the second replaces the first.

    Attributes:
        id: Its name; C plugins know it by the number that this is.
        key: Of the node that carries it.
        data: Its content.
        desc: What else is said of it.
    """

    id: str
    key: str
    data: bytes
    desc: Mapping[str, str]

    @property
    def size_bytes(self) -> int:
        """What it takes to keep it."""
        texts = (self.id, self.key, *self.desc, *self.desc.values())
        return len(self.data) + sum(len(text.encode()) for text in texts)


Table: TypeAlias = Mapping[str, Resource]
"""Resources by their ids, in the order in which they are loaded."""


@dataclass(frozen=True, slots=True)
class Load:
    """Have a worker load a resource that it does not have."""

    method: ClassVar[str] = "wrapperLoadRes"
    failure: ClassVar[Code] = Code.LOAD_FAILED
    resource: Resource

    @property
    def id(self) -> str:
        """The resource's."""
        return self.resource.id


@dataclass(frozen=True, slots=True)
class Unload:
    """Have a worker unload a resource that it has."""

    method: ClassVar[str] = "wrapperUnloadRes"
    failure: ClassVar[Code] = Code.UNLOAD_FAILED
    id: str


def with_loaded(table: Table, resource: Resource, *, limit_bytes: int) -> Table:
    """Return `table` with one more resource, or with another one of the same id.

    Raises:
        ResourceLimitError: That would be too many, or too large together.
    """
    wanted = {**table, resource.id: resource}
    if len(wanted) > MOST:
        raise ResourceLimitError(resource.id, f"{MOST} are loaded, which is the most there may be")
    total = sum(one.size_bytes for one in wanted.values())
    if total > limit_bytes:
        raise ResourceLimitError(
            resource.id,
            f"with its {resource.size_bytes} bytes all resources would be {total} bytes together,"
            f" at most {limit_bytes // _MIB} MiB are kept ([pool] maxResourcesMb)",
        )
    return wanted


def without(table: Table, resource_id: str) -> Table:
    """Return `table` without a resource, which it need not have."""
    return {key: resource for key, resource in table.items() if key != resource_id}


def next_step(held: Table, wanted: Table) -> Load | Unload | None:
    """Say what a worker that has loaded `held` does next to have `wanted`; None: it has.

    What has to go goes first, so that memory is free for what comes, and an id is free for its
    successor.
    """
    for resource_id, resource in held.items():
        if wanted.get(resource_id) is not resource:
            return Unload(resource_id)
    for resource_id, resource in wanted.items():
        if resource_id not in held:
            return Load(resource)
    return None

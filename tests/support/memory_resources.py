"""Resources of the XSF services that no worker loads."""

from aiges_loader.errors import CallError
from aiges_loader.pool.resources import Resource


class MemoryResources:
    """Keeps what is loaded; `problem` is raised instead if a test has set it."""

    def __init__(self) -> None:
        self.loaded: dict[str, Resource] = {}
        self.is_taken = True
        self.problem: CallError | None = None

    async def takes_resources(self) -> bool:
        return self.is_taken

    async def load(self, resource: Resource) -> None:
        if self.problem is not None:
            raise self.problem
        self.loaded[resource.id] = resource

    async def unload(self, resource_id: str) -> None:
        if self.problem is not None:
            raise self.problem
        self.loaded.pop(resource_id, None)

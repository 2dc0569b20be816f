"""Where a wrapper, its configuration and its sources are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiges.authoring.errors import AuthoringError
from aiges.authoring.texts import say

CONFIG: Final = "aiges.toml"
_FOLDER: Final = "wrapper"
_SOURCE: Final = "wrapper.py"
LIBRARY: Final = "libwrapper.so"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder that can be served.

    Attributes:
        folder: The working directory of the service; absolute.
        wrapper: Its wrapper.py; None: there is a C library instead.
        config: Its aiges.toml, None if it has none.
    """

    folder: Path
    wrapper: Path | None
    config: Path | None

    @property
    def root(self) -> Path:
        """The folder that holds all of the project: the one above, if this is its `wrapper`."""
        is_inner = self.wrapper == self.folder / _SOURCE and self.folder.name == _FOLDER
        return self.folder.parent if is_inner else self.folder

    def wrapper_folder(self) -> Path:
        """Return the folder of wrapper.py; raise `AuthoringError` if the project has none."""
        if self.wrapper is None:
            raise AuthoringError(say("project.library", folder=self.folder))
        return self.wrapper.parent


def find(folder: Path) -> Project:
    """Look at `folder` as a worker does that is started there.

    Raises:
        AuthoringError: There is no wrapper.py, no wrapper/wrapper.py and no C library.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise AuthoringError(say("project.no_folder", folder=folder))
    sources = (folder / _SOURCE, folder / _FOLDER / _SOURCE)
    library = folder / LIBRARY
    wrapper = next((source for source in sources if source.is_file()), None)
    if wrapper is None and not library.is_file():
        looked = "\n  ".join(str(path) for path in (*sources, library))
        raise AuthoringError(say("project.no_wrapper", looked=looked))
    bare = Project(folder, wrapper, None)
    configs = (folder / CONFIG, bare.root / CONFIG)
    return Project(folder, wrapper, next((path for path in configs if path.is_file()), None))

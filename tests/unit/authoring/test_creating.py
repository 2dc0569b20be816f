"""Projects are written whole or not at all."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aiges.authoring.creating import File, write
from aiges.authoring.errors import AuthoringError

FILES = {Path("a.txt"): File(b"new a", 0o644), Path("sub/b.sh"): File(b"new b", 0o755)}


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_files_have_their_permissions(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "demo", FILES, force=False)
    script = tmp_path / "deep" / "demo" / "sub" / "b.sh"
    assert script.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["demo"]


def test_a_failure_half_way_leaves_everything_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "a.txt").write_text("old a")
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:
        assert Path(elsewhere).stat().st_dev != folder.stat().st_dev
        (folder / "sub").symlink_to(elsewhere)  # nothing can be moved there
        with pytest.raises(AuthoringError, match="cross-device"):
            write(folder, FILES, force=True)
        assert list(Path(elsewhere).iterdir()) == []
    assert content(tmp_path) == {"demo/a.txt": "old a"}


def test_a_link_that_leads_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(AuthoringError, match=r"a\.txt"):
        write(tmp_path, FILES, force=False)
    assert not (tmp_path / "nowhere").exists()

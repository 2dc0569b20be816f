"""Which file is the main one, and the default that is written."""

from pathlib import Path

import pytest

from aiges_loader.config import ConfigError, default_text, locate, write_default


def test_the_main_file_is_sought_as_given_then_beside_the_program(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "AIservice"
    (tmp_path / "here").mkdir()

    def found() -> Path:
        return locate("a.toml", program=program, working_directory=tmp_path / "here")

    with pytest.raises(ConfigError, match=r"^can't open a\.toml: neither .*/here/a\.toml nor .*"):
        found()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.toml").touch()
    assert found() == tmp_path / "conf" / "a.toml"
    (tmp_path / "here" / "a.toml").touch()
    assert found() == tmp_path / "here" / "a.toml"


def test_a_name_that_no_file_can_have_is_not_found(tmp_path: Path) -> None:
    for name in ("a\0b", "a" * 5000):
        with pytest.raises(ConfigError, match="can't open a"):
            locate(name, program=tmp_path / "bin" / "x", working_directory=tmp_path)


def test_the_default_is_written_once_and_never_over_a_file(tmp_path: Path) -> None:
    assert write_default(tmp_path)
    path = tmp_path / "aiges.toml"
    assert path.read_text(encoding="utf-8") == default_text()
    path.write_text("mine", encoding="utf-8")
    assert not write_default(tmp_path)
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_takes_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing/aiges\.toml: can't create: No such file"):
        write_default(tmp_path / "missing")

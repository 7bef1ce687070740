"""Sealing: the key file, its rights, and what it opens."""

import threading
from pathlib import Path

import pytest

from actions.sealing import Seal, Unreadable
from core.errors import Conflict, Unavailable


def test_what_is_sealed_is_opened_for_its_purpose_alone(tmp_path: Path) -> None:
    seal = Seal(tmp_path / "keys")
    sealed = seal.close("tea", {"leaf": "green"})

    assert "green" not in sealed
    assert Seal(tmp_path / "keys").open("tea", sealed) == {"leaf": "green"}
    with pytest.raises(Unreadable):
        seal.open("coffee", sealed)


@pytest.mark.parametrize("sealed", ["", "x", "gAAAAA==", "\u2603"])
def test_what_is_damaged_or_of_another_key_is_not_opened(tmp_path: Path, sealed: str) -> None:
    seal = Seal(tmp_path / "keys")
    other = Seal(tmp_path / "others").close("tea", {})

    for text in (sealed, other, seal.close("tea", {})[:-4] + "AAA="):
        with pytest.raises(Unreadable):
            seal.open("tea", text)


def test_the_key_file_is_made_once_even_by_many_at_the_same_time(tmp_path: Path) -> None:
    sealed: list[str] = []
    threads = [
        threading.Thread(target=lambda: sealed.append(Seal(tmp_path / "keys").close("tea", {}))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [Seal(tmp_path / "keys").open("tea", one) for one in sealed] == [{}] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    sealed = Seal(tmp_path / "keys").close("tea", {})
    (tmp_path / "keys").chmod(0o640)

    with pytest.raises(Conflict, match="chmod 600"):
        Seal(tmp_path / "keys").open("tea", sealed)


@pytest.mark.parametrize("content", ["", "not a key\n", "\u2603"])
def test_a_damaged_key_file_is_told_and_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content, encoding="utf-8")
    (tmp_path / "keys").chmod(0o600)

    with pytest.raises(Conflict, match="damaged"):
        Seal(tmp_path / "keys").close("tea", {})

    assert (tmp_path / "keys").read_text(encoding="utf-8") == content


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        Seal(tmp_path / "nowhere" / "keys").close("tea", {})

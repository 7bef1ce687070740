"""The log of a child grows, is turned over once, and never keeps more than two files."""

from pathlib import Path

from core import logfile


def test_a_log_is_added_to_until_it_is_too_large_and_then_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "engine.log"
    for text in (b"one\n", b"two\n", b"three\n", b"four\n"):
        with logfile.opened(path, most=7) as log:
            log.write(text)
    assert path.read_bytes() == b"three\nfour\n"
    assert path.with_name("engine.log.1").read_bytes() == b"one\ntwo\n"
    with logfile.opened(path, most=7) as log:
        log.write(b"five\n")
    assert sorted(file.name for file in path.parent.iterdir()) == ["engine.log", "engine.log.1"]
    assert path.read_bytes() == b"five\n"

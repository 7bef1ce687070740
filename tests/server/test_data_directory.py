"""One gateway holds a data directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Conflict, Unavailable
from server.data_directory import locked

HOLDER = """
import sys
from pathlib import Path
from server.data_directory import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_gateway_is_refused_until_the_first_is_gone_even_by_kill(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(Conflict, match="Another Repertory serves"), locked(folder):
        pass
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    with locked(folder):
        assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="REPERTORY_DATA_DIR"), locked(tmp_path / "file" / "data"):
        pass

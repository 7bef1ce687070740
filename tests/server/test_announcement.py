"""The line that the start prints, and what the log says of the demo's tracker."""

import logging
import shlex
import socket
from pathlib import Path

import anyio
import pytest

from server.announcement import curl_line
from server.demo import Tracker
from server.settings import Settings
from tests.server.conftest import Start

pytestmark = pytest.mark.anyio
PORT = 8000


async def test_without_keys_the_line_asks_a_persona_with_an_adapter(start: Start) -> None:
    async with start() as gateway:
        line = shlex.split(curl_line(gateway.services, PORT))
    assert line[1] == f"http://127.0.0.1:{PORT}/v1/chat/completions"
    assert '"model": "tuned"' in line[-1]
    assert not any("Authorization" in part for part in line)


async def test_a_persona_that_does_not_answer_is_not_proposed(start: Start) -> None:
    async with start() as gateway:
        gateway.releases.versions.clear()
        assert '"model": "tuned"' not in curl_line(gateway.services, PORT)


async def test_where_keys_are_needed_the_line_reads_the_admin_key(start: Start) -> None:
    async with start(require_keys=True) as gateway:
        line = curl_line(gateway.services, PORT)
        assert f"Bearer $(cat {gateway.services.settings.admin_key_path})" in line


@pytest.mark.parametrize(("host", "shown"), [("::1", "[::1]"), ("::", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])
async def test_the_address_of_the_line_can_be_reached(start: Start, host: str, shown: str) -> None:
    async with start(host=host, require_keys=True) as gateway:
        assert f" http://{shown}:{PORT}/" in curl_line(gateway.services, PORT)


async def test_a_tracker_that_cannot_start_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.ERROR):
        tracker = Tracker(Settings(data_dir=tmp_path, tracker_port=taken.getsockname()[1]))
        await tracker.start()
        with anyio.fail_after(30):
            while not caplog.records:
                await anyio.sleep(0.05)
        await tracker.stop()
    assert "ticket tracker has ended" in caplog.text

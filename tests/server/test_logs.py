"""Log lines: they name their request and hold nobody's text, whatever goes wrong."""

import asyncio
import io
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from starlette.datastructures import Headers

from core.errors import NotFound
from core.principal import Scope
from server.observe import logs
from server.observe.request import RequestNote, noted
from server.observe.turn_log import TurnLog
from tests.fakes.crm import Crm, running_crm
from tests.fakes.engine import Reply
from tests.server.conftest import Gateway, Start
from tests.server.test_actions import CLERK, DOCUMENT
from tests.server.test_record import new_record

pytestmark = pytest.mark.anyio
CANARY = "canary4711"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(kept_logging: None) -> Lines:
    """Log as JSON, all of it; return what reads the lines since the last look."""
    stream = io.StringIO()
    logs.set_up("DEBUG", "json", stream)

    def read() -> list[dict[str, Any]]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return [orjson.loads(line) for line in text.splitlines()]

    return read


@pytest.fixture
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


async def test_a_turn_ends_with_one_line_that_names_its_request(gateway: Gateway, lines: Lines) -> None:
    async with gateway.http() as http:
        body = {"model": "tuned", "messages": [{"role": "user", "content": "Hi"}]}
        response = await http.post("/v1/chat/completions", json=body, headers={"x-request-id": "mine-1"})
    (turn,) = [line for line in lines() if line["message"] == "turn"]
    assert turn["request_id"] == response.headers["x-request-id"] != "mine-1"
    assert turn["client_request_id"] == "mine-1"
    assert turn["completion"] == response.json()["id"]
    assert (turn["persona"], turn["adapter"], turn["principal"]) == ("tuned", "tuned@3", "anonymous")
    assert (turn["status"], turn["finish"], turn["engine_calls"]) == ("ok", "stop", 1)
    assert turn["completion_tokens"] == response.json()["usage"]["completion_tokens"]
    assert turn["logger"] == "server.turn"


async def test_a_failed_turn_is_logged_with_its_code(gateway: Gateway, lines: Lines) -> None:
    gateway.engine.will(Reply("one two three", dies_after=1))
    async with gateway.http() as http:
        body = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        await http.post("/v1/chat/completions", json=body)
    (turn,) = [line for line in lines() if line["message"] == "turn"]
    assert (turn["status"], turn["error"]) == ("error", "upstream_failed")


def test_an_abandoned_turn_is_logged_as_such(lines: Lines) -> None:
    record = new_record()
    record.abandoned = True
    TurnLog().finished(record)
    assert [line["status"] for line in lines()] == ["abandoned"]


@pytest.mark.parametrize("sent", ["two words", "x" * 129, "l\xe4uft", "a\tb", "", "a\nb"])
def test_a_client_s_request_id_is_taken_only_if_it_is_harmless(sent: str) -> None:
    note = RequestNote("req-1", Headers({"x-request-id": sent}))
    assert note.client_id is None
    assert RequestNote("req-1", Headers({"x-client-request-id": "4f-7/a=="})).client_id == "4f-7/a=="


async def test_no_text_of_a_user_is_ever_logged(
    start: Start, crm: Crm, tmp_path: Path, lines: Lines, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "contacts.yaml").write_text(DOCUMENT)
    persona = CLERK.replace("URL", crm.url).replace("CALLING", "guided")
    async with start({"clerk": persona}, private_hosts=crm.host) as gateway:
        seen = lines()
        await _misuse(gateway)
        await _break(gateway, tmp_path)
        seen += lines()
    seen += lines()
    shown = [line for line in seen if CANARY in orjson.dumps(line).decode().lower()]
    assert shown == []
    assert {line["level"] for line in seen} >= {"INFO", "ERROR"}
    assert any("exception" in line for line in seen)
    printed = capfd.readouterr()
    assert CANARY not in (printed.out + printed.err).lower()


async def _misuse(gateway: Gateway) -> None:
    """Put the canary wherever a client can put words."""
    messages = [{"role": "system", "content": CANARY}, {"role": "user", "content": f"{CANARY} opens on weekdays?"}]
    who = {"user": CANARY, "safety_identifier": CANARY, "metadata": {CANARY: CANARY}}
    tool = {"type": "function", "function": {"name": CANARY, "parameters": {"type": "object"}}}
    bodies: list[dict[str, Any]] = [
        {"model": CANARY, "messages": messages},
        *({"model": model, "messages": messages, **who} for model in ("plain", "librarian", "tuned")),
        {"model": "plain", "messages": messages, "stream": True, "tools": [tool]},
        {"model": "plain", "messages": messages, CANARY: CANARY},
        {"model": "plain", "messages": CANARY},
        {"model": "plain", "messages": [{"role": CANARY, "content": CANARY}]},
        {"model": "plain", "messages": messages, "temperature": CANARY},
        {"model": "plain", "messages": [{"role": "tool", "tool_call_id": CANARY, "content": CANARY}]},
    ]
    async with gateway.http(
        **{"x-request-id": f"{CANARY} said", "referer": CANARY, "traceparent": CANARY}
    ) as http:
        for body in bodies:
            await http.post("/v1/chat/completions", json=body)
        await http.post(
            "/v1/chat/completions", content=f'{{"{CANARY}', headers={"content-type": "application/json"}
        )
        await http.post("/v1/chat/completions", content=CANARY, headers={"content-type": f"text/{CANARY}"})
        await http.post("/v1/embeddings", json={"model": CANARY, "input": CANARY})
        await http.get(f"/{CANARY}?{CANARY}={CANARY}", headers={"authorization": f"Bearer rep-{CANARY}"})
        await http.get("/v1/models", headers={"host": CANARY})
        await http.get("/v1/models", headers={"origin": f"https://{CANARY}"})


async def _break(gateway: Gateway, folder: Path) -> None:
    """Let every part fail with the canary in its hands."""
    key = gateway.secret("bot", Scope.CHAT, Scope.KNOWLEDGE, Scope.APPROVE)
    ask = {"messages": [{"role": "user", "content": CANARY}]}
    gateway.engine.will(
        "look_up", f'{{"who": "{CANARY}"}}', f"Found {CANARY}.",  # an action that works
        "look_up", f'{{"{CANARY}": 1}}', f'{{"{CANARY}": 2}}', CANARY,  # arguments that fit nothing
        "remove", f'{{"contact": "{CANARY}"}}',  # waits for approval
        Reply(status=400, message=f"{CANARY} is too long"),
        Reply(status=500, message=CANARY),
        Reply(CANARY, error_after=0),
        Reply(f"{CANARY} {CANARY} {CANARY}", dies_after=2),
        Reply(tool_calls=((CANARY, f'{{"{CANARY}": "{CANARY}"}}'),)),
    )  # fmt: skip
    async with gateway.http(authorization=f"Bearer {key}") as http:
        for model, stream in [("clerk", False)] * 3 + [("plain", False)] * 2 + [("plain", True)] * 3:
            await http.post("/v1/chat/completions", json=ask | {"model": model, "stream": stream})
        gateway.embedder.broken = True
        await http.post("/v1/chat/completions", json=ask | {"model": "librarian"})
        await http.post("/v1/embeddings", json={"model": "all-MiniLM-L6-v2", "input": CANARY})

        async def boom() -> None:
            try:
                raise KeyError(CANARY)
            except KeyError as error:
                raise ValueError(f"{CANARY} cannot be read") from error

        gateway.app.add_api_route("/boom", boom)
        assert (await http.get("/boom")).status_code == 500
    gateway.embedder.broken = False
    library = folder / "knowledge" / "library"
    (library / f"{CANARY}.md").write_text(f"# {CANARY}\n\nThe {CANARY} sings.\n")
    (library / f"{CANARY}-broken.md").write_bytes(b"\xff\xfe\xfa" + CANARY.encode())
    (library / f"{CANARY}-link.md").symlink_to(folder / CANARY)
    await gateway.services.sync.run()


def test_an_error_is_written_by_kind_and_place_and_never_by_message(lines: Lines) -> None:
    try:
        try:
            open(f"/nowhere/{CANARY}")  # noqa: PTH123, SIM115  an error of the system's
        except OSError as error:
            raise NotFound(f"No {CANARY}.", code="file_gone") from error
    except NotFound as error:
        logging.getLogger("server.some").exception("It broke: %s", error)
    (line,) = lines()
    kinds = [text for text in line["exception"] if not text.startswith("  ")]
    assert kinds == ["NotFound (file_gone)", "FileNotFoundError (No such file or directory)"]
    assert line["message"] == "It broke: NotFound (file_gone)"
    assert any("test_logs.py" in text for text in line["exception"])
    assert "/nowhere" not in "".join(text for text in line["exception"] if "open(" not in text)


def test_the_first_of_a_group_of_errors_is_shown() -> None:
    group = ExceptionGroup(CANARY, [ValueError(CANARY), KeyError(CANARY)])
    assert list(logs.described(group)) == ["ExceptionGroup", "  (2 errors, of which the first is)", "ValueError"]


async def test_what_nobody_awaited_is_logged_without_its_message(lines: Lines) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(logs.on_loop_error)
    try:
        failed: asyncio.Future[None] = loop.create_future()
        failed.set_exception(ValueError(CANARY))
        del failed
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(before)
    (line,) = lines()
    assert line["exception"][0] == "ValueError"
    assert CANARY not in orjson.dumps(line).decode()


async def test_uvicorn_s_own_words_about_a_failure_hold_no_body(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = logging.getLogger("uvicorn")  # other tests' servers let uvicorn set its own logging up
    monkeypatch.setattr(theirs, "handlers", [])
    monkeypatch.setattr(theirs, "propagate", True)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError((await receive())["body"])

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    length = str(len(CANARY)).encode()
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: " + length + b"\r\n\r\n" + CANARY.encode())
    assert b" 500 " in await reader.readline()
    writer.close()
    server.should_exit = True
    await serving
    listener.close()
    (line,) = lines()
    assert line["logger"] == "uvicorn.error"
    assert "ValueError" in line["exception"]
    assert CANARY not in orjson.dumps(line).decode()


def test_libraries_stay_silent_below_warnings_even_when_we_debug(lines: Lines) -> None:
    for name in ("httpx", "httpcore", "sqlalchemy.engine", "multipart"):
        logging.getLogger(name).info(CANARY)
    logging.getLogger("server.x").debug("ours")
    assert [line["message"] for line in lines()] == ["ours"]


def test_lines_for_eyes_name_the_request_and_their_values(
    kept_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up("INFO", "text")
    with noted(RequestNote("req-1")):
        TurnLog().finished(new_record())
    logging.getLogger("server.x").error("It broke.", exc_info=ValueError(CANARY))
    first, second, third = capsys.readouterr().err.splitlines()
    assert " INFO server.turn [req-1]: turn completion=chatcmpl-1 persona=plain revision=abc " in first
    assert second.endswith(" ERROR server.x: It broke.")
    assert third == "ValueError"


async def test_work_in_threads_and_tasks_carries_the_id_of_its_request(lines: Lines) -> None:
    with noted(RequestNote("req-7")):
        await asyncio.to_thread(logging.getLogger("retrieval.x").warning, "in a thread")
        await asyncio.create_task(_warn())
    logging.getLogger("retrieval.x").warning("outside")
    assert [line.get("request_id") for line in lines()] == ["req-7", "req-7", None]


async def _warn() -> None:
    logging.getLogger("server.x").warning("in a task")

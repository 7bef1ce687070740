"""Files that were shared in a thread and given to the persona: a vector store for each thread.

A file is fetched from Slack with the bot's token, which goes to Slack alone, and read by the server as any
upload is. Store and files expire after a month in which nobody asked.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import anyio
import httpx
from pydantic import SecretStr

from core.errors import InvalidRequest, RepertoryError
from integrations.slack.question import Place, Thread
from integrations.slack.server import Server
from integrations.slack.threads import Threads
from integrations.slack.workspace import Workspace

logger = logging.getLogger(__name__)
_DAYS = 30
_READ_SECONDS, _LOOK_SECONDS = 180.0, 0.25
_TIMEOUT = httpx.Timeout(60, connect=10)

SlackFile = Mapping[str, object]
Told = Callable[[str, str, str], Awaitable[None]]
"""Takes a file's id, its name, and a status of a task."""


class ThreadFiles:
    """Brings files of threads to the server.

    Args:
        most: bytes of one file.
    """

    def __init__(self, server: Server, threads: Threads, *, most: int) -> None:
        self._server = server
        self._threads = threads
        self._most = most

    async def add(
        self,
        workspace: Workspace,
        place: Place,
        thread: Thread,
        files: Sequence[SlackFile],
        key: SecretStr,
        told: Told,
    ) -> tuple[Thread, list[str]]:
        """Read files into the thread's store; return the thread, and a sentence for each that was not read."""
        troubles = []
        for file in files:
            identity, name = str(file["id"]), str(file.get("name") or "file")
            if identity in thread.files:
                continue
            await told(identity, name, "in_progress")
            try:
                thread = await self._added(workspace, place, thread, file, key)
            except RepertoryError as error:
                logger.warning("a file of a thread was not read: %s", error.code)
                troubles.append(f"I could not read {name!r}: {error.message}")
                await told(identity, name, "error")
            else:
                await told(identity, name, "complete")
        return thread, troubles

    async def remove(self, place: Place, thread: Thread, file: str, keys: Sequence[SecretStr]) -> None:
        """Delete a file at the server, and so take it out of the thread's store."""
        ours = thread.files[file]
        rest = {name: value for name, value in thread.files.items() if name != file}
        for key in keys:
            try:
                await self._server.delete(f"/v1/files/{ours}", key)
                break
            except RepertoryError as error:
                logger.info("a file was not deleted with this key: %s", error.code)
        await anyio.to_thread.run_sync(self._threads.remember, place, replace(thread, files=rest))

    async def _added(
        self, workspace: Workspace, place: Place, thread: Thread, file: SlackFile, key: SecretStr
    ) -> Thread:
        content = await self._fetched(workspace, file)
        kept = await self._server.upload(key, str(file.get("name") or "file"), content, days=_DAYS)
        if thread.store is None:
            body = {
                "name": f"Slack thread {place.channel} {place.thread}",
                "expires_after": {"anchor": "last_active_at", "days": _DAYS},
            }
            made = await self._server.post("/v1/vector_stores", key, body)
            thread = replace(thread, store=str(made["id"]))
        thread = replace(thread, files={**thread.files, str(file["id"]): str(kept["id"])})
        await anyio.to_thread.run_sync(self._threads.remember, place, thread)
        path = f"/v1/vector_stores/{thread.store}/files"
        shown = await self._server.post(path, key, {"file_id": kept["id"]})
        with anyio.fail_after(_READ_SECONDS):
            while shown["status"] == "in_progress":
                await anyio.sleep(_LOOK_SECONDS)
                shown = await self._server.get(f"{path}/{kept['id']}", key)
        if shown["status"] != "completed":
            error = shown.get("last_error")
            reason = error["message"] if isinstance(error, dict) else "it could not be read."
            raise InvalidRequest(str(reason), code="file_unreadable")
        return thread

    async def _fetched(self, workspace: Workspace, file: SlackFile) -> bytes:
        url = str(file.get("url_private_download") or file.get("url_private") or "")
        if not _is_slacks(url, workspace.client.base_url):
            raise InvalidRequest("it does not lie at Slack.", code="file_elsewhere")
        headers = {"authorization": f"Bearer {workspace.token.get_secret_value()}"}
        content = b""
        try:
            async with (
                httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client,
                client.stream("GET", url, headers=headers) as response,
            ):
                if response.status_code != 200 or response.headers.get("content-type", "").startswith("text/html"):
                    raise InvalidRequest(
                        "Slack does not hand it out. The app needs the scope 'files:read'.", code="file_refused"
                    )
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > self._most:
                        raise InvalidRequest(f"it is larger than {self._most} bytes.", code="file_too_large")
        except httpx.HTTPError as error:
            raise InvalidRequest("the connection to Slack broke.", code="file_unreachable") from error
        return content


def _is_slacks(url: str, api: str) -> bool:
    """Tell whether the token may go to an address: to Slack's own hosts alone."""
    where, home = urlsplit(url), urlsplit(api)
    if (where.scheme, where.netloc) == (home.scheme, home.netloc):
        return True
    return where.scheme == "https" and (where.hostname or "").endswith(".slack.com")

"""What answers: the port, the server, the engine, and the plug-in inside it."""

import socket
from importlib import metadata
from pathlib import Path

import httpx
from pydantic import ValidationError

from core.errors import RepertoryError
from server.cli.session import server_url
from server.diagnosis.check import Check, Status
from server.diagnosis.installation import version_of_vllm
from server.engine.admin import Handshake
from server.engine.process import EngineProcess
from server.settings import EngineMode, Settings

_ENTRY_POINTS = {"vllm.general_plugins": "repertory", "vllm.endpoint_plugins": "repertory_routes"}


def port(settings: Settings) -> Check:
    """The port is free, or Repertory itself listens there."""
    if settings.port == 0:
        return Check("port", Status.OK, "picked at start")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if _get(settings, "/livez") is not None:
                return Check("port", Status.OK, f"{settings.port}: Repertory listens")
            reason = error.strerror or str(error)
            return Check("port", Status.FAIL, f"{settings.port}: {reason}", "Set REPERTORY_PORT to a free port.")
    return Check("port", Status.OK, f"{settings.port} is free")


def server(settings: Settings) -> Check:
    """The server is ready to answer."""
    answer = _get(settings, "/readyz")
    if answer is None:
        return Check("server", Status.WARN, "not running", "Start it with `make run`.")
    if answer.is_success:
        return Check("server", Status.OK, "ready")
    return Check("server", Status.WARN, f"not ready: {_reason(answer)}", "Wait, or look at its log.")


def engine(settings: Settings) -> Check:
    """External engines answer; a managed one can be started."""
    if settings.engine_mode is EngineMode.MANAGED:
        found = version_of_vllm()
        if found is None:
            return Check("engine", Status.FAIL, "no vLLM", "Run `make install`.")
        return Check("engine", Status.OK, f"vLLM as a child of the server, {found}")
    silent = [url for url in settings.engine_url if _answers(f"{url.rstrip('/')}/health") is None]
    if silent:
        advice = "Start vLLM there, or correct REPERTORY_ENGINE_URL."
        return Check("engine", Status.FAIL, f"no answer from {', '.join(silent)}", advice)
    return Check("engine", Status.OK, ", ".join(settings.engine_url))


def plugin(settings: Settings) -> Check:
    """Each engine that runs shakes hands; one that does not run yet will find the plug-in."""
    for url, client in _engines(settings):
        with client:
            try:
                answer = client.get("/v1/repertory/handshake")
            except httpx.HTTPError:
                continue  # `engine` says so
        if refusal := _refusal(answer):
            advice = (
                "See docs/operations.md, 'An engine elsewhere'. Until then personas with an adapter do not answer."
            )
            return Check("plug-in", Status.FAIL, f"{url}: {refusal}", advice)
    if settings.engine_mode is EngineMode.EXTERNAL:
        return Check("plug-in", Status.OK, "every engine that answers shakes hands")
    missing = [
        name for group, name in _ENTRY_POINTS.items() if name not in metadata.entry_points(group=group).names
    ]
    if missing:
        return Check("plug-in", Status.FAIL, f"vLLM does not find {', '.join(missing)}", "Run `make install`.")
    return Check("plug-in", Status.OK, "installed for the managed engine")


def _engines(settings: Settings) -> list[tuple[str, httpx.Client]]:
    headers = {}
    if settings.engine_api_key is not None:
        headers["authorization"] = f"Bearer {settings.engine_api_key.get_secret_value()}"
    if settings.engine_mode is EngineMode.EXTERNAL:
        return [
            (url, httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=5, trust_env=False))
            for url in settings.engine_url
        ]
    path = EngineProcess(settings, None).socket
    if not _listens(path):
        return []
    transport = httpx.HTTPTransport(uds=str(path))
    return [("the managed engine", httpx.Client(base_url="http://engine", transport=transport, timeout=5))]


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        return client.connect_ex(str(path)) == 0


def _refusal(answer: httpx.Response) -> str | None:
    if answer.status_code == httpx.codes.NOT_FOUND:
        return "it runs without our plug-in"
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return "it does not take the key; set REPERTORY_ENGINE_API_KEY"
    try:
        return Handshake.model_validate_json(answer.content).refusal()
    except ValidationError:
        return "its plug-in answers something else"


def _get(settings: Settings, path: str) -> httpx.Response | None:
    try:
        return _answers(server_url(settings) + path)
    except RepertoryError:
        return None


def _answers(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, timeout=3, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return str(answer.status_code)
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message") if isinstance(error, dict) else body)

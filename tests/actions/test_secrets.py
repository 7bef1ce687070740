"""Secrets: bound to hosts and personas, and never seen in text, errors, logs or redirects."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from actions import ActionConfig, ActionResult, ActionSet, NetworkGrants, Secret, SecretRefused, Secrets
from actions.json_value import JsonObject
from core.errors import InvalidRequest, RepertoryError
from core.ids import PersonaId
from tests.actions.documents import document, operation, parameter, write
from tests.fakes.crm import Crm, running_crm

VALUE = "sk-very/secret+value=0123456789"
ECHO = document(
    {
        "/echo": {"get": operation(operationId="echo", parameters=[parameter("q", "query")])},
        "/redirect": {"get": operation(operationId="redirect", parameters=[parameter("to", "query")])},
        "/slow": {"get": operation(operationId="slow")},
    }
)


@pytest.fixture(scope="module")
def crm() -> Iterator[Crm]:
    with running_crm() as running:
        yield running


def _secrets(**fields: object) -> Secrets:
    return Secrets({"crm": Secret.model_validate({"value": VALUE, **fields})})


def _load(folder: Path, crm: Crm, secrets: Secrets, *, persona: str = "tester") -> ActionSet:
    config = ActionConfig(document=write(folder, ECHO), server=crm.url, secret="crm")
    return ActionSet.load(
        [config],
        root=folder,
        grants=NetworkGrants.parse([crm.host]),
        secrets=secrets,
        persona=PersonaId(persona),
        time_limit=0.5,
    )


def _call(actions: ActionSet, name: str, arguments: JsonObject) -> ActionResult:
    return anyio.run(lambda: actions.call(name, arguments))


def test_a_bearer_token_reaches_the_service_and_its_echo_is_hidden(tmp_path: Path, crm: Crm) -> None:
    result = _call(_load(tmp_path, crm, _secrets(hosts=[crm.host])), "echo", {})

    assert json.loads(result.text)["headers"]["authorization"] == "Bearer [secret]"


def test_a_header_key_reaches_the_service_and_its_echo_is_hidden(tmp_path: Path, crm: Crm) -> None:
    secrets = _secrets(hosts=["127.0.0.1"], send_as="header", header="X-Crm-Key")

    result = _call(_load(tmp_path, crm, secrets), "echo", {})

    assert json.loads(result.text)["headers"]["x-crm-key"] == "[secret]"


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        "sk-very%2Fsecret%2Bvalue%3D0123456789",
        json.dumps(VALUE),
        base64.b64encode(VALUE.encode()).decode(),
        VALUE + VALUE,
    ],
)
def test_every_usual_form_of_a_secret_is_hidden(form: str) -> None:
    shown = _secrets(hosts=["x"]).hide(f"before {form} after")

    assert "0123456789" not in shown
    assert base64.b64encode(VALUE.encode()).decode()[:12] not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_a_secret_shows_in_no_log_error_or_representation(
    tmp_path: Path, crm: Crm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = _secrets(hosts=[crm.host])
    actions = _load(tmp_path, crm, secrets)

    results = [
        _call(actions, "echo", {"q": "x"}),
        _call(actions, "redirect", {"to": "http://169.254.169.254/"}),
        _call(actions, "slow", {}),
    ]

    everything = (
        caplog.text + repr(results) + repr(secrets) + repr(actions.operations) + actions.effect("echo", {})
    )
    assert VALUE not in everything
    assert "0123456789" not in everything


def test_a_secret_follows_no_redirect_to_another_host(tmp_path: Path, crm: Crm) -> None:
    with running_crm() as other:
        _call(_load(tmp_path, crm, _secrets(hosts=[crm.host])), "redirect", {"to": f"{other.url}/echo"})

        assert other.requests == []


@pytest.mark.parametrize(
    ("fields", "persona", "message"),
    [
        ({"hosts": ["crm.example"]}, "tester", "not bound to the host '127.0.0.1'"),
        ({"hosts": ["127.0.0.1:1"]}, "tester", "not bound to the host '127.0.0.1'"),
        ({"hosts": ["127.0.0.1"], "personas": ["other"]}, "tester", "not bound to the persona 'tester'"),
    ],
)
def test_a_secret_that_is_not_bound_here_refuses_the_persona(
    tmp_path: Path, crm: Crm, fields: dict[str, object], persona: str, message: str
) -> None:
    with pytest.raises(SecretRefused, match=message) as raised:
        _load(tmp_path, crm, _secrets(**fields), persona=persona)

    assert VALUE not in str(raised.value)


def test_an_unknown_secret_is_named(tmp_path: Path, crm: Crm) -> None:
    with pytest.raises(SecretRefused, match="no secret 'crm'"):
        _load(tmp_path, crm, Secrets.none())


def test_a_secret_never_travels_in_the_clear_over_the_internet() -> None:
    url = httpx.URL("http://api.example/x")

    with pytest.raises(SecretRefused, match="Use https"):
        _secrets(hosts=["api.example"]).headers("crm", PersonaId("p"), url, NetworkGrants())


def test_the_secrets_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(f"crm:\n  value: {VALUE}\n  hosts: [api.example]\n  personas: [p]\n", encoding="utf-8")

    headers = Secrets.read(path).headers(
        "crm", PersonaId("p"), httpx.URL("https://API.example./x"), NetworkGrants()
    )

    assert headers == {"Authorization": f"Bearer {VALUE}"}


@pytest.mark.parametrize(
    "content",
    [
        f"crm: {{value: '{VALUE}\\n', hosts: [x]}}".replace("'", '"'),
        f"crm: {{value: {VALUE}, hosts: []}}",
        f"crm: {{value: {VALUE}, hosts: [x], kind: odd}}",
        f"crm: {VALUE}",
        f"- {VALUE}",
        f"crm: [{VALUE}",
    ],
)
def test_a_broken_secrets_file_is_refused_without_showing_a_value(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(InvalidRequest, match="secrets file") as raised:
        Secrets.read(path)

    error: BaseException | None = raised.value
    assert isinstance(error, RepertoryError)
    assert "0123456789" not in str(error)
    assert error.__suppress_context__

"""Secrets: bound to hosts and personas, and never seen in text, errors, logs or redirects."""

import base64
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx
import pytest
from pydantic import BaseModel

from actions import ActionConfig, ActionResult, ActionSet, NetworkGrants, SecretRefused, Secrets, secret_of
from actions.credentials import of_secret
from actions.json_value import JsonObject
from actions.secret import ApiKey, AuthorizationCode, Basic, Bearer, ClientCredentials
from core.errors import InvalidRequest, RepertoryError
from core.ids import PersonaId
from server.settings import ROOT
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
    return Secrets({"crm": secret_of({"value": VALUE, **fields})})


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
    secrets = _secrets(hosts=["127.0.0.1"], kind="api_key", name="X-Crm-Key")

    result = _call(_load(tmp_path, crm, secrets), "echo", {})

    assert json.loads(result.text)["headers"]["x-crm-key"] == "[secret]"


def test_a_query_key_reaches_the_service_and_stands_in_no_log(
    tmp_path: Path, crm: Crm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = {"kind": "api_key", "in": "query", "name": "api.key"}

    result = _call(_load(tmp_path, crm, _secrets(hosts=["127.0.0.1"], **key)), "echo", {"q": "a b&c"})

    assert json.loads(result.text)["target"] == f"{crm.url}/echo?q=a%20b%26c&api.key=[secret]"
    assert "0123456789" not in caplog.text


def test_a_query_key_stays_a_single_one_and_out_of_the_logs_where_a_redirect_repeats_it(
    tmp_path: Path, crm: Crm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = {"kind": "api_key", "in": "query", "name": "key"}
    actions = _load(tmp_path, crm, _secrets(hosts=["127.0.0.1"], **key))
    repeated = f"/echo?key={quote(VALUE, safe='')}&q=1"

    result = _call(actions, "redirect", {"to": repeated})

    assert json.loads(result.text)["target"] == f"{crm.url}/echo?q=1&key=[secret]"
    assert f'HTTP Request: GET {crm.url}/echo?q=1 "HTTP/1.1 200 OK"' in caplog.messages


def test_a_redirect_that_carries_a_secret_elsewhere_in_its_address_is_not_followed(
    tmp_path: Path, crm: Crm
) -> None:
    before = len(crm.requests)

    result = _call(_load(tmp_path, crm, _secrets(hosts=["127.0.0.1"])), "redirect", {"to": f"/echo?q={VALUE}"})

    assert (result.status, len(crm.requests)) == (302, before + 1)


def test_a_cookie_key_reaches_the_service_and_its_echo_is_hidden(tmp_path: Path, crm: Crm) -> None:
    key = {"kind": "api_key", "in": "cookie", "name": "session"}

    result = _call(_load(tmp_path, crm, _secrets(hosts=["127.0.0.1"], **key)), "echo", {})

    assert json.loads(result.text)["headers"]["cookie"] == "session=[secret]"


@pytest.mark.parametrize("password", ["pass:with:colons", "grüße und pfade/+="])
def test_user_name_and_password_reach_the_service_and_their_echo_is_hidden(
    tmp_path: Path, crm: Crm, password: str
) -> None:
    secret = secret_of({"kind": "basic", "username": "ada", "password": password, "hosts": ["127.0.0.1"]})
    actions = _load(tmp_path, crm, Secrets({"crm": secret}))

    result = _call(actions, "echo", {"q": base64.b64encode(f"x{password}".encode()).decode()})

    assert json.loads(result.text)["headers"]["authorization"] == "Basic [secret]"
    assert base64.b64encode(f"x{password}".encode()).decode()[3:-3] not in result.text
    assert basic_pair_of(crm) == f"ada:{password}"


def basic_pair_of(crm: Crm) -> str:
    """Return what the last Authorization header held."""
    return base64.b64decode(crm.authorizations[-1].removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "basic", "username": "a:b", "password": "12345678"}, "no colon"),
        ({"kind": "basic", "username": "ada", "password": ""}, "at least 8 characters"),
        ({"kind": "basic", "username": "ada", "password": "1234567\n"}, "control characters"),
        ({"kind": "api_key", "value": "12345678", "name": "Host"}, "not for keys"),
        ({"kind": "api_key", "value": "12345678;x", "in": "cookie"}, "has no quote"),
        ({"kind": "api_key", "value": "12345678", "in": "body"}, "in: Input should be"),
        ({"kind": "odd", "value": "12345678"}, "with a `kind` of bearer, api_key, basic"),
    ],
)
def test_a_secret_that_could_not_be_sent_or_hidden_is_refused_in_words(
    tmp_path: Path, fields: dict[str, object], problem: str
) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(json.dumps({"crm": {"hosts": ["x"], **fields}}), encoding="utf-8")

    with pytest.raises(InvalidRequest, match=problem) as raised:
        Secrets.read(path)

    assert "1234567" not in str(raised.value)


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        "sk-very%2Fsecret%2Bvalue%3D0123456789",
        json.dumps(VALUE),
        base64.b64encode(VALUE.encode()).decode(),
        VALUE + VALUE,
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
        base64.b64encode(f"user:{VALUE}:more".encode()).decode(),
        base64.b64encode(f"u:{VALUE}".encode()).decode(),
        base64.b64encode(f"{VALUE}:more".encode()).decode(),
        "sk-very%2fsecret%2bvalue%3d0123456789",
        "sk-very%252Fsecret%252Bvalue%253D0123456789",
        json.dumps(VALUE).replace("/", "\\/"),
        json.dumps(json.dumps(VALUE)),
    ],
)
def test_every_usual_form_of_a_secret_is_hidden(form: str) -> None:
    shown = _secrets(hosts=["x"]).hide(f"before {form} after")

    assert "0123456789" not in shown
    for before in range(3):
        inside = base64.b64encode(b"\0" * before + VALUE.encode()).decode()
        assert inside[4:24] not in shown
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
        _secrets(hosts=["api.example"]).get("crm", PersonaId("p"), url, NetworkGrants())


def test_the_secrets_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(f"crm:\n  value: {VALUE}\n  hosts: [api.example]\n  personas: [p]\n", encoding="utf-8")

    secret = Secrets.read(path).get("crm", PersonaId("p"), httpx.URL("https://API.example./x"), NetworkGrants())

    assert isinstance(secret, Bearer)
    assert of_secret(secret).headers == {"Authorization": f"Bearer {VALUE}"}


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


def test_the_example_of_the_readme_can_be_used(tmp_path: Path) -> None:
    part = (ROOT / "README.md").read_text(encoding="utf-8").partition("Secrets stand in a file of their own")[2]
    example = part.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "secrets.yaml"
    path.write_text(example.replace("…", "0123456789"), encoding="utf-8")

    assert Secrets.read(path).by_name.keys() == {"tracker-token", "crm"}


@pytest.mark.parametrize("kind", [Bearer, ApiKey, Basic, ClientCredentials, AuthorizationCode])
def test_the_page_about_secrets_names_every_kind_and_field(kind: type[BaseModel]) -> None:
    page = set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "secrets.md").read_text(encoding="utf-8")))

    names = {field.alias or name for name, field in kind.model_fields.items()}
    assert names | {kind.model_fields["kind"].default} <= page

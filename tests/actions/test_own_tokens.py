"""Tokens in the server's own name: fetched once, kept, renewed, and what services get wrong."""

import json
from pathlib import Path

import anyio
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from actions import (
    ActionConfig,
    ActionSet,
    NetworkGrants,
    OAuthClient,
    SecretRefused,
    Secrets,
    SignInFailed,
    secret_of,
)
from core.errors import InvalidRequest
from tests.actions.documents import write
from tests.actions.oauth_world import CLERK, ME, World
from tests.fakes.crm import running_crm
from tests.fakes.oauth import CLIENT_SECRET, OAuthService

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("client_auth", ["basic", "basic_plain", "body"])
async def test_a_client_shows_its_secret_in_the_way_the_service_wants_even_with_a_colon_in_it(
    service: OAuthService, tmp_path: Path, client_auth: str
) -> None:
    service.client_auth = client_auth
    if client_auth == "basic_plain":
        service.client_id = "app-of-ours"  # a colon would end the name here
    machine = World(service, tmp_path, "oauth2_client_credentials")

    result = await machine.call()

    assert (":" in service.client_id) is (client_auth != "basic_plain")
    assert ":" in service.client_secret
    assert result.ok
    assert service.calls == [f"Bearer {service.issued[0]}"]
    assert machine.forms("client_credentials")[0]["scope"] == "contacts.read contacts.write"


async def test_a_token_is_fetched_once_for_all_calls_at_the_same_time_and_kept(machine: World) -> None:
    machine.service.delay = 0.1

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(machine.call)
    await machine.call()

    assert len(machine.service.calls) == 9
    assert len(machine.forms("client_credentials")) == 1


async def test_a_token_is_fetched_anew_shortly_before_its_end(machine: World) -> None:
    await machine.call()
    machine.now += 3600 - 61
    await machine.call()
    assert len(machine.forms("client_credentials")) == 1

    machine.now += 2
    await machine.call()

    assert len(machine.forms("client_credentials")) == 2


async def test_a_token_without_an_end_is_kept_until_the_service_refuses_it(machine: World) -> None:
    machine.service.lifetime = None
    await machine.call()
    machine.now += 10**8
    await machine.call()
    assert len(machine.forms("client_credentials")) == 1

    machine.service.end_access()

    assert (await machine.call()).ok
    assert len(machine.forms("client_credentials")) == 2


async def test_a_refused_token_is_renewed_once_and_the_call_made_once_more(machine: World) -> None:
    await machine.call()
    machine.service.end_access()
    attempts: list[int] = []

    async def sending(attempt: int) -> None:
        attempts.append(attempt)

    result = await machine.actions.call("change_me", {}, sending=sending)

    assert (result.ok, attempts) == (True, [1, 2])
    assert machine.service.calls[1:] == [
        f"Bearer {machine.service.issued[0]}",
        f"Bearer {machine.service.issued[1]}",
    ]


async def test_a_service_that_refuses_every_token_is_asked_twice_and_no_more(
    machine: World, tmp_path: Path
) -> None:
    machine.service.planned["/token"] = [
        JSONResponse({"access_token": f"at-of-nobody-{number}", "token_type": "bearer"}) for number in range(9)
    ]

    result = await machine.call()

    assert (result.status, result.ok) == (401, False)
    assert len(machine.service.calls) == 2
    assert "at-of-nobody" not in result.text
    assert "[secret]" in result.text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (JSONResponse({"access_token": "t" * 20}, status_code=500), "answered with status 500"),
        (JSONResponse(["x"]), "nothing that can be used"),
        (Response("access_token=" + "t" * 20), "nothing that can be used"),
        (Response(b"x" * 100_000), "nothing that can be used"),
        (JSONResponse({"token_type": "bearer"}), "no access token that can be used"),
        (
            JSONResponse({"access_token": "two\r\nlines", "token_type": "bearer"}),
            "no access token that can be used",
        ),
        (JSONResponse({"access_token": "t" * 20, "token_type": "mac"}), "no bearer token"),
        (JSONResponse({"error": "invalid_client"}, status_code=401), "administrator must correct"),
        (
            JSONResponse({"error": "invalid_scope", "error_description": CLIENT_SECRET}, status_code=400),
            "invalid_scope",
        ),
        (JSONResponse({"error": f"no {CLIENT_SECRET}"}), "an unknown error"),
        (JSONResponse({"error": "slow_down", "access_token": "t" * 20}), "slow_down"),
        (RedirectResponse("/me", status_code=307), "answered with status 307"),
    ],
)
async def test_an_answer_of_the_token_endpoint_that_cannot_be_used_is_told_in_words_without_secrets(
    machine: World, answer: Response, said: str
) -> None:
    machine.service.planned["/token"] = [answer]

    with pytest.raises(SignInFailed, match=said) as raised:
        await machine.call()

    assert machine.service.calls == []
    assert not {CLIENT_SECRET, "t" * 20} & set(str(raised.value).split())
    assert "shh:" not in str(raised.value)
    assert (await machine.call()).ok


@pytest.mark.parametrize("expires_in", ["600", 600.5])
async def test_an_end_written_as_text_or_fraction_is_understood(machine: World, expires_in: object) -> None:
    machine.service.lifetime = expires_in  # type: ignore[assignment]  # as services write it
    await machine.call()
    machine.now += 599
    await machine.call()
    assert len(machine.forms("client_credentials")) == 2


async def test_a_token_endpoint_that_stays_silent_ends_in_words(machine: World) -> None:
    machine.service.delay = 30

    with pytest.raises(SignInFailed, match="does not answer"):
        await machine.call()


async def test_the_token_endpoint_is_reached_through_the_network_guard(
    service: OAuthService, tmp_path: Path
) -> None:
    with running_crm() as api:
        secret = secret_of(
            service.fields("oauth2_client_credentials", hosts=[api.host], oauth_hosts=[service.host])
        )
        config = ActionConfig(document=write(tmp_path, ME), server=api.url, secret="app")

        with pytest.raises(SecretRefused, match="unencrypted to '127"):
            ActionSet.load(
                [config],
                root=tmp_path,
                grants=NetworkGrants.parse([api.host]),
                secrets=Secrets({"app": secret}),
                persona=CLERK,
            )
        assert service.forms == {}

    async def resolver(host: str, port: int) -> list[str]:
        return ["169.254.169.254"]

    https = secret_of(
        service.fields(
            "oauth2_client_credentials", token_url="https://login.example/t", oauth_hosts=["login.example"]
        )
    )
    client = OAuthClient(NetworkGrants(), lambda: 0.0, resolver=resolver)
    with pytest.raises(SignInFailed, match="metadata"):
        await client.client_grant(https)  # type: ignore[arg-type]  # of this kind
    await client.aclose()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"token_url": "https://login.example/token"}, "host that neither `hosts` nor `oauth_hosts` lists"),
        ({"token_url": "https://u:p@127.0.0.1/token"}, "no plain"),
        ({"token_url": "ftp://127.0.0.1/token"}, "no plain"),
        ({"revocation_url": "https://login.example/r"}, "`revocation_url` is at a host"),
        ({"authorization_url": "https://login.example/a"}, "`authorization_url` is at a host"),
        ({"client_auth": "none"}, "goes with every `client_auth` but `none`"),
        ({"client_auth": "basic_plain"}, "with a colon"),
        ({"client_secret": None}, "goes with every `client_auth` but `none`"),
        ({"parameters": {"redirect_uri": "https://evil.example"}}, "may not replace"),
        ({"scopes": ["a b"]}, "one word"),
    ],
)
def test_an_app_that_could_send_its_secret_elsewhere_is_refused(
    service: OAuthService, tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(json.dumps({"app": service.fields("oauth2_authorization_code") | change}))

    with pytest.raises(InvalidRequest, match=problem) as raised:
        Secrets.read(path)

    assert CLIENT_SECRET not in str(raised.value)

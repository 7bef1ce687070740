"""How a call reaches the world: one small protocol, so that nobody asks of which kind an operation is."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import httpx

from actions.connects import Connect
from actions.credentials import NO_CREDENTIALS
from actions.delivery import Delivery, Terms
from actions.errors import ArgumentsInvalid
from actions.json_value import JsonObject
from actions.keyring import Keyring, SecretUse
from actions.mcp.offering import McpTool
from actions.mcp.toolbox import Toolbox
from actions.operation import SAFE, Operation, Place
from actions.order import Order
from actions.request import PreparedRequest, prepare
from actions.result import ActionResult
from actions.template import Circumstances, fill, names_caller
from core.clock import Clock
from core.ids import PersonaId, PrincipalId

_IN_THE_URL = (Place.PATH, Place.QUERY)

_IDEMPOTENCY_HEADER = "Idempotency-Key"  # draft-ietf-httpapi-idempotency-key-header


class Road(Protocol):
    """Carries out the calls of one operation. Whoever calls is None where nobody does."""

    def check(self, arguments: JsonObject, caller: PrincipalId | None) -> None:
        """Check that arguments which fit the schema can stand where they belong.

        Raises:
            ArgumentsInvalid: they cannot.
        """
        ...

    def effect(self, arguments: JsonObject, caller: PrincipalId | None) -> str:
        """Say what a call does, without secrets.

        Raises:
            ArgumentsInvalid: see `check`.
        """
        ...

    def prepare(self, arguments: JsonObject, caller: PrincipalId | None) -> PreparedRequest:
        """Return the request of a call, without secrets.

        Raises:
            ArgumentsInvalid: see `check`.
        """
        ...

    async def connect_first(self, principal: PrincipalId | None) -> Connect | None:
        """Return what `principal` must connect before a call can be made; None where nothing is missing.

        Raises:
            ConnectionNeeded: nothing can be connected here.
            SecretRefused: a secret may not be used here.
        """
        ...

    async def call(self, arguments: JsonObject, order: Order) -> ActionResult:
        """Make a call; whatever the network or the service does becomes a result.

        Raises:
            ArgumentsInvalid: see `check`.
            ConnectionNeeded: the principal has not connected an account, or the connection has ended.
            SecretRefused: a secret may not be used here.
            SignInFailed: no token could be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpRoad:
    """An operation of a document, sent as an HTTP request."""

    operation: Operation
    persona: PersonaId
    delivery: Delivery
    keyring: Keyring
    clock: Clock

    def __post_init__(self) -> None:
        """Check that the operation's secret may be used."""
        if (use := self._secret_use(None)) is not None:
            self.keyring.check(use)

    def check(self, arguments: JsonObject, caller: PrincipalId | None) -> None:
        """See `Road`."""
        if self.operation.composition is None:
            prepare(self.operation, arguments)
        elif caller is not None or not names_caller(dict(self.operation.fixed)):
            self.prepare(arguments, caller)

    def effect(self, arguments: JsonObject, caller: PrincipalId | None) -> str:
        """See `Road`: method and URL, and what the persona adds elsewhere."""
        prepared = self.prepare(arguments, caller)
        url_names = {one.argument for one in self.operation.bindings if one.place in _IN_THE_URL}
        added = {key: one for key, one in self._fixed(caller).items() if key not in url_names}
        more = f" with {json.dumps(added, ensure_ascii=False)}" if added else ""
        return f"{prepared.method} {prepared.url}{more}"

    def prepare(self, arguments: JsonObject, caller: PrincipalId | None) -> PreparedRequest:
        """See `Road`: what the persona fixes is in it."""
        written = {**arguments, **self._fixed(caller)}
        if self.operation.composition is not None:
            written = self.operation.composition.compose(written, self.clock())
        return prepare(self.operation, written)

    async def connect_first(self, principal: PrincipalId | None) -> Connect | None:
        """See `Road`."""
        use = self._secret_use(principal)
        return None if use is None else await self.keyring.missing(use)

    async def call(self, arguments: JsonObject, order: Order) -> ActionResult:
        """See `Road`. Where the service refuses a token (401), it is renewed and the call made once more."""
        operation, key = self.operation, order.idempotency_key
        prepared = self.prepare(arguments, order.caller)
        if key is not None and operation.method not in SAFE:
            prepared.headers[operation.idempotency_header or _IDEMPOTENCY_HEADER] = key
        repeatable = operation.repeatable and (key is not None or operation.idempotent)
        terms = Terms(repeatable, order.until, order.sending, operation.reading)
        use = self._secret_use(order.principal)
        if use is None:
            return await self.delivery.deliver(prepared, NO_CREDENTIALS, terms)
        renew = partial(self.keyring.renewed, use)
        return await self.delivery.deliver(prepared, await self.keyring.credentials(use), terms, renew)

    def _fixed(self, caller: PrincipalId | None) -> JsonObject:
        """Return the fixed arguments for this call.

        Raises:
            ArgumentsInvalid: they name the caller, and nobody calls.
        """
        fixed = dict(self.operation.fixed)
        if not fixed:
            return {}
        if caller is None and names_caller(fixed):
            raise ArgumentsInvalid(f"The action {self.operation.name!r} is only made for somebody who asks.")
        today = datetime.fromtimestamp(self.clock(), UTC).date()
        return fill(fixed, Circumstances(caller or "", self.persona, today))

    def _secret_use(self, principal: PrincipalId | None) -> SecretUse | None:
        if self.operation.secret is None:
            return None
        return SecretUse(self.operation.secret, self.persona, httpx.URL(self.operation.server), principal)


@dataclass(frozen=True, slots=True)
class McpRoad:
    """A tool of an MCP server: sent once, since the protocol knows no idempotency key."""

    tool: McpTool
    persona: PersonaId
    delivery: Delivery
    toolbox: Toolbox

    def check(self, arguments: JsonObject, caller: PrincipalId | None) -> None:
        """See `Road`: whatever fits the schema can be sent."""

    def effect(self, arguments: JsonObject, caller: PrincipalId | None) -> str:
        """See `Road`: server, tool, and the hash of what was accepted."""
        return f"{self.tool.address} ({self.tool.definition.digest[:12]})"

    def prepare(self, arguments: JsonObject, caller: PrincipalId | None) -> PreparedRequest:
        """See `Road`: what the protocol's client sends within a session of its own."""
        params = {"name": self.tool.definition.name, "arguments": arguments}
        message = {"jsonrpc": "2.0", "method": "tools/call", "params": params}
        headers = {"Content-Type": "application/json"}
        return PreparedRequest("POST", httpx.URL(self.tool.url), headers, json.dumps(message).encode())

    async def connect_first(self, principal: PrincipalId | None) -> Connect | None:
        """See `Road`: its secrets are nobody's account."""
        return None

    async def call(self, arguments: JsonObject, order: Order) -> ActionResult:
        """See `Road`."""

        async def send(seconds: float) -> ActionResult:
            return await self.toolbox.call(self.tool, self.persona, arguments, seconds)

        terms = Terms(until=order.until, sending=order.sending, seconds=self.tool.seconds)
        return await self.delivery.carry(httpx.URL(self.tool.url), send, terms)

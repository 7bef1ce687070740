"""What one persona may call: its operations, checked arguments, calls. The face of the feature."""

import copy
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio

from actions.addresses import NetworkGrants
from actions.config import ActionConfig, McpConfig
from actions.connects import Connect
from actions.delivery import Delivery, Sending, unwatched
from actions.documents import Documents
from actions.errors import ArgumentsInvalid, DocumentInvalid
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.hosts import Hosts
from actions.json_value import JsonObject
from actions.keyring import Keyring
from actions.mcp.toolbox import Toolbox
from actions.oauth import OAuthClient
from actions.operation import Offered, SkippedOperation
from actions.order import Order
from actions.pauses import Pauses
from actions.request import PreparedRequest
from actions.result import ActionResult
from actions.road import HttpRoad, McpRoad, Road
from actions.sender import TIME_LIMIT_SECONDS, Sender
from actions.validation import validate_arguments
from actions.vault import Secrets
from core.clock import Clock, system_clock
from core.ids import PersonaId, PrincipalId


class ActionSet:
    """The operations of one persona.

    Attributes:
        operations: what may be called, in the order of the persona file.
        skipped: what the documents and servers hold and is not offered, with reasons.
        notices: what an operator should decide about the documents.
        notes: sentences for the model about tools that are away.
    """

    def __init__(
        self,
        roads: Sequence[tuple[Offered, Road]],
        *,
        persona: PersonaId,
        sender: Sender,
        skipped: Sequence[SkippedOperation] = (),
        notices: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.operations = tuple(offered for offered, _ in roads)
        self.skipped = tuple(skipped)
        self.notices = tuple(notices)
        self.notes = tuple(notes)
        self._caller: PrincipalId | None = None
        self._sender = sender
        self._by_name = {offered.name: (offered, road) for offered, road in roads}
        for name, count in Counter(operation.name for operation in self.operations).items():
            if count > 1:
                raise DocumentInvalid(
                    f"The persona {str(persona)!r} has two operations named {name!r}. "
                    "Give one of them another `name:`."
                )

    @classmethod
    def load(
        cls,
        configs: Sequence[ActionConfig | McpConfig],
        *,
        root: Path,
        grants: NetworkGrants,
        secrets: Secrets,
        persona: PersonaId,
        keyring: Keyring | None = None,
        resolver: Resolver = system_resolver,
        time_limit: float = TIME_LIMIT_SECONDS,
        documents: Documents | None = None,
        clock: Clock = system_clock,
        hosts: Hosts | None = None,
        pauses: Pauses | None = None,
        toolbox: Toolbox | None = None,
    ) -> "ActionSet":
        """Read the documents of a persona, and what was accepted of its MCP servers.

        Blocks; call it in a worker thread.

        Args:
            configs: the `actions` of the persona.
            root: where paths of documents start.
            grants: private hosts that may be reached.
            secrets: those of the server.
            persona: whose operations they are.
            keyring: hands the secrets out; by default one for this persona alone, without accounts of callers.
            resolver: the look-up of host names.
            time_limit: seconds for one call, further attempts included.
            documents: what was read and accepted before; absent: nothing, and nothing is kept.
            clock: tells templates the day.
            hosts: the hosts and their limits, which personas share.
            pauses: between the attempts of a call.
            toolbox: the MCP servers; absent: there are none.

        Raises:
            DocumentInvalid: a document or a tool cannot be used.
            AddressRefused: a document's URL may not be reached.
            SecretRefused: a secret is not bound to the persona or to the server of an operation.
        """
        sender = Sender(GuardedTransport(grants, resolver=resolver), secrets, time_limit=time_limit)

        def fetch(url: str) -> str:
            with ThreadPoolExecutor(1) as thread:  # whoever loads may have an event loop in this one
                return thread.submit(anyio.run, sender.fetch, url).result()

        source, boxed = documents or Documents(root), toolbox or Toolbox.empty()
        delivery = Delivery(sender, hosts or Hosts(), time_limit=time_limit, pauses=pauses)
        keys = keyring or Keyring(secrets, grants, OAuthClient(grants, clock, resolver=resolver))
        roads: list[tuple[Offered, Road]] = []
        skipped: list[SkippedOperation] = []
        notices: list[str] = []
        notes: list[str] = []
        for config in configs:
            if isinstance(config, McpConfig):
                tools, left_out, away = boxed.tools(config, persona)
                roads += [(one, McpRoad(one, persona, delivery, boxed)) for one in tools]
                notes += away
                skipped += left_out
            else:
                found = source.load(config, fetch)
                roads += [(one, HttpRoad(one, persona, delivery, keys, clock)) for one in found.operations]
                notices += found.notices
                skipped += found.skipped
        return cls(roads, persona=persona, sender=sender, skipped=skipped, notices=notices, notes=notes)

    def for_caller(self, principal: PrincipalId) -> "ActionSet":
        """Return this set as `principal` calls it: whom templates of fixed arguments name."""
        mine = copy.copy(self)
        mine._caller = principal
        return mine

    def get(self, name: str) -> Offered:
        """Return the operation `name`.

        Raises:
            ArgumentsInvalid: there is none.
        """
        return self._found(name)[0]

    def tools(self) -> list[JsonObject]:
        """Return the operations as OpenAI function tools."""
        return [
            {
                "type": "function",
                "function": {
                    "name": operation.name,
                    "description": operation.description,
                    "parameters": operation.parameters,
                },
            }
            for operation in self.operations
        ]

    def validate(self, name: str, arguments_json: str) -> JsonObject:
        """Return the checked arguments for `name`.

        Raises:
            ArgumentsInvalid: they do not fit; the message is for the model.
        """
        operation, road = self._found(name)
        arguments = validate_arguments(operation, arguments_json)
        road.check(arguments, self._caller)
        return arguments

    def effect(self, name: str, arguments: JsonObject) -> str:
        """Say what a call does, without secrets: method, URL and what the persona adds, or server and tool.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
        """
        return self._found(name)[1].effect(arguments, self._caller)

    def prepare(self, name: str, arguments: JsonObject) -> PreparedRequest:
        """Return the request of a call with checked arguments and what the persona fixes, without secrets.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
        """
        return self._found(name)[1].prepare(arguments, self._caller)

    async def connect_first(self, name: str, principal: PrincipalId | None) -> Connect | None:
        """Return what `principal` must connect before the operation can be called; None where nothing is missing.

        Raises:
            ArgumentsInvalid: there is no such operation.
            ConnectionNeeded: nothing can be connected here.
            SecretRefused: the operation's secret may not be used here.
        """
        return await self._found(name)[1].connect_first(principal)

    async def call(
        self,
        name: str,
        arguments: JsonObject,
        *,
        idempotency_key: str | None = None,
        principal: PrincipalId | None = None,
        until: float | None = None,
        sending: Sending = unwatched,
    ) -> ActionResult:
        """Call the operation with arguments that `validate` returned.

        Whatever the network or the service does becomes a result; approval is the caller's business.

        Args:
            name: the operation.
            arguments: as `validate` returned them.
            idempotency_key: the same for every try of this call, and for no other call.
            principal: whose account at the service is used, where the secret is one of each caller's.
            until: monotonic time at which it must have ended.
            sending: told before each attempt; what it raises keeps the call from being sent.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
            ConnectionNeeded: the principal has not connected an account, or the connection has ended.
            SecretRefused: the operation's secret may not be used here.
            SignInFailed: no token could be had.
        """
        order = Order(self._caller, principal, idempotency_key, until, sending)
        return await self._found(name)[1].call(arguments, order)

    async def aclose(self) -> None:
        """Close the client."""
        await self._sender.aclose()

    def _found(self, name: str) -> tuple[Offered, Road]:
        found = self._by_name.get(name)
        if found is None:
            raise ArgumentsInvalid(f"There is no action {name!r}. Choose one of: {', '.join(self._by_name)}.")
        return found

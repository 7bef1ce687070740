"""What one persona may call: its operations, checked arguments, calls. The face of the feature."""

import copy
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx

from actions.addresses import NetworkGrants
from actions.config import ActionConfig
from actions.connects import Connect
from actions.credentials import NO_CREDENTIALS
from actions.delivery import Delivery, Sending, Terms, unwatched
from actions.documents import Documents
from actions.errors import ArgumentsInvalid, DocumentInvalid
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.hosts import Hosts
from actions.json_value import JsonObject
from actions.keyring import Keyring, SecretUse
from actions.oauth import OAuthClient
from actions.operation import IDEMPOTENT, SAFE, Operation, Place, SkippedOperation
from actions.pauses import Pauses
from actions.request import PreparedRequest, prepare
from actions.result import ActionResult
from actions.sender import TIME_LIMIT_SECONDS, Sender
from actions.template import Circumstances, fill, names_caller
from actions.validation import validate_arguments
from actions.vault import Secrets
from core.clock import Clock, system_clock
from core.ids import PersonaId, PrincipalId

_IN_THE_URL = (Place.PATH, Place.QUERY)

_IDEMPOTENCY_HEADER = "Idempotency-Key"  # draft-ietf-httpapi-idempotency-key-header


class ActionSet:
    """The operations of one persona.

    Attributes:
        operations: what may be called, in the order of the persona file.
        skipped: what the documents hold and is not offered, with reasons.
        notices: what an operator should decide about the documents.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        *,
        persona: PersonaId,
        sender: Sender,
        delivery: Delivery,
        keyring: Keyring,
        skipped: Sequence[SkippedOperation] = (),
        notices: Sequence[str] = (),
        clock: Clock = system_clock,
    ) -> None:
        self.operations = tuple(operations)
        self.skipped = tuple(skipped)
        self.notices = tuple(notices)
        self._clock = clock
        self._principal: PrincipalId | None = None
        self._persona = persona
        self._sender = sender
        self._delivery = delivery
        self._keyring = keyring
        self._by_name = {operation.name: operation for operation in self.operations}
        for name, count in Counter(operation.name for operation in self.operations).items():
            if count > 1:
                raise DocumentInvalid(
                    f"The persona {str(persona)!r} has two operations named {name!r}. "
                    "Give one of them another `name:`."
                )
        for operation in self.operations:
            if (use := self._secret_use(operation)) is not None:
                keyring.check(use)

    @classmethod
    def load(
        cls,
        configs: Sequence[ActionConfig],
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
    ) -> "ActionSet":
        """Read the documents of a persona. Blocks; call it in a worker thread.

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

        Raises:
            DocumentInvalid: a document cannot be used.
            AddressRefused: a document's URL may not be reached.
            SecretRefused: a secret is not bound to the persona or to the server of an operation.
        """
        sender = Sender(GuardedTransport(grants, resolver=resolver), secrets, time_limit=time_limit)

        def fetch(url: str) -> str:
            with ThreadPoolExecutor(1) as thread:  # whoever loads may have an event loop in this one
                return thread.submit(anyio.run, sender.fetch, url).result()

        source = documents or Documents(root)
        imported = [source.load(config, fetch) for config in configs]
        return cls(
            [operation for one in imported for operation in one.operations],
            persona=persona,
            sender=sender,
            delivery=Delivery(sender, hosts or Hosts(), time_limit=time_limit, pauses=pauses),
            keyring=keyring or Keyring(secrets, grants, OAuthClient(grants, clock, resolver=resolver)),
            skipped=[skipped for one in imported for skipped in one.skipped],
            notices=[notice for one in imported for notice in one.notices],
            clock=clock,
        )

    def for_caller(self, principal: PrincipalId) -> "ActionSet":
        """Return this set as `principal` calls it: whom templates of fixed arguments name."""
        mine = copy.copy(self)
        mine._principal = principal
        return mine

    def get(self, name: str) -> Operation:
        """Return the operation `name`.

        Raises:
            ArgumentsInvalid: there is none.
        """
        operation = self._by_name.get(name)
        if operation is None:
            raise ArgumentsInvalid(f"There is no action {name!r}. Choose one of: {', '.join(self._by_name)}.")
        return operation

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
        operation = self.get(name)
        arguments = validate_arguments(operation, arguments_json)
        if operation.composition is None:
            prepare(operation, arguments)
        elif self._principal is not None or not names_caller(dict(operation.fixed)):
            self.prepare(name, arguments)
        return arguments

    def effect(self, name: str, arguments: JsonObject) -> str:
        """Say what a call does: method and URL, and what the persona adds elsewhere; without secrets.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
        """
        operation = self.get(name)
        prepared = self.prepare(name, arguments)
        url_names = {one.argument for one in operation.bindings if one.place in _IN_THE_URL}
        added = {key: one for key, one in self._fixed(operation).items() if key not in url_names}
        more = f" with {json.dumps(added, ensure_ascii=False)}" if added else ""
        return f"{prepared.method} {prepared.url}{more}"

    def prepare(self, name: str, arguments: JsonObject) -> PreparedRequest:
        """Return the request of a call with checked arguments and what the persona fixes, without secrets.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
        """
        operation = self.get(name)
        written = {**arguments, **self._fixed(operation)}
        if operation.composition is not None:
            written = operation.composition.compose(written, self._clock())
        return prepare(operation, written)

    async def connect_first(self, name: str, principal: PrincipalId | None) -> Connect | None:
        """Return what `principal` must connect before the operation can be called; None where nothing is missing.

        Raises:
            ArgumentsInvalid: there is no such operation.
            ConnectionNeeded: nothing can be connected here.
            SecretRefused: the operation's secret may not be used here.
        """
        use = self._secret_use(self.get(name), principal)
        return None if use is None else await self._keyring.missing(use)

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

        Whatever the network or the service does becomes a result; approval is the caller's business. Where the
        service refuses a token (401), it is renewed and the call made once more.

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
        operation = self.get(name)
        prepared = self.prepare(name, arguments)
        if idempotency_key is not None and operation.method not in SAFE:
            prepared.headers[operation.idempotency_header or _IDEMPOTENCY_HEADER] = idempotency_key
        repeatable = operation.repeatable and (idempotency_key is not None or operation.method in IDEMPOTENT)
        terms = Terms(repeatable, until, sending, operation.reading)
        use = self._secret_use(operation, principal)
        if use is None:
            return await self._delivery.deliver(prepared, NO_CREDENTIALS, terms)
        credentials = await self._keyring.credentials(use)
        result = await self._delivery.deliver(prepared, credentials, terms)
        if result.status != httpx.codes.UNAUTHORIZED:
            return result
        renewed = await self._keyring.renewed(use, credentials)
        return result if renewed is None else await self._delivery.deliver(prepared, renewed, terms)

    async def aclose(self) -> None:
        """Close the client."""
        await self._sender.aclose()

    def _fixed(self, operation: Operation) -> JsonObject:
        """Return the fixed arguments for this call.

        Raises:
            ArgumentsInvalid: they name the caller, and nobody calls.
        """
        if not operation.fixed:
            return {}
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        fixed = dict(operation.fixed)
        if self._principal is None and names_caller(fixed):
            raise ArgumentsInvalid(f"The action {operation.name!r} is only made for somebody who asks.")
        return fill(fixed, Circumstances(self._principal or "", self._persona, today))

    def _secret_use(self, operation: Operation, principal: PrincipalId | None = None) -> SecretUse | None:
        if operation.secret is None:
            return None
        return SecretUse(operation.secret, self._persona, httpx.URL(operation.server), principal)

"""What one persona may call: its operations, checked arguments, calls. The face of the feature."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import httpx

from actions.addresses import NetworkGrants
from actions.config import ActionConfig
from actions.connects import Connect
from actions.credentials import NO_CREDENTIALS
from actions.document import load_document
from actions.errors import ArgumentsInvalid, DocumentInvalid
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.importer import read_operations
from actions.json_value import JsonObject
from actions.keyring import Keyring, SecretUse
from actions.oauth import OAuthClient
from actions.operation import Operation, SkippedOperation
from actions.request import prepare
from actions.result import ActionResult
from actions.sender import TIME_LIMIT_SECONDS, Sender
from actions.validation import validate_arguments
from actions.vault import Secrets
from core.clock import system_clock
from core.ids import PersonaId, PrincipalId


class ActionSet:
    """The operations of one persona.

    Attributes:
        operations: what may be called, in the order of the persona file.
        skipped: what the documents hold and cannot be offered, with reasons.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        *,
        persona: PersonaId,
        sender: Sender,
        keyring: Keyring,
        skipped: Sequence[SkippedOperation] = (),
    ) -> None:
        self.operations = tuple(operations)
        self.skipped = tuple(skipped)
        self._persona = persona
        self._sender = sender
        self._keyring = keyring
        self._by_name = {operation.name: operation for operation in self.operations}
        for operation in self.operations:
            if self._by_name[operation.name] is not operation:
                raise DocumentInvalid(
                    f"The persona {str(persona)!r} has two operations named {operation.name!r}. "
                    "Give one of them another `name:`."
                )
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
    ) -> "ActionSet":
        """Read the documents of a persona. Blocks; call it in a worker thread.

        Args:
            configs: the documents, and what is taken of each.
            root: where their paths start.
            grants: private hosts that the settings allow.
            secrets: the server's secrets.
            persona: whose operations they are.
            keyring: hands the secrets out; by default one for this persona alone, without accounts of callers.
            resolver: the guard's look-up, replaceable in tests.
            time_limit: seconds for one call.

        Raises:
            DocumentInvalid: a document cannot be used.
            AddressRefused: a document's URL may not be reached.
            SecretRefused: a secret is not bound to the persona or to the server of an operation.
        """
        sender = Sender(GuardedTransport(grants, resolver=resolver), secrets, time_limit=time_limit)

        def fetch(url: str) -> str:
            return anyio.run(sender.fetch, url)

        operations: list[Operation] = []
        skipped: list[SkippedOperation] = []
        for config in configs:
            offered, left_out = read_operations(load_document(config.document, root=root, fetch=fetch), config)
            operations.extend(offered)
            skipped.extend(left_out)
        if keyring is None:
            keyring = Keyring(secrets, grants, OAuthClient(grants, system_clock, resolver=resolver))
        return cls(operations, persona=persona, sender=sender, keyring=keyring, skipped=skipped)

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
        prepare(operation, arguments)
        return arguments

    def effect(self, name: str, arguments: JsonObject) -> str:
        """Say what a call does: method and URL, without secrets.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
        """
        prepared = prepare(self.get(name), arguments)
        return f"{prepared.method} {prepared.url}"

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
    ) -> ActionResult:
        """Call the operation with arguments that `validate` returned.

        Whatever the network or the service does becomes a result; approval is the caller's business. Where the
        service refuses a token (401), it is renewed and the call made once more.

        Args:
            name: of the operation.
            arguments: checked ones.
            idempotency_key: sent along with everything but reading.
            principal: in whose name.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
            ConnectionNeeded: the principal has not connected an account, or the connection has ended.
            SecretRefused: the operation's secret may not be used here.
            SignInFailed: no token could be had.
        """
        operation = self.get(name)
        prepared = prepare(operation, arguments)
        if idempotency_key is not None and operation.method != "GET":
            prepared.headers["Idempotency-Key"] = idempotency_key
        use = self._secret_use(operation, principal)
        if use is None:
            return await self._sender.send(prepared, NO_CREDENTIALS)
        credentials = await self._keyring.credentials(use)
        result = await self._sender.send(prepared, credentials)
        if result.status != httpx.codes.UNAUTHORIZED:
            return result
        renewed = await self._keyring.renewed(use, credentials)
        return result if renewed is None else await self._sender.send(prepared, renewed)

    async def aclose(self) -> None:
        """Close the client."""
        await self._sender.aclose()

    def _secret_use(self, operation: Operation, principal: PrincipalId | None = None) -> SecretUse | None:
        if operation.secret is None:
            return None
        return SecretUse(operation.secret, self._persona, httpx.URL(operation.server), principal)

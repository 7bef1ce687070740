"""What one persona may call: its operations, checked arguments, calls. The face of the feature."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import httpx

from actions.addresses import NetworkGrants
from actions.config import ActionConfig
from actions.document import load_document
from actions.errors import ArgumentsInvalid, DocumentInvalid
from actions.guard import GuardedTransport, Resolver, system_resolver
from actions.importer import read_operations
from actions.json_value import JsonObject
from actions.operation import Operation, SkippedOperation
from actions.request import prepare
from actions.result import ActionResult
from actions.sender import TIME_LIMIT_SECONDS, Sender
from actions.validation import validate_arguments
from actions.vault import Secrets
from core.ids import PersonaId


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
        grants: NetworkGrants,
        secrets: Secrets,
        skipped: Sequence[SkippedOperation] = (),
    ) -> None:
        self.operations = tuple(operations)
        self.skipped = tuple(skipped)
        self._persona = persona
        self._sender = sender
        self._grants = grants
        self._secrets = secrets
        self._by_name = {operation.name: operation for operation in self.operations}
        for operation in self.operations:
            if self._by_name[operation.name] is not operation:
                raise DocumentInvalid(
                    f"The persona {str(persona)!r} has two operations named {operation.name!r}. "
                    "Give one of them another `name:`."
                )
            self._secret_headers(operation)

    @classmethod
    def load(
        cls,
        configs: Sequence[ActionConfig],
        *,
        root: Path,
        grants: NetworkGrants,
        secrets: Secrets,
        persona: PersonaId,
        resolver: Resolver = system_resolver,
        time_limit: float = TIME_LIMIT_SECONDS,
    ) -> "ActionSet":
        """Read the documents of a persona. Blocks; call it in a worker thread.

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
        return cls(operations, persona=persona, sender=sender, grants=grants, secrets=secrets, skipped=skipped)

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

    async def call(self, name: str, arguments: JsonObject, *, idempotency_key: str | None = None) -> ActionResult:
        """Call the operation with arguments that `validate` returned.

        Whatever the network or the service does becomes a result; approval is the caller's business.

        Raises:
            ArgumentsInvalid: the arguments do not fit.
            SecretRefused: the operation's secret may not be used here.
        """
        operation = self.get(name)
        prepared = prepare(operation, arguments)
        if idempotency_key is not None and operation.method != "GET":
            prepared.headers["Idempotency-Key"] = idempotency_key
        return await self._sender.send(prepared, self._secret_headers(operation))

    async def aclose(self) -> None:
        """Close the client."""
        await self._sender.aclose()

    def _secret_headers(self, operation: Operation) -> dict[str, str]:
        if operation.secret is None:
            return {}
        return self._secrets.headers(operation.secret, self._persona, httpx.URL(operation.server), self._grants)

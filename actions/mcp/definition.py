"""One tool as its server describes it, and the hash by which a change of it is known. Pure."""

import hashlib
import json
from dataclasses import dataclass

from actions.json_value import JsonObject


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool. All of it comes from outside and is untrusted.

    Attributes:
        schema: JSON Schema of the arguments, as the server wrote it.
        annotations: what the server says of the tool's harmlessness. Kept for its hash, never believed.
    """

    name: str
    title: str
    description: str
    schema: JsonObject
    annotations: JsonObject

    @property
    def digest(self) -> str:
        """SHA-256 over everything that a model or a person would judge the tool by."""
        canonical = json.dumps(self.plain(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()

    def plain(self) -> JsonObject:
        """Return the definition as JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "schema": self.schema,
            "annotations": self.annotations,
        }

    @classmethod
    def of(cls, plain: JsonObject) -> "ToolDefinition":
        """Read what `plain` wrote."""
        schema, annotations = plain.get("schema"), plain.get("annotations")
        return cls(
            str(plain["name"]),
            str(plain.get("title", "")),
            str(plain.get("description", "")),
            schema if isinstance(schema, dict) else {},
            annotations if isinstance(annotations, dict) else {},
        )

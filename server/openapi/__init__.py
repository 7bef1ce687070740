"""Our HTTP surface as an OpenAPI document, for people, generators and fuzzers. Never part of a request's work."""

from server.openapi.document import document_of

__all__ = ["document_of"]

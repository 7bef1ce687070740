"""Why an adapter is not taken in: each code stands for one thing that the engine cannot or must not serve."""

from core.errors import InvalidRequest


class AdapterRefused(InvalidRequest):
    """The folder holds no adapter that this server can serve; `code` says why."""

    code = "adapter_refused"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, code=code, param="folder")

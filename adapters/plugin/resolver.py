"""Finds a registered adapter version for a name that vLLM does not know yet."""

from pathlib import Path

import anyio.to_thread
from vllm.logger import init_logger
from vllm.lora.request import LoRARequest
from vllm.lora.resolver import LoRAResolver

from adapters.manifest import verify_folder
from adapters.plugin.naming import version_folder
from core.errors import RepertoryError

logger = init_logger(f"vllm.{__name__}")


class RegistryResolver(LoRAResolver):  # type: ignore[misc]  # vLLM ships no types that mypy follows here
    """Serves every registered version whose files match its manifest, and nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def resolve_lora(self, base_model_name: str, lora_name: str) -> LoRARequest | None:
        """Return the request that loads `lora_name`, or None, which vLLM answers with 404."""
        folder = version_folder(self.root, lora_name)
        if folder is None:
            return None
        try:
            await anyio.to_thread.run_sync(verify_folder, folder)
        except (RepertoryError, OSError) as error:
            logger.warning("Adapter %r is not served: %s", lora_name, error)
            return None
        return LoRARequest(lora_name=lora_name, lora_int_id=1, lora_path=str(folder.resolve()))

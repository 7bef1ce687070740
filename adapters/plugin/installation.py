"""Puts the parts of the plug-in in place inside a vLLM process."""

from vllm import __version__ as vllm_version
from vllm.logger import init_logger
from vllm.lora.resolver import LoRAResolverRegistry
from vllm.platforms import current_platform

from adapters.plugin.environment import adapters_dir
from adapters.plugin.resolver import RegistryResolver

KNOWN_VERSIONS = ("0.32.",)
"""vLLM releases whose CPU LoRA path was read and tested; any other could leak between personas."""

OPERATORS = "adapters.plugin.operators.GroupedPunicaWrapper"

logger = init_logger(f"vllm.{__name__}")


def is_known(version: str) -> bool:
    """Tell whether the CPU operators fit this vLLM release."""
    return version.startswith(KNOWN_VERSIONS)


def install() -> None:
    """Register the resolver and, on CPU, replace vLLM's LoRA operators.

    vLLM's own CPU operators take the index -1 ("no adapter") for the last slot, so that a request to
    the base answers with another persona's weights. On a release that was not tested the resolver
    stays away: no adapter is served rather than the wrong one.
    """
    if current_platform.is_cpu() and not is_known(vllm_version):
        logger.error(
            "Repertory does not know the CPU LoRA path of vLLM %s (known: %s*). No adapter will be served, "
            "because answers could leak between personas. Install a known release.",
            vllm_version,
            "*, ".join(KNOWN_VERSIONS),
        )
        return
    if current_platform.is_cpu():
        type(current_platform).get_punica_wrapper = classmethod(lambda cls: OPERATORS)
    folder = adapters_dir()
    if folder is not None:
        LoRAResolverRegistry.register_resolver("repertory", RegistryResolver(folder))

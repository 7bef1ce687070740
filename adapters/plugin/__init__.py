"""The plug-in that vLLM loads: resolver, routes, and on CPU the LoRA operators.

The only package that imports vLLM. It runs inside vLLM's processes, never in the gateway; what it must
know comes from the variables in `adapters.plugin.environment`, which the engine driver sets.
"""


def register() -> None:
    """Entry point `vllm.general_plugins: repertory`; vLLM calls it once in each of its processes."""
    from adapters.plugin.installation import install  # vLLM is heavy and only there inside vLLM

    install()

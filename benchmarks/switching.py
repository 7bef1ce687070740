"""A vLLM worker that changes its LoRA operators while it runs, so that one server serves both arms.

For measurements only: with vLLM's own operators a request can answer with another persona's weights.
"""

from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

from adapters.plugin.operators import GroupedPunicaWrapper
from adapters.plugin.worker import AdapterWorker


class SwitchingWorker(AdapterWorker):
    """Named by `--worker-extension-cls` in place of the product's own."""

    def repertory_switch(self, operators: str) -> str:
        """Use `grouped` or `vllm` operators from the next step on; return what is in use."""
        adapters = self.model_runner.lora_manager._adapter_manager
        chosen = GroupedPunicaWrapper if operators == "grouped" else PunicaWrapperCPU
        for wrapper in adapters.punica_wrapper_mapping.values():
            wrapper.__class__ = chosen
        adapters._last_mapping = None  # the rows are mapped anew by the operators that will read the mapping
        return "grouped" if operators == "grouped" else "vllm"

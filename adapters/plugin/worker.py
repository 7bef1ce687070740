"""What the gateway may ask of a vLLM worker: which operators run and which adapters are resident."""

from typing import Any, TypedDict


class WorkerReport(TypedDict):
    """State of one worker.

    Attributes:
        operators: class name of the LoRA operators in use, `none` when LoRA is off.
        slots: adapter id of each slot of the running batch, None where a slot is free.
        resident: ids of the adapters in memory.
        pinned: ids that are never evicted.
    """

    operators: str
    slots: list[int | None]
    resident: list[int]
    pinned: list[int]


class AdapterWorker:
    """Mixed into vLLM's worker by `--worker-extension-cls`."""

    model_runner: Any  # vLLM's model runner; it ships no types that mypy follows here

    def repertory_report(self) -> WorkerReport:
        """Report the operators and the resident adapters."""
        manager = getattr(self.model_runner, "lora_manager", None)
        if manager is None:
            return WorkerReport(operators="none", slots=[], resident=[], pinned=[])
        adapters = manager._adapter_manager
        wrappers = {type(wrapper).__name__ for wrapper in adapters.punica_wrapper_mapping.values()}
        return WorkerReport(
            operators="+".join(sorted(wrappers)),
            slots=list(adapters.lora_index_to_id),
            resident=sorted(adapters.list_adapters()),
            pinned=sorted(adapters._registered_adapters.pinned_items),
        )

    def repertory_set_pinned(self, lora_id: int, pinned: bool) -> bool:
        """Keep an adapter in memory, or let it go; tell whether that could be done.

        Only memory is pinned, never a slot: a batch may need every slot, and vLLM's engine dies when it
        finds no slot to free. As many places as there are slots stay unpinned for the same reason.
        """
        manager = getattr(self.model_runner, "lora_manager", None)
        if manager is None:
            return False
        adapters = manager._adapter_manager
        cache = adapters._registered_adapters
        if not pinned:
            cache.pinned_items.discard(lora_id)
            return True
        room = adapters.capacity - adapters.lora_slots
        if lora_id not in cache or (lora_id not in cache.pinned_items and len(cache.pinned_items) >= room):
            return False
        cache.pin(lora_id)
        return True

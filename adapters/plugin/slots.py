"""Hearing of it when vLLM writes an adapter into a slot, so that what was packed of that slot is packed again.

Knows the one method through which vLLM's manager writes slots, and nothing of what is packed.
"""

from collections.abc import Callable
from typing import Any


def watch_slots(manager: Any) -> None:
    """Make the manager tell its wrappers when it has written an adapter into a slot."""
    original: Callable[[Any, int], bool] = manager.activate_adapter
    if getattr(original, "tells_wrappers", False):
        return

    def activate_adapter(self: Any, lora_id: int) -> bool:
        try:
            written = original(self, lora_id)
        except BaseException:
            # vLLM has counted it as active before it wrote the first layer; the next request would be served
            # from a slot that is half another adapter's.
            if lora_id in self.lora_index_to_id:
                tell(self, self.lora_index_to_id.index(lora_id))
                self.deactivate_adapter(lora_id)
            raise
        if written:
            tell(self, self.lora_index_to_id.index(lora_id))
        return written

    def tell(self: Any, slot: int) -> None:
        for wrapper in self.punica_wrapper_mapping.values():
            wrapper.slot_changed(slot)

    activate_adapter.tells_wrappers = True  # type: ignore[attr-defined]
    manager.activate_adapter = activate_adapter

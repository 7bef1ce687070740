"""What vLLM writes into a slot is heard of, also where it fails in the middle. The manager is a double."""

from typing import Any

import pytest

from adapters.plugin.slots import watch_slots


class Wrapper:
    def __init__(self) -> None:
        self.changed: list[int] = []

    def slot_changed(self, slot: int) -> None:
        self.changed.append(slot)


def new_manager() -> Any:
    """Return a manager that, as vLLM's, counts an adapter as active before it writes the layers."""

    class Manager:
        def __init__(self) -> None:
            self.lora_index_to_id: list[int | None] = [7, None]
            self.punica_wrapper_mapping = {"language_model": Wrapper()}
            self.breaks = False

        def activate_adapter(self, lora_id: int) -> bool:
            if lora_id in self.lora_index_to_id:
                return False
            self.lora_index_to_id[self.lora_index_to_id.index(None)] = lora_id
            if self.breaks:
                raise MemoryError("no room for this layer")
            return True

        def deactivate_adapter(self, lora_id: int) -> None:
            self.lora_index_to_id[self.lora_index_to_id.index(lora_id)] = None

    watch_slots(Manager)
    watch_slots(Manager)  # each wrapper asks for it, and it happens once
    return Manager()


def test_a_written_slot_is_told_once_and_one_that_was_there_is_not() -> None:
    manager = new_manager()
    assert manager.activate_adapter(9)
    assert not manager.activate_adapter(9)
    assert manager.punica_wrapper_mapping["language_model"].changed == [1]


def test_an_adapter_that_was_written_in_part_is_told_and_not_left_active() -> None:
    manager = new_manager()
    manager.breaks = True
    with pytest.raises(MemoryError):
        manager.activate_adapter(9)
    assert manager.punica_wrapper_mapping["language_model"].changed == [1]
    assert manager.lora_index_to_id == [7, None]
    manager.breaks = False
    assert manager.activate_adapter(9)

"""AdamW for bf16 weights that keeps an fp32 master of each, so that small steps are not rounded away."""

from collections.abc import Callable, Iterable

import torch


class MasterAdamW(torch.optim.AdamW):
    """AdamW over fp32 copies of `parameters`; after each step the copies are rounded back into them."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], *, lr: float) -> None:
        self._rounded = list(parameters)
        self._masters = [parameter.detach().float().clone() for parameter in self._rounded]
        super().__init__(self._masters, lr=lr, weight_decay=0.0)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move the masters by the gradients of the rounded weights."""
        for rounded, master in zip(self._rounded, self._masters, strict=True):
            master.grad = None if rounded.grad is None else rounded.grad.float()
        super().step(closure)
        for rounded, master in zip(self._rounded, self._masters, strict=True):
            rounded.copy_(master)
            master.grad = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the rounded weights."""
        for rounded in self._rounded:
            rounded.grad = None

    def state_dict(self) -> dict[str, object]:
        """Return the state with the masters, so that a resumed run goes on bit by bit."""
        return {**super().state_dict(), "masters": [master.clone() for master in self._masters]}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take up a state that `state_dict` returned."""
        state = dict(state_dict)
        masters = state.pop("masters")
        if not isinstance(masters, list):
            raise TypeError("The optimizer state holds no master weights.")
        super().load_state_dict(state)
        with torch.no_grad():
            for master, saved in zip(self._masters, masters, strict=True):
                master.copy_(saved)

"""Data sets, training, the registry of adapter versions, and the plug-in that vLLM loads.

What is handed on here is loaded when it is first asked for: the trainer, the check of uploads and the plug-in are
processes of their own that need no database.
"""

from typing import TYPE_CHECKING

from core.on_demand import on_demand

if TYPE_CHECKING:
    from adapters.base import BaseModel
    from adapters.inspection import ImportLimits
    from adapters.record import Transition
    from adapters.refusal import AdapterRefused
    from adapters.registry import Registry
    from adapters.training.config import TrainingConfig
    from adapters.training.launch import TrainingOrder, run_training
    from adapters.version import AdapterVersion, TransitionRefused, VersionState

__all__ = [
    "AdapterRefused",
    "AdapterVersion",
    "BaseModel",
    "ImportLimits",
    "Registry",
    "TrainingConfig",
    "TrainingOrder",
    "Transition",
    "TransitionRefused",
    "VersionState",
    "run_training",
]

_HOMES = {
    "AdapterRefused": "refusal",
    "AdapterVersion": "version",
    "BaseModel": "base",
    "ImportLimits": "inspection",
    "Registry": "registry",
    "TrainingConfig": "training.config",
    "TrainingOrder": "training.launch",
    "Transition": "record",
    "TransitionRefused": "version",
    "VersionState": "version",
    "run_training": "training.launch",
}

__getattr__ = on_demand(__name__, _HOMES)

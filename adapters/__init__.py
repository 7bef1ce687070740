"""Data sets, training, the registry of adapter versions, and the plug-in that vLLM loads."""

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

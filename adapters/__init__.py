"""Data sets, training, the registry of adapter versions, and the plug-in that vLLM loads."""

from adapters.base import BaseModel
from adapters.inspection import ImportLimits
from adapters.job import TrainingOrder, run_training, train
from adapters.record import Transition
from adapters.refusal import AdapterRefused
from adapters.registry import Registry
from adapters.training.config import TrainingConfig
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
    "train",
]

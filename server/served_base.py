"""What an adapter must fit on this server: the base model that it serves, and what its engine is started for."""

from adapters import BaseModel, ImportLimits
from server.settings import Settings


def base_of(settings: Settings) -> BaseModel:
    """Return the base model that adapters must fit. Blocking: the first time it reads the weights."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return BaseModel.load(settings.base_model_dir, cache=settings.data_dir / "fingerprints.json")


def limits_of(settings: Settings) -> ImportLimits:
    """Return what the engine is started for."""
    return ImportLimits(max_rank=settings.max_lora_rank)

"""What an adapter must fit on this server: the base model that it serves, and what its engine is started for."""

from pathlib import Path

from adapters import BaseModel, ImportLimits
from server.settings import EngineMode, Settings


def base_of(settings: Settings) -> BaseModel:
    """Return the base model that adapters must fit. Blocking: the first time it reads the weights."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return BaseModel.load(settings.base_model_dir, cache=settings.data_dir / "fingerprints.json")


def is_served(base: str, engine_name: str, settings: Settings) -> bool:
    """Tell whether `base`, as a persona names it, is the base model that runs.

    Args:
        base: a folder or name, as in `REPERTORY_BASE_MODEL`, or the last part of it, or an external engine's name.
        engine_name: the engine's own name of its base model.
        settings: of this server.
    """
    if settings.engine_mode is EngineMode.EXTERNAL:
        return base == engine_name
    return base in (engine_name, settings.base_model, Path(settings.base_model).name)


def limits_of(settings: Settings) -> ImportLimits:
    """Return what the engine is started for."""
    return ImportLimits(max_rank=settings.max_lora_rank)

"""The settings of a run: what there is to set (:mod:`.groups`, :mod:`.settings`), what may be set (:mod:`.checks`), recipes
(:mod:`.presets`)."""

from logan.config.groups import MAX_SEED, DataConfig, GameConfig, LatentConfig, NetworkConfig, RunConfig, ScoreConfig
from logan.config.settings import Config

__all__ = [
    "MAX_SEED",
    "Config",
    "DataConfig",
    "GameConfig",
    "LatentConfig",
    "NetworkConfig",
    "RunConfig",
    "ScoreConfig",
]

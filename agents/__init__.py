"""Learners behind the stable-baselines3 API, imported when they are first asked for: Torch and Numba take a second."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstm_rl.agents.advantage_learning import AdvantageLearning, DivergedError
    from lstm_rl.agents.config import Config
    from lstm_rl.agents.policies import ElmanPolicy, LstmPolicy, MemoryBitsPolicy

__all__ = ["AdvantageLearning", "Config", "DivergedError", "ElmanPolicy", "LstmPolicy", "MemoryBitsPolicy"]

_HOMES = {
    "AdvantageLearning": "advantage_learning",
    "DivergedError": "advantage_learning",
    "Config": "config",
    "ElmanPolicy": "policies",
    "LstmPolicy": "policies",
    "MemoryBitsPolicy": "policies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

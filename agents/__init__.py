"""Learners behind the stable-baselines3 API, imported when they are first asked for: Torch and Numba take a second."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstm_rl.agents.advantage_learning import AdvantageLearning, DivergedError
    from lstm_rl.agents.config import Config
    from lstm_rl.agents.policies import ElmanPolicy, LstmPolicy, MemoryBitsPolicy
    from lstm_rl.agents.recurrent_dqn import RecurrentDQN
    from lstm_rl.agents.recurrent_td3 import RecurrentTD3

__all__ = [
    "AdvantageLearning",
    "Config",
    "DivergedError",
    "ElmanPolicy",
    "LstmPolicy",
    "MemoryBitsPolicy",
    "RecurrentDQN",
    "RecurrentTD3",
]

_HOMES = {
    "AdvantageLearning": "advantage_learning",
    "DivergedError": "advantage_learning",
    "Config": "config",
    "ElmanPolicy": "policies",
    "LstmPolicy": "policies",
    "MemoryBitsPolicy": "policies",
    "RecurrentDQN": "recurrent_dqn",
    "RecurrentTD3": "recurrent_td3",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

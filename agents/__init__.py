"""Learners behind the stable-baselines3 API."""

from lstm_rl.agents.advantage_learning import AdvantageLearning, DivergedError
from lstm_rl.agents.config import Config
from lstm_rl.agents.policies import LstmPolicy

__all__ = ["AdvantageLearning", "Config", "DivergedError", "LstmPolicy"]

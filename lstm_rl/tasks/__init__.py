"""The classical sequence tasks: seeded generators for anybody's model, with the networks published for them."""

from lstm_rl.tasks.lags import LagTask, RandomLagTask, TriggerLagTask
from lstm_rl.tasks.reber import ReberTask
from lstm_rl.tasks.signals import AddingProblem, MultiplicationProblem, TwoSequenceProblem
from lstm_rl.tasks.task import Task
from lstm_rl.tasks.temporal_order import TemporalOrder

__all__ = [
    "AddingProblem",
    "LagTask",
    "MultiplicationProblem",
    "RandomLagTask",
    "ReberTask",
    "Task",
    "TemporalOrder",
    "TriggerLagTask",
    "TwoSequenceProblem",
]

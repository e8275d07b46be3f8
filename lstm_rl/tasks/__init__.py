"""The classical sequence tasks: seeded generators for anybody's model, with the networks published for them."""

from lstm_rl.tasks.blues import Blues
from lstm_rl.tasks.continual_reber import ContinualReber
from lstm_rl.tasks.function_families import FunctionFamily
from lstm_rl.tasks.history import HistoryTask
from lstm_rl.tasks.lags import LagTask, RandomLagTask, TriggerLagTask
from lstm_rl.tasks.languages import FormalLanguage
from lstm_rl.tasks.parity import Parity
from lstm_rl.tasks.reber import ReberTask
from lstm_rl.tasks.series import Laser, MackeyGlass
from lstm_rl.tasks.signals import AddingProblem, MultiplicationProblem, TwoSequenceProblem
from lstm_rl.tasks.task import Task
from lstm_rl.tasks.temporal_order import ContinualTemporalOrder, NoisyTemporalOrder, TemporalOrder
from lstm_rl.tasks.timing import PeriodicFunction, SingleSpikeDelays, SpikeDelays, TimedSpikes

__all__ = [
    "AddingProblem",
    "Blues",
    "ContinualReber",
    "ContinualTemporalOrder",
    "FormalLanguage",
    "FunctionFamily",
    "HistoryTask",
    "LagTask",
    "Laser",
    "MackeyGlass",
    "MultiplicationProblem",
    "NoisyTemporalOrder",
    "Parity",
    "PeriodicFunction",
    "RandomLagTask",
    "ReberTask",
    "SingleSpikeDelays",
    "SpikeDelays",
    "Task",
    "TemporalOrder",
    "TimedSpikes",
    "TriggerLagTask",
    "TwoSequenceProblem",
]

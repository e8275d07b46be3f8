"""The sequence tasks by the names under which they were published."""

from dataclasses import fields
from typing import Any

from lstm_rl.checks import check_choice
from lstm_rl.tasks.blues import Blues
from lstm_rl.tasks.continual_reber import ContinualReber
from lstm_rl.tasks.lags import LagTask, RandomLagTask, TriggerLagTask
from lstm_rl.tasks.languages import FormalLanguage
from lstm_rl.tasks.parity import Parity
from lstm_rl.tasks.reber import ReberTask
from lstm_rl.tasks.signals import AddingProblem, MultiplicationProblem, TwoSequenceProblem
from lstm_rl.tasks.task import Task
from lstm_rl.tasks.temporal_order import ContinualTemporalOrder, NoisyTemporalOrder, TemporalOrder
from lstm_rl.tasks.timing import PeriodicFunction, SingleSpikeDelays, SpikeDelays, TimedSpikes

TASKS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "hs1997-reber": (ReberTask, {}),
    "hs1997-lag-a": (LagTask, {}),
    "hs1997-lag-b": (RandomLagTask, {}),
    "hs1997-lag-c": (TriggerLagTask, {}),
    "hs1997-two-sequence-a": (TwoSequenceProblem, {"variant": "a"}),
    "hs1997-two-sequence-b": (TwoSequenceProblem, {"variant": "b"}),
    "hs1997-two-sequence-c": (TwoSequenceProblem, {"variant": "c"}),
    "hs1997-adding": (AddingProblem, {}),
    "hs1997-multiplication": (MultiplicationProblem, {}),
    "hs1997-temporal-order-3": (TemporalOrder, {"signals": 2}),
    "hs1997-temporal-order-4": (TemporalOrder, {"signals": 3}),
    "parity": (Parity, {}),
    "gers2000-cerg": (ContinualReber, {}),
    "gers2000-nto": (NoisyTemporalOrder, {"signals": 3}),
    "gers2000-cnto": (ContinualTemporalOrder, {"signals": 3}),
    "gers2001-anbn": (FormalLanguage, {"language": "anbn"}),
    "gers2001-anbncn": (FormalLanguage, {"language": "anbncn"}),
    "gers2001-anbmbmam": (FormalLanguage, {"language": "anbmbmam"}),
    "gers2002-msd": (SpikeDelays, {}),
    "gers2002-nmsd": (SingleSpikeDelays, {}),
    "gers2002-gts": (TimedSpikes, {}),
    "gers2002-pfg": (PeriodicFunction, {}),
}
"""Name -> (a `Task`'s class, the settings that the name fixes)."""
MUSIC: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "blues-chords": (Blues, {"melody": False}),
    "blues-melody": (Blues, {"melody": True}),
}
"""The same for tasks whose answers are several notes at once, which `lstm_rl.tasks.env` has no action for."""


def make_task(name: str, **settings: Any) -> Task:
    """Make a task.

    Args:
        name: One of `TASKS` or `MUSIC`.
        settings: Fields of its class which the name leaves open, e.g. ``p=50``; the others keep their defaults.

    Raises:
        ValueError: There is no such task or setting, or a setting is out of its range.
    """
    known = TASKS | MUSIC
    kind, fixed = known[check_choice("task", name, tuple(known))]
    free = [field.name for field in fields(kind) if field.name not in fixed]
    for setting in settings:
        if setting not in free:
            raise ValueError(f"settings of {name} must be {' or '.join(free) or 'none'}, got {setting!r}")
    task: Task = kind(**fixed, **settings)
    return task

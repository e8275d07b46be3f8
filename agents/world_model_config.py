"""Settings of `WorldModelController`."""

from dataclasses import dataclass
from typing import Literal, get_args

from lstm_rl.checks import check_choice, check_float, check_int

Units = Literal["lstm", "recurrent"]
Regime = Literal["parallel", "sequential"]


@dataclass(frozen=True)
class WorldModelConfig:
    """Settings of `WorldModelController`; a field out of its range raises ``ValueError``."""

    units: Units = "lstm"
    """LSTM cells, or fully recurrent logistic units as in 1990."""
    gradient: Literal["truncated", "rtrl"] = "truncated"
    """Derivatives that live on in the cells alone, or all of them."""
    controller_units: int = 4
    """Cells or units of C."""
    model_units: int = 6
    """Cells or units of M."""
    ticks: int = 1
    """Steps of both nets per step of the world; 2 give units one hidden layer, at one link per step."""
    regime: Regime = "parallel"
    """C and M learn at the same time, or first M, by random actions, and then C with M fixed."""
    pain_input: bool = False
    """Whether both nets see the last pain, as in 1990; `predict`, which is told no rewards, takes M's prediction."""
    model_first: int = 20_000
    """Steps at random during which only M learns."""
    model_rate: float = 0.003
    """Learning rate of M."""
    controller_rate: float = 0.003
    """Learning rate of C."""
    schedule: Literal["constant", "linear"] = "constant"
    """Whether both rates fall towards 0 during a call of `learn`, by steps: one after each 5,000 per environment."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Adam, or plain gradient steps as published."""
    noise: float = 0.1
    """Standard deviation of what is added to C's actions, in units of half their range."""
    random_share: float = 0.05
    """Probability of a random action, from which M learns what other actions do."""
    discount: float = 1.0
    """Factor per step on derivatives that go on through the world, and of the critic's values. 1: as published; 0: C
    descends the next pain alone, which is enough where actions have no later effects."""
    clip: float = 1.0
    """Largest norm of C's gradient; 0: none."""
    slope_floor: float = 0.0
    """The slope of C's logistic outputs is taken to be at least this, so that one that is stuck at a bound comes back;
    0: exact."""
    controller_range: float = 0.1
    """Initial weights of C are uniform in +- this."""
    model_range: float = 0.2
    """Initial weights of M are uniform in +- this."""
    forget_bias: float = 1.0
    """Of LSTM cells; log(steps to bridge) keeps them that long."""
    input_bias: float = 0.0
    """Of LSTM cells; < 0 keeps the gates shut at first."""
    critic: bool = False
    """M has an output for the value of actions, and C ascends it: after Bakker (2007)."""
    trace_decay: float = 0.8
    """Lambda of the critic."""
    value_unit: float = 1.0
    """The critic's values are in units of so many largest rewards: about 1 / (1 - discount) where each step is
    rewarded, 1 where rewards are rare."""

    def __post_init__(self) -> None:
        check_choice("units", self.units, get_args(Units))
        check_choice("gradient", self.gradient, ("truncated", "rtrl"))
        check_choice("regime", self.regime, get_args(Regime))
        check_choice("schedule", self.schedule, ("constant", "linear"))
        check_choice("optimizer", self.optimizer, ("adam", "sgd"))
        for name in ("controller_units", "model_units", "ticks"):
            check_int(name, getattr(self, name), 1, 1000)
        check_int("model_first", self.model_first, 0)
        for name in ("model_rate", "controller_rate", "noise", "clip", "controller_range", "model_range"):
            check_float(name, getattr(self, name), 0.0, 1e3)
        for name in ("random_share", "discount", "trace_decay", "slope_floor"):
            check_float(name, getattr(self, name), 0.0, 1.0)
        check_float("value_unit", self.value_unit, 0.0, 1e6, open_low=True)
        for name in ("forget_bias", "input_bias"):
            check_float(name, getattr(self, name), -100.0, 100.0)


PUBLISHED = WorldModelConfig(
    units="recurrent", gradient="rtrl", controller_units=4, model_units=5, ticks=2, pain_input=True
)
"""Fully recurrent logistic units with the complete gradient, as in 1990."""

"""Which settings are worth searching, over which range: one space per learning rule and kind of network.

Of settings that follow from the horizon by a formula the formula's factor is searched (`FACTORS`), so that what is
found holds for other lengths as well; where a configuration fixes such a setting, the setting itself.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from lstm_rl.agents.config import Config, Rule
from lstm_rl.checks import nearest

Scale = Literal["linear", "log", "choice"]


class Dimension(NamedTuple):
    """A field of `Config` to search."""

    field: str
    scale: Scale
    """Over a range, evenly or evenly over the logarithm; or among some values."""
    values: tuple[Any, ...]
    """Lowest and highest, both included, whole numbers if both are; or the choices."""


class Trial(Protocol):
    """What is used of an `optuna.Trial`."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float:
        """A number in [low, high]."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = ...) -> int:
        """A whole number in [low, high]."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""


FACTORS = {
    "learning_rate_scale": "learning_rate",
    "rms_horizons": "rms_decay",
    "epsilon_scale": "epsilon",
    "forget_gate_offset": "forget_gate_bias",
}
"""Factors and offsets of the formulas, and the settings that they are for when these are None, see `Config`."""

REPLAY_SPACE = (
    Dimension("learning_rate", "log", (1e-4, 5e-3)),
    Dimension("gamma", "linear", (0.95, 0.999)),
    Dimension("n_steps", "choice", (1, 3, 5)),
    Dimension("train_freq", "choice", (1, 2, 4, 8)),
    Dimension("batch_size", "choice", (16, 32, 64)),
    Dimension("prioritized", "choice", (False, True)),
)
"""Of `RecurrentDQN` and `RecurrentTD3`: fields of their configurations."""

_COMMON = (
    Dimension("learning_rate_scale", "log", (1e-3, 0.3)),
    Dimension("learning_rate", "log", (1e-5, 0.1)),
    Dimension("gamma", "linear", (0.9, 0.999)),
    Dimension("lambda_", "linear", (0.0, 0.99)),
    Dimension("rms_horizons", "log", (1.0, 100.0)),
    Dimension("rms_epsilon", "log", (1e-8, 1.0)),
    Dimension("rms_memory", "choice", (0, 10_000, 100_000)),
    Dimension("return_size", "choice", (0.0, 1.0, 4.0, 16.0)),
    Dimension("error_memory", "choice", (0, 30, 100)),
)
_RULES: dict[Rule, tuple[Dimension, ...]] = {
    "advantage": (
        Dimension("kappa", "log", (0.03, 1.0)),
        Dimension("cut_traces", "choice", (False, True)),
    ),
    "actor_critic": (
        Dimension("entropy_weight", "log", (1e-4, 0.3)),
        Dimension("value_weight", "log", (0.1, 10.0)),
    ),
}
_EXPLORATION = {  # of the rule "advantage"
    "epsilon": (
        Dimension("epsilon_scale", "log", (0.2, 20.0)),
        Dimension("epsilon", "log", (0.01, 1.0)),
    ),
    "ez_greedy": (
        Dimension("epsilon_scale", "log", (0.2, 20.0)),
        Dimension("epsilon", "log", (0.01, 1.0)),
        Dimension("least_share", "log", (1e-3, 1.0)),
    ),
    "boltzmann": (Dimension("temperature", "log", (0.01, 3.0)),),
    "directed": (
        Dimension("temperature", "log", (0.01, 3.0)),
        Dimension("temperature_scale", "log", (0.01, 3.0)),
        Dimension("beta", "linear", (0.0, 0.9)),
    ),
}
_NETWORKS = {
    "exact": (
        Dimension("cells", "log", (4, 64)),
        Dimension("trace_units", "choice", (0, 8, 16, 32)),
        Dimension("readout", "choice", (0, 16, 32)),
        Dimension("input_range", "log", (0.03, 3.0)),
    ),
    "lstm": (
        Dimension("cells", "log", (2, 32)),
        Dimension("input_range", "log", (0.03, 3.0)),
        Dimension("forget_gate_offset", "linear", (-2.0, 4.0)),
        Dimension("forget_gate_bias", "linear", (-2.0, 10.0)),
    ),
    "ElmanPolicy": (
        Dimension("hidden", "log", (4, 64)),
        Dimension("input_range", "log", (0.1, 4.0)),
        Dimension("recurrent_range", "log", (0.1, 4.0)),
    ),
    "torch": (
        Dimension("cells", "log", (8, 128)),
        Dimension("bptt_depth", "log", (5, 100)),
    ),
    "MemoryBitsPolicy": (
        Dimension("memory_bits", "linear", (0, 3)),
        Dimension("regions", "linear", (2, 6)),
    ),
}


def search_space(config: Config, rule: Rule, policy: str = "LstmPolicy") -> tuple[Dimension, ...]:
    """The space around a configuration, which is a point of it.

    Args:
        config: What holds for all fields that are not searched.
        rule: The learning rule, see `Config.rule_for`.
        policy: The policy's name, as in `lstm_rl.presets.PolicyName`.
    """
    network = {"LstmPolicy": config.network, "GruPolicy": "torch", "SlstmPolicy": "torch"}.get(policy, policy)
    exploration = _EXPLORATION[config.exploration] if rule == "advantage" else ()
    idle = {factor for factor, field in FACTORS.items() if getattr(config, field) is not None}
    idle |= {field for field in FACTORS.values() if getattr(config, field) is None}
    if config.optimizer == "sgd":
        idle |= {"rms_horizons", "rms_epsilon", "rms_memory"}
    space = (*_COMMON, *_RULES[rule], *exploration, *_NETWORKS.get(network, ()))
    return tuple(_around(each, getattr(config, each.field)) for each in space if each.field not in idle)


def _around(dimension: Dimension, value: Any) -> Dimension:
    """The dimension made wide enough for a configuration's value."""
    field, scale, values = dimension
    if scale == "choice":
        return dimension if value in values else Dimension(field, scale, (*values, value))
    return Dimension(field, scale if value > 0 else "linear", (min(values[0], value), max(values[1], value)))


def restrict(space: Sequence[Dimension], names: Sequence[str]) -> tuple[Dimension, ...]:
    """The dimensions of these names; all if there are none.

    Raises:
        ValueError: There is no such dimension.
    """
    known = {each.field: each for each in space}
    for name in names:
        if name not in known:
            other = FACTORS.get(name) or {field: factor for factor, field in FACTORS.items()}.get(name)
            instead = f"{other} is searched instead" if other in known else nearest(name, known)
            raise ValueError(f"fields must be settings that can be searched here, got {name!r}: {instead}")
    return tuple(known[name] for name in dict.fromkeys(names)) or tuple(space)


def suggest(trial: Trial, space: Sequence[Dimension]) -> dict[str, Any]:
    """A trial's point of the space, as fields of `Config`."""
    return {each.field: _suggest(trial, *each) for each in space}


def _suggest(trial: Trial, field: str, scale: Scale, values: tuple[Any, ...]) -> Any:
    if scale == "choice":
        return trial.suggest_categorical(field, values)
    if all(isinstance(value, int) for value in values):
        return trial.suggest_int(field, *values, log=scale == "log")
    return trial.suggest_float(field, *values, log=scale == "log")

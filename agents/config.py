"""The learner's configuration: one dataclass that is the constructor's keywords, the command line and the log."""

import math
from dataclasses import dataclass
from typing import Literal

from lstm_rl.checks import check_choice, check_float, check_int

ExplorationKind = Literal["epsilon", "extended_epsilon", "boltzmann", "directed"]
StepRule = Literal["sgd", "rms"]


@dataclass(frozen=True)
class Config:
    """Settings of `AdvantageLearning` and its `LstmPolicy`; `lstm_rl.presets` holds named ones.

    Fields that are ``None`` follow by formula from ``horizon``, so that one setting serves all lengths.

    Raises:
        ValueError: A field is out of its range.
    """

    # --- the task's time scale ---
    horizon: int | None = None
    """Expected steps of an episode, or the lag to bridge, >= 1; None: the environment's own, else 100."""

    # --- Advantage(lambda) ---
    learning_rate: float = 4e-3
    """alpha > 0, per environment step; `AdvantageLearning` also takes a schedule as SB3 does."""
    gamma: float = 0.98
    """Discount per step, in [0, 1]."""
    lambda_: float = 0.8
    """Decay of eligibility traces per step, besides gamma, in [0, 1]."""
    kappa: float = 0.1
    """Scale of advantages against values, in (0, 1]; 1 makes this Q(lambda)."""
    cut_traces: bool = True
    """Cut the traces at exploratory actions (the paper); False lets credit flow through them."""
    step_rule: StepRule = "rms"
    """Steps along the traces: plain ("sgd", the paper) or divided by the running RMS of error x trace ("rms")."""
    rms_decay: float = 0.999
    """Decay of that running mean square per step, in [0, 1)."""
    rms_initial: float = 0.01
    """That mean square before the first step, >= 0: first steps are no larger than later ones."""
    normalize_observations: bool = True
    """Subtract each input's running mean and divide by its running standard deviation."""
    observation_clip: float = 30.0
    """Normalised inputs are cut off beyond +- this many standard deviations, > 0."""

    # --- exploration ---
    exploration: ExplorationKind = "extended_epsilon"
    """epsilon-greedy, the same with random actions that last, Boltzmann, or the paper's directed exploration."""
    epsilon: float | None = None
    """Probability per step that a random action begins, in [0, 1]; None: 2 / horizon, at most 0.1."""
    duration_exponent: float = 2.0
    """mu > 1: a lasting random action goes on for d steps or more with probability d^(1 - mu)."""
    longest: float = 1.0
    """A lasting random action ends after this many horizons at the latest, > 0."""
    temperature: float = 0.1
    """T > 0 of Boltzmann exploration; the lowest T of directed exploration."""
    temperature_scale: float = 1.0
    """Directed: T = max(temperature, temperature_scale * y_v), >= 0."""
    beta: float = 0.1
    """Directed: y_v learns |E(t)| + beta y_v(t+1), in [0, 1)."""
    explorer_hidden: int = 8
    """Directed: logistic hidden units of the network for y_v, >= 1."""
    explorer_learning_rate: float = 0.01
    """Directed: learning rate of that network, >= 0."""

    # --- network; `policy_kwargs={"topology": ...}` replaces this section ---
    hidden: int = 0
    """Ordinary hidden units beside the memory blocks, >= 0."""
    cells: int = 8
    """Memory blocks of one cell each, >= 0."""
    recurrent: bool = False
    """Whether gates, cell inputs and hidden units see hidden units and cells of the step before (the paper). Without,
    the cells are the only memory, and the truncated gradient is exact."""
    cell_bias: bool = False
    """Whether cell inputs have a bias; over a long episode a cell adds it up to a ramp."""
    input_range: float = 0.3
    """Initial weights from inputs are uniform in +- this, >= 0."""
    recurrent_range: float = 0.1
    """Initial weights from hidden units and cells are uniform in +- this, >= 0."""
    output_range: float = 0.1
    """Initial weights into outputs are uniform in +- this, >= 0."""
    bias_range: float = 0.0
    """Initial biases that no field fixes are uniform in +- this, >= 0."""
    input_gate_bias: float | None = -2.0
    """Initial bias of input gates; None: drawn from bias_range."""
    forget_gate_bias: float | None = None
    """Initial bias of forget gates; None: ln(horizon) + 1, a cell that keeps half its state over some horizon."""
    output_gate_bias: float | None = None
    """Initial bias of output gates; None: drawn from bias_range."""

    # --- execution ---
    chunk_size: int = 4096
    """Steps per environment between two looks of SB3's callbacks and logger, >= 1."""
    precision: Literal["float32", "float64"] = "float32"
    """Type of weights, states and traces."""

    def __post_init__(self) -> None:
        if self.horizon is not None:
            check_int("horizon", self.horizon, 1)
        if not callable(self.learning_rate):
            check_float("learning_rate", self.learning_rate, 0.0, open_low=True)
        for name in ("gamma", "lambda_", "rms_decay", "beta"):
            check_float(name, getattr(self, name), 0.0, 1.0)
        for name in ("rms_decay", "beta"):
            if getattr(self, name) == 1.0:
                raise ValueError(f"{name} must be a number in [0, 1), got 1.0")
        check_float("kappa", self.kappa, 0.0, 1.0, open_low=True)
        check_choice("step_rule", self.step_rule, ("sgd", "rms"))
        check_choice("exploration", self.exploration, ("epsilon", "extended_epsilon", "boltzmann", "directed"))
        check_choice("precision", self.precision, ("float32", "float64"))
        if self.epsilon is not None:
            check_float("epsilon", self.epsilon, 0.0, 1.0)
        check_float("duration_exponent", self.duration_exponent, 1.0, open_low=True)
        for name in ("longest", "temperature", "observation_clip"):
            check_float(name, getattr(self, name), 0.0, open_low=True)
        for name in ("temperature_scale", "explorer_learning_rate", "rms_initial"):
            check_float(name, getattr(self, name), 0.0)
        for name in ("explorer_hidden", "chunk_size"):
            check_int(name, getattr(self, name), 1)
        for name in ("hidden", "cells"):
            check_int(name, getattr(self, name), 0)
        for name in ("input_range", "recurrent_range", "output_range", "bias_range"):
            check_float(name, getattr(self, name), 0.0)
        for name in ("input_gate_bias", "forget_gate_bias", "output_gate_bias"):
            if getattr(self, name) is not None:
                check_float(name, getattr(self, name))

    def epsilon_for(self, horizon: int) -> float:
        """The epsilon that is used: the given one, or 2 / horizon, at most 0.1."""
        return min(0.1, 2.0 / horizon) if self.epsilon is None else self.epsilon

    def forget_gate_bias_for(self, horizon: int) -> float:
        """The forget-gate bias that is used: the given one, or ln(horizon) + 1."""
        return math.log(horizon) + 1.0 if self.forget_gate_bias is None else self.forget_gate_bias

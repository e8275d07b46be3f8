"""The learner's configuration: one dataclass that is the constructor's keywords, the command line and the log."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from lstm_rl.checks import check_choice, check_float, check_int

ExplorationKind = Literal["epsilon", "ez_greedy", "boltzmann", "directed"]
Optimizer = Literal["sgd", "rmsprop"]
Schedule = Literal["constant", "linear"]
Rule = Literal["advantage", "actor_critic"]
NetworkKind = Literal["lstm", "exact"]
Gradient = Literal["truncated", "bptt", "rtrl"]


@dataclass(frozen=True)
class Config:
    """Settings of `AdvantageLearning` and its `LstmPolicy`; `lstm_rl.presets` holds named ones.

    Fields that are ``None`` follow by formula from ``horizon``, so that one setting serves all lengths.

    Raises:
        ValueError: A field is out of its range.
    """

    # --- the task's time scale ---
    horizon: int | None = None
    """Expected steps of an episode, or the lag to bridge, >= 1; None: the environment's own, else its step limit, at
    most 100, else 100."""

    # --- the learning rule ---
    rule: Rule | None = None
    """"advantage": values of actions, `lstm_rl.agents.advantage_lambda`; "actor_critic": a policy and the value of
    states, `lstm_rl.agents.actor_critic`, also for continuous actions (Box); None: the first that can be."""
    learning_rate: float | None = None
    """> 0, per environment step; None: learning_rate_scale / sqrt(horizon). Or a schedule in the constructor."""
    learning_rate_scale: float = 0.01
    """See learning_rate, > 0."""
    schedule: Schedule = "constant"
    """Linear: the learning rate falls to a twentieth over the time steps of a run."""
    gamma: float = 0.98
    """Discount per step, in [0, 1]."""
    lambda_: float = 0.9
    """Decay of eligibility traces per step, besides gamma, in [0, 1]."""
    kappa: float = 0.3
    """Scale of advantages against values, in (0, 1]; 1 makes this Q(lambda). Of the rule "advantage", as the next."""
    cut_traces: bool = False
    """Cut the traces at exploratory actions (the paper); False lets credit flow through them."""
    entropy_weight: float = 0.02
    """Of "actor_critic": rewards, scaled, grow by this times -log of the chosen action's probability, >= 0."""
    value_weight: float = 1.0
    """Of "actor_critic": steps of the value's gradient against those of the policy's, > 0."""
    optimizer: Optimizer = "rmsprop"
    """Steps along the traces: plain ("sgd", the paper) or divided by the running RMS of error x trace ("rmsprop")."""
    rms_decay: float | None = None
    """Decay of that running mean square per step, in [0, 1); None: 1 - 1 / (rms_horizons horizon)."""
    rms_horizons: float = 10.0
    """Horizons >= 1 that the mean square remembers, see rms_decay: by default the errors of several episodes."""
    rms_epsilon: float = 0.03
    """Added to the root of that mean square, > 0: where errors are small, steps are small, and what is learned stays
    learned. In units of scaled returns, see return_size."""
    rms_memory: int = 10_000
    """Steps >= 0 over which the mean square falls, unless rms_decay makes them more already; 0: RMSprop. So it
    remembers large errors: steps stay small when errors have become rare, and what is learned stays learned."""
    rms_initial: float = 0.01
    """That mean square before the first step, >= 0: first steps are no larger than later ones."""
    return_size: float = 4.0
    """Rewards are scaled so that the discounted return of an episode grows to this size, >= 0; 0: they are taken as
    they are. See `lstm_rl.agents.scale`."""
    error_memory: int = 30
    """Episodes >= 0 that the mean of their largest errors remembers: the learning rate falls with the square of this
    mean over its highest value so far, and rises again with it; 0: the learning rate stays as it is."""
    normalize_observations: bool = True
    """Subtract each input's running mean and divide by its running standard deviation."""
    observation_clip: float = 5.0
    """Normalised inputs are cut off beyond +- this many standard deviations, > 0."""

    averaging: float = 200.0
    """Horizons >= 0 that the weights which act in `predict` and evaluations are averaged over, at most a tenth of
    learning so far, see `lstm_rl.agents.averaging`; 0: the last weights act, as those of Torch networks and tables."""

    # --- exploration, of the rule "advantage" alone: an actor draws its actions from its policy ---
    exploration: ExplorationKind = "ez_greedy"
    """epsilon-greedy, the same with repeated random actions, Boltzmann, or the paper's directed exploration."""
    epsilon: float | None = 0.3
    """Probability per step that a random action begins, in [0, 1]; None: epsilon_scale / horizon, at most 0.1."""
    epsilon_scale: float = 2.0
    """Random actions that begin per horizon, > 0, see epsilon."""
    least_share: float = 0.003
    """Of ez_greedy: each episode explores with a share of epsilon, drawn from [least_share, 1] evenly over its
    logarithm, in (0, 1]: some episodes show what the greedy policy earns, others what else there is."""
    duration_exponent: float = 2.0
    """mu > 1: a random action is repeated for d steps or more with probability d^(1 - mu)."""
    repeat_horizons: float = 1.0
    """A random action is repeated for this many horizons at most, > 0."""
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
    gradient: Gradient = "truncated"
    """Errors truncated at recurrent links, partials carried forward (the paper); or complete: errors carried back at
    every step (bptt), or all derivatives carried forward (rtrl, for small networks). Torch networks: always bptt."""
    bptt_depth: int = 100
    """Steps that errors are carried back at most, >= 1."""
    network: NetworkKind = "exact"
    """"lstm": memory blocks of a `lstm_rl.topology.Topology`; "exact": ``cells`` LSTM cells that see their own state
    and ``trace_units`` recurrent trace units under ``readout`` hidden units, see `lstm_rl.kernels.cells`."""
    previous_action: bool | None = None
    """Of the exact network: whether the action of the step before is an input, one number per action; continuous ones
    (Box) never are. None: up to a horizon of 1,000; over more steps, actions add up to a noise that drowns a cue.
    `predict` assumes that the actions it returns are executed."""
    trace_units: int = 16
    """Of the exact network: recurrent trace units, >= 0."""
    readout: int = 16
    """Of the exact network: tanh units between cells and outputs, >= 0."""
    hidden: int = 0
    """Ordinary hidden units beside the memory blocks, >= 0."""
    cells: int = 16
    """LSTM cells of the exact network, or memory blocks of one cell each, >= 0; units of GruPolicy and SlstmPolicy."""
    recurrent: bool = False
    """Whether gates, cell inputs and hidden units see hidden units and cells of the step before (the paper). Without,
    the cells are the only memory, and the truncated gradient is exact."""
    cell_bias: bool = False
    """Whether cell inputs have a bias; over a long episode a cell adds it up to a ramp."""
    input_range: float = 0.1
    """Initial weights from inputs are uniform in +- this, >= 0."""
    forget_range: float | None = 0.0
    """The same for weights from inputs to forget gates, which then start out constant: a rare input, large once it is
    normalised, would wipe the cells; None: input_range."""
    recurrent_range: float = 0.1
    """Initial weights from hidden units and cells are uniform in +- this, >= 0."""
    output_range: float = 0.1
    """Initial weights into outputs are uniform in +- this, >= 0."""
    bias_range: float = 0.0
    """Initial biases that no field fixes are uniform in +- this, >= 0."""
    input_gate_bias: float | None = None
    """Initial bias of input gates; None: input_gate_offset - ln(horizon) / 2. The noise that a cell adds up over a
    horizon grows with its square root; with this bias it does not."""
    input_gate_offset: float = -1.0
    """That bias at a horizon of 1, any number, see input_gate_bias."""
    forget_gate_bias: float | None = None
    """Initial bias of forget gates; None: ln(horizon) + forget_gate_offset, by default a cell that keeps half its state
    over some horizon."""
    forget_gate_offset: float = 1.0
    """That bias at a horizon of 1, any number, see forget_gate_bias."""
    spread_forget_gates: bool = False
    """Spread the initial biases of forget gates evenly from 0 in the first block to forget_gate_bias in the last: some
    cells follow the moment, some remember."""
    output_gate_bias: float | None = None
    """Initial bias of output gates; None: drawn from bias_range."""

    # --- the other policies ---
    memory_bits: int = 1
    """MemoryBitsPolicy: bits >= 0 that actions switch."""
    regions: int = 3
    """MemoryBitsPolicy: equal regions >= 1 that each input is cut into."""

    # --- execution ---
    chunk_size: int = 4096
    """Steps per environment of a rollout, after which the log is written and chunked callbacks are called, >= 1."""
    precision: Literal["float32", "float64"] = "float32"
    """Type of weights, states and traces."""

    def __post_init__(self) -> None:
        if self.horizon is not None:
            check_int("horizon", self.horizon, 1)
        if self.learning_rate is not None and not callable(self.learning_rate):
            check_float("learning_rate", self.learning_rate, 0.0, open_low=True)
        for name in ("gamma", "lambda_", "rms_decay", "beta"):
            if getattr(self, name) is not None:
                check_float(name, getattr(self, name), 0.0, 1.0)
        for name in ("rms_decay", "beta"):
            if getattr(self, name) == 1.0:
                raise ValueError(f"{name} must be a number in [0, 1), got 1.0")
        check_float("kappa", self.kappa, 0.0, 1.0, open_low=True)
        check_float("value_weight", self.value_weight, 0.0, open_low=True)
        if self.rule is not None:
            check_choice("rule", self.rule, ("advantage", "actor_critic"))
        check_choice("optimizer", self.optimizer, ("sgd", "rmsprop"))
        check_choice("schedule", self.schedule, ("constant", "linear"))
        check_choice("gradient", self.gradient, ("truncated", "bptt", "rtrl"))
        check_choice("network", self.network, ("lstm", "exact"))
        check_choice("exploration", self.exploration, ("epsilon", "ez_greedy", "boltzmann", "directed"))
        check_choice("precision", self.precision, ("float32", "float64"))
        if self.epsilon is not None:
            check_float("epsilon", self.epsilon, 0.0, 1.0)
        check_float("least_share", self.least_share, 0.0, 1.0, open_low=True)
        check_float("duration_exponent", self.duration_exponent, 1.0, open_low=True)
        for name in ("repeat_horizons", "temperature", "observation_clip"):
            check_float(name, getattr(self, name), 0.0, open_low=True)
        for name in ("rms_epsilon", "learning_rate_scale", "epsilon_scale"):
            check_float(name, getattr(self, name), 0.0, open_low=True)
        check_float("rms_horizons", self.rms_horizons, 1.0)
        for name in ("input_gate_offset", "forget_gate_offset"):
            check_float(name, getattr(self, name))
        numbers = ("averaging", "temperature_scale", "explorer_learning_rate", "rms_initial", "return_size")
        for name in (*numbers, "entropy_weight"):
            check_float(name, getattr(self, name), 0.0)
        for name in ("explorer_hidden", "chunk_size", "bptt_depth", "regions"):
            check_int(name, getattr(self, name), 1)
        for name in ("hidden", "cells", "memory_bits", "trace_units", "readout", "error_memory", "rms_memory"):
            check_int(name, getattr(self, name), 0)
        for name in ("input_range", "recurrent_range", "output_range", "bias_range"):
            check_float(name, getattr(self, name), 0.0)
        if self.forget_range is not None:
            check_float("forget_range", self.forget_range, 0.0)
        for name in ("input_gate_bias", "forget_gate_bias", "output_gate_bias"):
            if getattr(self, name) is not None:
                check_float(name, getattr(self, name))

    def override(self, settings: dict[str, Any]) -> "Config":
        """A copy with other values of some fields.

        Raises:
            TypeError: There is no such field.
        """
        names = [field.name for field in fields(self)]
        for name in settings:
            if name not in names:
                raise TypeError(f"{name} is no argument of AdvantageLearning nor a field of Config: {', '.join(names)}")
        return replace(self, **settings)

    def rule_for(self, continuous: bool) -> Rule:
        """The rule that is used: the given one, or the one that values actions where they are not continuous.

        Raises:
            ValueError: The rule cannot be, or a setting differs from its default that the rule has no use for.
        """
        rule: Rule = self.rule or ("actor_critic" if continuous else "advantage")
        if continuous and rule == "advantage":
            raise ValueError(
                'rule must be "actor_critic" for continuous actions (Box), got "advantage": it values each '
                "action; gymnasium.wrappers.DiscretizeAction makes them few"
            )
        for field in fields(self):
            if field.name in _OF_RULE[rule] and getattr(self, field.name) != field.default:
                raise ValueError(
                    f'{field.name} must keep its default {field.default!r} under the rule "{rule}", which has no use '
                    f"for it, got {getattr(self, field.name)!r}"
                )
        return rule

    def learning_rate_for(self, horizon: int) -> float:
        """The learning rate that is used: the given one, or learning_rate_scale / sqrt(horizon)."""
        return self.learning_rate_scale / math.sqrt(horizon) if self.learning_rate is None else self.learning_rate

    def rms_decay_for(self, horizon: int) -> float:
        """The decay that is used: the given one, or 1 - 1 / (rms_horizons horizon)."""
        return 1.0 - 1.0 / self.rms_horizons / horizon if self.rms_decay is None else self.rms_decay

    def previous_action_for(self, horizon: int) -> bool:
        """Whether the last action is an input: as given, or up to a horizon of 1,000."""
        return horizon <= 1000 if self.previous_action is None else self.previous_action

    def epsilon_for(self, horizon: int) -> float:
        """The epsilon that is used: the given one, or epsilon_scale / horizon, at most 0.1."""
        return min(0.1, self.epsilon_scale / horizon) if self.epsilon is None else self.epsilon

    def input_gate_bias_for(self, horizon: int) -> float:
        """The input-gate bias that is used: the given one, or input_gate_offset - ln(horizon) / 2."""
        bias = -math.log(horizon) / 2.0 + self.input_gate_offset
        return bias if self.input_gate_bias is None else self.input_gate_bias

    def forget_gate_bias_for(self, horizon: int) -> float | tuple[float, ...]:
        """The bias that is used, of all blocks or of each: the given one, or ln(horizon) + forget_gate_offset."""
        bias = math.log(horizon) + self.forget_gate_offset if self.forget_gate_bias is None else self.forget_gate_bias
        if not self.spread_forget_gates:
            return bias
        return tuple(bias * block / max(self.cells - 1, 1) for block in range(self.cells))


_OF_RULE: dict[Rule, tuple[str, ...]] = {  # fields that a rule has no use for
    "advantage": ("entropy_weight", "value_weight"),
    "actor_critic": (
        *("kappa", "cut_traces", "exploration", "epsilon", "epsilon_scale", "least_share", "duration_exponent"),
        *("repeat_horizons", "temperature", "temperature_scale", "beta", "explorer_hidden", "explorer_learning_rate"),
    ),
}

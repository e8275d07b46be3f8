"""Settings of `RecurrentDQN` and `RecurrentTD3`, named as in stable-baselines3 where it has them."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from lstm_rl.agents.repeated_actions import MAX_DURATION
from lstm_rl.checks import check_choice, check_float, check_int

StateMode = Literal["zero", "stored", "recomputed"]


@dataclass(frozen=True)
class ReplayConfig:
    """What both learners share.

    Raises:
        ValueError: A field is out of its range; the message names it.
    """

    learning_rate: float = 1e-3
    """Step size of Adam, >= 0."""
    schedule: Literal["constant", "linear"] = "constant"
    """Keep the learning rate, or let it fall in a straight line to a twentieth at the end of training."""
    buffer_size: int = 100_000
    """Steps of all environments that are kept, >= 1."""
    learning_starts: int = 1_000
    """Steps before the first update, with random actions, >= 0."""
    batch_size: int = 32
    """Sequences per update, >= 1."""
    gamma: float = 0.99
    """Discount per step, in [0, 1]."""
    reward_scale: float | Literal["auto"] = 1.0
    """Factor of rewards in targets, > 0. Values of some tens at most are learned sooner; "auto": such that they are of
    size 10, by the returns that are met, see `lstm_rl.agents.return_size`."""
    train_freq: int = 8
    """Steps of each environment between two rounds of updates, >= 1."""
    gradient_steps: int = 1
    """Updates per round, >= 0."""
    burn_in: int = 20
    """Steps before the trace that only warm up the state, without gradient, >= 0."""
    sequence_length: int = 60
    """Steps of a sequence with its burn-in, > burn_in. Those behind the burn-in, the trace, are learned: gradients go
    back over all of it."""
    period: int | None = None
    """Steps from the start of a sequence to that of the next, >= 1; None: half a trace."""
    n_steps: int = 3
    """Steps of rewards before a target's value, >= 1."""
    lambda_: float = 1.0
    """Share of the longer return in a target, in [0, 1]; the rest is the value of the next step. 1: n_steps alone
    count, as they must with n_steps 1. See `lstm_rl.agents.sequence_loss`."""
    state: StateMode = "stored"
    """State before the burn-in: zero; as it was when the agent acted; or recomputed with the present weights from the
    start of the episode (or from the oldest step in the buffer)."""
    prioritized: bool = False
    """Draw sequences by the size of their errors."""
    priority_exponent: float = 0.9
    """In [0, 1]; see prioritized."""
    importance_exponent: float = 0.6
    """In [0, 1]: of the weights that undo what drawing by priority does to the mean."""
    priority_max_weight: float = 0.9
    """eta in [0, 1]: a priority is eta times the largest error of a sequence, and 1 - eta times the mean one."""
    max_grad_norm: float = 10.0
    """Gradients are clipped to this norm, > 0."""
    novelty_bonus: float = 0.0
    """beta >= 0: beta / sqrt(visits) is added to targets' rewards for each observation that is new in its episode; see
    `lstm_rl.agents.observation_counts`."""
    novelty_bits: int = 32
    """Bits in [1, 62] of the code by which observations are told apart there."""

    def __post_init__(self) -> None:
        for name in ("buffer_size", "batch_size", "train_freq", "sequence_length", "n_steps"):
            check_int(name, getattr(self, name), 1)
        for name in ("learning_starts", "gradient_steps", "burn_in"):
            check_int(name, getattr(self, name), 0)
        if self.burn_in >= self.sequence_length:
            raise ValueError(
                f"burn_in must be shorter than sequence_length, which is {self.sequence_length}, got {self.burn_in}"
            )
        if self.period is not None:
            check_int("period", self.period, 1)
        for name in ("gamma", "lambda_", "priority_exponent", "importance_exponent", "priority_max_weight"):
            check_float(name, getattr(self, name), 0.0, 1.0)
        if self.n_steps == 1 and self.lambda_ < 1.0:
            raise ValueError(f"lambda_ must be 1 with n_steps 1, which has no longer returns, got {self.lambda_}")
        check_float("learning_rate", self.learning_rate, 0.0)
        check_float("novelty_bonus", self.novelty_bonus, 0.0)
        check_int("novelty_bits", self.novelty_bits, 1, 62)
        check_float("max_grad_norm", self.max_grad_norm, 0.0, open_low=True)
        if self.reward_scale != "auto":
            check_float("reward_scale", self.reward_scale, 0.0, open_low=True)
        check_choice("schedule", self.schedule, ("constant", "linear"))
        check_choice("state", self.state, ("zero", "stored", "recomputed"))

    @property
    def counts_observations(self) -> bool:
        """Whether visits are counted."""
        return self.novelty_bonus > 0.0

    @property
    def length(self) -> int:
        """Steps of a sequence in the buffer: with those that its last targets look ahead."""
        return self.sequence_length + self.n_steps

    @property
    def step_period(self) -> int:
        """Steps from the start of a sequence to that of the next."""
        return self.period or max(1, (self.sequence_length - self.burn_in) // 2)

    def override(self, settings: dict[str, Any]) -> Self:
        """A copy with other values of some fields.

        Raises:
            TypeError: There is no such field.
        """
        names = [field.name for field in fields(self)]
        for name in settings:
            if name not in names:
                raise TypeError(
                    f"{name} is no field of {type(self).__name__}: {', '.join(names)}; arguments of the network go "
                    "into policy_kwargs"
                )
        return replace(self, **settings)


@dataclass(frozen=True)
class DqnConfig(ReplayConfig):
    """Settings of `RecurrentDQN`."""

    target_update_interval: int = 1_000
    """Steps of all environments between two updates of the slow copy, >= 1."""
    tau: float = 1.0
    """Share of the learning network in such an update, in (0, 1]."""
    exploration_fraction: float = 0.2
    """Share of training over which exploration falls, in [0, 1]."""
    exploration_initial_eps: float = 1.0
    """Probability of a random action at first, in [0, 1]."""
    exploration_final_eps: float = 0.02
    """The same once exploration has fallen."""
    exploration_spread: float = 0.0
    """a >= 0: environment i of n explores with epsilon^(1 + a i / (n - 1)); 7 in R2D2, with epsilon .4."""
    exploration_visits: float = 0.0
    """c >= 0: where an observation has been seen N times, epsilon is at least c / (c + N)."""
    exploring_starts: float = 0.0
    """Probability in [0, 1] that an episode's first action is random; see `lstm_rl.agents.exploring_starts`."""
    duration_exponent: float | None = None
    """mu > 1: a random action is done for d steps, with P(d) ~ d^-mu; None: for one step. The source has 2; see
    `lstm_rl.agents.repeated_actions`."""
    exploration_duration: float = 1.0
    """M in [1, 10,000]: random actions last m steps in the mean, m drawn log-uniformly from [1, M] by each episode, and
    are a share epsilon of all steps. With exploration_returns, episodes that begin once returns differ take single
    steps. Not beside duration_exponent. See `lstm_rl.agents.repeated_actions`."""
    exploration_returns: int = 0
    """Episodes >= 0 with another return than the most frequent one, before which epsilon stays at its first value;
    0: it falls from the start. See `lstm_rl.agents.differing_returns`."""
    double: bool = True
    """The learning network chooses the action whose value by the slow copy counts; False: the copy does both."""
    rescale_values: bool = False
    """Learn h(value), h(x) = sign(x) (sqrt(|x| + 1) - 1) + .001 x, in place of values."""
    kappa: float = 1.0
    """Scale of advantages against values, in (0, 1]; 1: action values. See `lstm_rl.agents.sequence_loss.q_targets`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("target_update_interval", self.target_update_interval, 1)
        if self.reward_scale == "auto" and self.rescale_values:
            raise ValueError(
                "rescale_values must be False with reward_scale auto, which makes values of one size, got True"
            )
        for name in ("tau", "kappa"):
            check_float(name, getattr(self, name), 0.0, 1.0, open_low=True)
        for name in ("exploration_fraction", "exploration_initial_eps", "exploration_final_eps", "exploring_starts"):
            check_float(name, getattr(self, name), 0.0, 1.0)
        for name in ("exploration_spread", "exploration_visits"):
            check_float(name, getattr(self, name), 0.0)
        check_float("exploration_duration", self.exploration_duration, 1.0, MAX_DURATION)
        check_int("exploration_returns", self.exploration_returns, 0)
        if self.duration_exponent is not None:
            check_float("duration_exponent", self.duration_exponent, 1.0, open_low=True)
            if self.exploration_duration > 1.0:
                raise ValueError(
                    "exploration_duration must be 1 with duration_exponent, which is another law of durations, "
                    f"got {self.exploration_duration}"
                )

    @property
    def counts_observations(self) -> bool:
        """Whether visits are counted."""
        return self.novelty_bonus > 0.0 or self.exploration_visits > 0.0


@dataclass(frozen=True)
class Td3Config(ReplayConfig):
    """Settings of `RecurrentTD3`."""

    n_steps: int = 1
    """Steps of rewards before a target's value, >= 1."""
    tau: float = 0.005
    """Share of the learning networks in each update of their slow copies, in (0, 1]."""
    policy_delay: int = 2
    """Updates of the critics for one of the actor and of the slow copies, >= 1."""
    exploration_noise: float = 0.1
    """Standard deviation of what is added to actions, which are in [-1, 1], >= 0."""
    target_policy_noise: float = 0.2
    """The same of the slow actor's actions in targets."""
    target_noise_clip: float = 0.5
    """Bound of that noise, >= 0."""
    saturation_cost: float = 1e-3
    """Cost of u^2, of an action tanh u, in the actor's loss, >= 0: else an actor at a bound may not come back."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("policy_delay", self.policy_delay, 1)
        check_float("tau", self.tau, 0.0, 1.0, open_low=True)
        for name in ("exploration_noise", "target_policy_noise", "target_noise_clip", "saturation_cost"):
            check_float(name, getattr(self, name), 0.0)

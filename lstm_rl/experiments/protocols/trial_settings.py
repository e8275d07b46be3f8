"""Our settings for learning to learn, by the size of the task, found on seeds below 1000.

`PPO_SETTINGS` is for `trial_ppo` on running means, `PLANNING_SETTINGS` for `trial_pgpe` on networks that plan, and
`RECIPES` for the streaming rule `lstm_rl.agents.actor_critic` on exact cells: values of actions alone
(Advantage(lambda) with kappa = 1) come near the same policies and then lose them again, see docs/learning-to-learn.md.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lstm_rl.checks import check_float, check_int

if TYPE_CHECKING:
    from lstm_rl.envs.dynamics import World
    from lstm_rl.kernels.cells import Cells


@dataclass(frozen=True)
class PpoConfig:
    """How a network learns by `trial_ppo`, a budget and, unless it is given from outside, the network."""

    layers: tuple[tuple[int, int], ...]
    """Addresses and means of each layer, see `lstm_rl.nn.means`; unused with a network from outside."""
    hidden: int
    """tanh units of the readout."""
    steps: int
    """Environment steps of training."""
    last_action: int | None = None
    """Where in the observation the last action begins; given, all actions share their weights."""
    trials_per_update: int = 200
    """Whole trials that are played before each round of learning, >= 1."""
    n_minibatches: int = 4
    """Steps of Adam per epoch, each over an equal share of these trials."""
    n_epochs: int = 3
    """Passes over these trials."""
    learning_rate: float = 1e-2
    """Of Adam at the start; it falls to 0."""
    entropy_weight: float = 1e-2
    """At the start; it falls to 0."""
    lambda_: float = 0.97
    """Decay of advantages per step, besides gamma."""
    clip: float = 0.2
    """How far the probability of an action may move, as a share of it, until it is played anew."""
    reward_shift: float = 0.0
    """Taken off rewards before the value of states is learned."""
    reward_scale: float = 0.1
    """What rewards are multiplied by after that; inputs show raw ones."""


@dataclass(frozen=True)
class PgpeConfig:
    """How a network that plans learns by `trial_pgpe`, its size and a budget."""

    hidden: int
    """tanh units of `lstm_rl.nn.planning`."""
    steps: int
    """Environment steps of training."""
    pairs: int
    """Pairs of trials per update, >= 1."""
    sigma: float = 0.1
    """Standard deviation of exploring weights, > 0."""
    learning_rate: float = 5e-2
    """Of Adam at the start; it falls to 0."""

    def __post_init__(self) -> None:
        for name in ("hidden", "steps", "pairs"):
            check_int(name, getattr(self, name), 1)
        for name in ("sigma", "learning_rate"):
            check_float(name, getattr(self, name), 0.0, open_low=True)

    @property
    def trials_per_update(self) -> int:
        """Both of each pair."""
        return 2 * self.pairs


@dataclass(frozen=True)
class Recipe:
    """A network, a learning rule and a budget."""

    layers: tuple[tuple[str, int], ...]
    """Kinds of cells and how many of each, see `lstm_rl.kernels.cells.Cells`."""
    time_scales: tuple[float, float]
    """Trials that the first and the last cell remember at the start."""
    readout: int
    """tanh units between cells and outputs."""
    steps: int
    """Environment steps of training."""
    input_range: float = 2.0
    """Of the initial weights from inputs: what an arm paid is a product of two inputs; small weights do not see it."""
    greedy: bool = True
    """Whether tests take the most probable action; False: draw from the policy, as in training."""
    config: dict[str, Any] = field(default_factory=dict)
    """Fields of `lstm_rl.agents.config.Config` besides `COMMON`."""


COMMON: dict[str, Any] = {
    "rule": "actor_critic",
    "schedule": "linear",
    "rms_epsilon": 1e-8,
    "error_memory": 0,  # a trial is full of chance: errors never become small
    "previous_action": False,  # it is part of the observation
}
LONG = {"lambda_": 0.97, "learning_rate": 1e-3, "entropy_weight": 5e-3, "rms_memory": 10_000}
SHORT = LONG | {"entropy_weight": 3e-3, "averaging": 2000.0}
LESS = LONG | {"entropy_weight": 4e-3}
LONGER = LONG | {"lambda_": 0.99, "entropy_weight": 2e-3}
RECIPES: dict[str, tuple[tuple[int, Recipe], ...]] = {
    "BernoulliBandit": (
        (10, Recipe((("min_gru", 16),), (0.2, 1.0), 16, 6_000_000, config=SHORT)),
        (100, Recipe((("min_gru", 24),), (0.02, 1.0), 16, 120_000_000, config=LONG)),
        (500, Recipe((("min_gru", 32),), (0.005, 1.0), 16, 60_000_000, config=LONGER)),
    ),
    "TabularMDP": (
        (100, Recipe((("min_gru", 20),), (0.02, 3.0), 16, 60_000_000, config=LESS)),
        (1000, Recipe((("min_gru", 20),), (0.002, 3.0), 16, 60_000_000, config=LESS)),
    ),
    "DarkRoom": ((200, Recipe((("min_gru", 16),), (0.02, 5.0), 32, 8_000_000, greedy=False, config=LESS)),),
    "DarkKeyToDoor": ((500, Recipe((("min_gru", 16),), (0.02, 5.0), 32, 8_000_000, greedy=False, config=LESS)),),
}
"""By the name of the world and the steps of a trial, up to which a recipe is for."""
PER_ARM: dict[str, Any] = {"last_action": 1, "lambda_": 0.98, "reward_shift": 0.5}
PPO_SETTINGS: dict[str, tuple[tuple[int, PpoConfig], ...]] = {
    "BernoulliBandit": (
        (10, PpoConfig(((1, 4),), 10, 4_000_000, trials_per_update=500, reward_scale=0.5, **PER_ARM)),
        (100, PpoConfig(((1, 4),), 10, 15_000_000, trials_per_update=100, reward_scale=0.1, **PER_ARM)),
        (500, PpoConfig(((1, 4),), 10, 4_000_000, trials_per_update=50, reward_scale=0.02, **PER_ARM)),
    ),
    "TabularMDP": (
        (100, PpoConfig(((12, 8), (12, 6)), 24, 16_000_000, lambda_=0.95, reward_shift=1.0)),
        (1000, PpoConfig(((12, 8), (12, 6)), 24, 4_000_000, trials_per_update=40, lambda_=0.95, reward_shift=1.0)),
    ),
    "DarkRoom": ((200, PpoConfig(((1, 16),), 24, 20_000_000, trials_per_update=100, reward_scale=0.05)),),
}
"""The same."""
PLANNING_SETTINGS: dict[str, tuple[tuple[int, PgpeConfig], ...]] = {
    "TabularMDP": (
        (100, PgpeConfig(16, 2_500_000, 100)),
        (1000, PgpeConfig(16, 5_000_000, 50)),
    ),
}
"""The same for networks that plan."""


Chosen = TypeVar("Chosen")


def by_length(known: tuple[tuple[int, Chosen], ...], world: "World") -> Chosen:
    """The settings for a world; those of the longest trials for all that are longer."""
    assert world.max_steps is not None
    return next((chosen for steps, chosen in known if world.max_steps <= steps), known[-1][1])


def make_cells(chosen: Recipe, world: "World") -> "Cells":
    """The network for a world: a policy and the value of states."""
    from lstm_rl.kernels.cells import Cells

    n = world.max_steps
    assert n is not None
    shortest, longest = (max(scale * n, 1.0) for scale in chosen.time_scales)
    inputs, outputs = world.observation_space.shape[0], int(world.action_space.n) + 1
    return Cells(inputs, outputs, chosen.layers, chosen.readout, (shortest, longest), chosen.input_range)


def settings(chosen: Recipe, world: "World") -> dict[str, Any]:
    """Fields of `Config` for a world: the discount is 1 - 1 / n for trials of n steps."""
    n = world.max_steps
    assert n is not None
    return COMMON | {"horizon": n, "gamma": 1.0 - 1.0 / n} | chosen.config

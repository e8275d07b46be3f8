"""Our settings for learning to learn: the actor-critic rule on exact cells, by the size of the task.

Found on seeds below 1000. The learning rule is `lstm_rl.agents.actor_critic`: values of actions alone
(Advantage(lambda) with kappa = 1) come near the same policies and then lose them again, see docs/learning-to-learn.md.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstm_rl.envs.dynamics import World


@dataclass(frozen=True)
class Recipe:
    """A network, a learning rule and a budget."""

    cells: int
    """LSTM cells that see their own state."""
    readout: int
    """tanh units between cells and outputs."""
    steps: int
    """Environment steps of training."""
    config: dict[str, Any] = field(default_factory=dict)
    """Fields of `lstm_rl.agents.config.Config` besides `COMMON`."""


COMMON: dict[str, Any] = {
    "rule": "actor_critic",
    "lambda_": 0.9,
    "entropy_weight": 0.003,
    "rms_epsilon": 1e-8,
    "rms_memory": 0,
    "error_memory": 0,  # a trial is full of chance: errors never become small
    "averaging": 1e5,  # a tenth of training so far: what is averaged is long
    "schedule": "linear",
    "previous_action": False,  # it is part of the observation
}
INPUT_RANGE = 1.0
"""Of the initial weights from inputs: what an arm paid is a product of two inputs, which small weights do not see."""
MEMORY = 10.0
"""Trials that the cells remember at the start."""
RECIPES: dict[str, Recipe] = {
    "BernoulliBandit": Recipe(16, 16, 20_000_000, {"learning_rate": 3e-4}),
    "TabularMDP": Recipe(48, 32, 40_000_000, {"learning_rate": 3e-4}),
    "DarkRoom": Recipe(32, 32, 40_000_000, {"learning_rate": 3e-4}),
    "DarkKeyToDoor": Recipe(32, 32, 40_000_000, {"learning_rate": 3e-4}),
}
"""By the name of the world; `recipe` may know a better one for a size."""


def recipe(task: str) -> Recipe:
    """The settings for a task such as "BernoulliBandit arms=5 pulls=10"."""
    return RECIPES.get(task) or RECIPES[task.partition(" ")[0]]


def make_cells(chosen: Recipe, world: "World") -> Any:
    """The network for a world: a policy and the value of states."""
    from lstm_rl.kernels.cells import Cells

    assert world.max_steps is not None
    return Cells(
        world.observation_space.shape[0],
        int(world.action_space.n) + 1,
        (("self_lstm", chosen.cells),),
        chosen.readout,
        (MEMORY * world.max_steps, MEMORY * world.max_steps),
        INPUT_RANGE,
    )


def settings(chosen: Recipe, world: "World") -> dict[str, Any]:
    """Fields of `Config` for a world: the discount is 1 - 1 / n for trials of n steps."""
    n = world.max_steps
    assert n is not None
    return COMMON | {"horizon": n, "gamma": 1.0 - 1.0 / n, "readout": chosen.readout} | chosen.config

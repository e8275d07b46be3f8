"""Streams of controller and world model: how the compiled loop is called, and the position to save."""

import warnings
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.env_states import environment_states, layout, restore_environments
from lstm_rl.agents.learner import Transition
from lstm_rl.agents.loop import make_worlds, no_worlds
from lstm_rl.agents.world_model import ERROR, PAIN, PAINFUL, STEPS
from lstm_rl.agents.world_model_agent import GREEDY, Stage
from lstm_rl.agents.world_model_loop import run
from lstm_rl.agents.world_model_policy import WorldModelPolicy
from lstm_rl.compiled import flushed
from lstm_rl.envs.dynamics import NoiseTape, World, reset_rows
from lstm_rl.envs.rows import Rows, check_rows, check_transition

EPISODES_PER_CALL = 4096  # room for records of finished episodes
BLOCK = 4096  # steps between two drawings of noise

Episode = tuple[int, float, int, bool]
"""Row, return, length, success."""


class GreedyPlay(NamedTuple):
    """Results of greedy play."""

    pain: float
    """Mean per step."""
    painful: int
    """Steps with a pain of .01 or more."""
    episodes: list[Episode]


class Trainer:
    """``n`` streams of a policy, which learn into its parameters."""

    def __init__(self, policy: WorldModelPolicy, n: int, seed: int | None) -> None:
        self.policy, self.n = policy, n
        self.agent = policy.agent(n, None if seed is None else [seed, 1])
        shape = n, policy.sizes[0]
        self.transition = Transition(
            np.zeros(n, np.float32),
            np.zeros(n, np.bool_),
            np.zeros(n, np.bool_),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.float32),
        )
        self._no_worlds = no_worlds(*shape)

    def bind(self) -> None:
        """Work in the memory where the policy's parameters lie now."""
        fresh, agent = self.policy.agent(self.n, 0), self.agent
        model = agent.model._replace(parameters=fresh.model.parameters)
        controller = agent.controller._replace(parameters=fresh.controller.parameters)
        self.agent = agent._replace(model=model, controller=controller, moments=fresh.moments)

    def begin(self, observations: Any, stage: Stage, env: Any, timesteps: int = 0) -> None:
        """Choose first actions from the environments' first observations.

        Args:
            observations: (n, O)
            stage: Rates of exploration.
            env: Where they come from, for errors.
            timesteps: Of all environments so far, for errors.

        Raises:
            ValueError: An observation is not finite.
        """
        self.transition.first[:] = observations
        check_rows(env, "reset", "observation", self.transition.first, timesteps)
        self._run(self._no_worlds, stage, 1, np.empty((self.n, 4)), True)

    def learn_step(self, env: Any, stage: Stage, timesteps: int) -> dict[str, Any]:
        """Take one step of environments that have SB3's interface, and learn; return what SB3 tells callbacks.

        Raises:
            ValueError: A reward or an observation is not finite.
        """
        transition, space = self.transition, self.policy.action_space
        actions = self.agent.pending.values.astype(space.dtype)
        new_obs, rewards, dones, infos = env.step(actions.reshape(self.n, *(space.shape or ())))
        transition.reward[:], transition.first[:], transition.terminated[:] = rewards, new_obs, dones
        transition.observation[:], transition.truncated[:] = transition.first, False
        episodes = []
        for i in np.flatnonzero(dones):
            transition.truncated[i] = infos[i].get("TimeLimit.truncated", False)
            transition.terminated[i] = not transition.truncated[i]
            transition.observation[i] = infos[i]["terminal_observation"]
            episodes.append(infos[i])
        check_transition(env, transition, timesteps + self.n)
        self._run(self._no_worlds, stage, 1, np.empty((self.n, 4)), False)
        told = {"actions": actions, "new_obs": new_obs, "rewards": rewards, "dones": dones, "infos": infos}
        return told | {"episodes": episodes}

    def learn_rows(self, rows: Rows, stage: Stage, steps: int, timesteps: int) -> list[Episode]:
        """Take ``steps`` steps of worlds inside the compiled loop; return the episodes that came to an end."""
        finished, episodes = np.empty((EPISODES_PER_CALL + self.n, 4)), list[Episode]()
        rows.gather()
        try:
            while steps > 0:
                rows.tape.draw(min(steps, BLOCK) + 2)
                worlds = make_worlds(rows.world, rows.tape, rows.state, rows.elapsed, rows.observation)
                done, ended = self._run(worlds, stage, steps, finished, False)
                steps -= done
                episodes += [(int(i), r, int(length), bool(good)) for i, r, length, good in finished[:ended].tolist()]
                timesteps += done * self.n
                check_transition(rows, self.transition, timesteps + self.n)
        finally:
            rows.scatter()
        return episodes

    def _run(self, worlds: Any, stage: Stage, steps: int, finished: Any, starting: bool) -> tuple[int, int]:
        with flushed():
            return run(self.agent, worlds, self.transition, stage, steps, finished, starting)

    def log(self) -> dict[str, float]:
        """Means since the last call, by name."""
        sums, steps = self.agent.sums, self.agent.sums[STEPS]
        numbers = dict[str, float]()
        if steps:
            numbers = {"prediction_error": float(np.sqrt(sums[ERROR] / steps)), "pain": float(sums[PAIN] / steps)}
        sums[:] = 0.0
        parameters = {"model": self.agent.model.parameters, "controller": self.agent.controller.parameters}
        return numbers | {f"{name}_norm": float(np.linalg.norm(w)) for name, w in parameters.items()}

    # --- saving and exact resume -------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of the streams that are not part of the policy."""
        agent = self.agent
        own = {name: value for name, value in agent._asdict().items() if isinstance(value, np.ndarray)}
        nets = {"model": agent.model, "controller": agent.controller}
        return own | {"pending": agent.pending.values} | {f"{name}_state": net.state for name, net in nets.items()}

    def position(self, env: Any, observations: Any) -> dict[str, Any]:
        """Where training stands besides the policy: arrays, and the environments' state if they tell."""
        arrays = {name: value.copy() for name, value in self.arrays().items()}
        states = None if env is None else environment_states(env)
        return {"arrays": arrays, "envs": states, "observations": deepcopy(observations)}

    def restore(self, position: dict[str, Any], env: Any) -> Any:
        """Go on from a saved position; return the environments' observations, or ``None``, with a warning."""
        here = layout(environment_states(env))
        if len(position["arrays"]["x"]) != self.n or here is None or here != layout(position["envs"]):
            warnings.warn(
                "this environment gives no access to its state, or has another number of rows than the saved one: "
                "training goes on from the saved weights, but with new episodes",
                stacklevel=4,
            )
            return None
        for name, own in self.arrays().items():
            own[:] = position["arrays"][name]
        restore_environments(env, position["envs"])
        return position["observations"]

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take: arrays, not records of compiled code in the memory of this policy."""
        return {"policy": self.policy, "n": self.n, "arrays": {k: v.copy() for k, v in self.arrays().items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Trainer.__init__(self, state["policy"], state["n"], 0)
        for name, own in self.arrays().items():
            own[:] = state["arrays"][name]


def play(policy: WorldModelPolicy, world: World, n: int, steps: int, seed: int) -> GreedyPlay:
    """Play ``n`` rows of a world greedily for ``steps`` steps each, with the real pain as input; nothing is learned.

    Raises:
        ValueError: A reward or an observation is not finite.
    """
    trainer = Trainer(policy, n, seed)
    tape = NoiseTape([np.random.default_rng([seed, i]) for i in range(n)], world.noise_size)
    state, elapsed = np.zeros((n, len(world.state_names))), np.zeros(n, np.int64)
    observation = np.zeros((n, policy.sizes[0]), np.float32)
    tape.draw(1)
    rows = np.ones(n, np.bool_)
    reset_rows(world.rules, world.params, tape.values, tape.position, rows, state, elapsed, observation)
    trainer.begin(observation, GREEDY, world)
    finished, episodes, played = np.empty((EPISODES_PER_CALL + n, 4)), list[Episode](), 0
    while played < steps:
        tape.draw(min(steps - played, BLOCK) + 2)
        worlds = make_worlds(world, tape, state, elapsed, observation)
        done, ended = trainer._run(worlds, GREEDY, steps - played, finished, False)
        played += done
        episodes += [(int(i), r, int(length), bool(good)) for i, r, length, good in finished[:ended].tolist()]
        check_transition(world, trainer.transition, (played + 1) * n)
    sums = trainer.agent.sums
    return GreedyPlay(float(sums[PAIN] / sums[STEPS]), int(sums[PAINFUL]), episodes)


def balances(policy: WorldModelPolicy, world: World, starts: int, steps: int, seed: int) -> int:
    """How many of so many starts are survived for ``steps`` steps."""
    played = play(policy, replace(world, max_steps=steps), starts, steps, seed)
    first = dict[int, bool]()
    for row, _, _, success in played.episodes:
        first.setdefault(row, success)
    return sum(first.values())

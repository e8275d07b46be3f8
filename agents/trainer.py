"""Streams of a policy that learn: how the compiled loop is called, and the position to save and to go on from.

Nothing here knows of stable-baselines3's algorithms; `lstm_rl.agents.advantage_learning` is the adapter to them.
"""

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lstm_rl.agents.actor_critic import ActorCritic, make_actor_critic
from lstm_rl.agents.advantage_lambda import make_advantage_lambda
from lstm_rl.agents.env_states import environment_states, layout, restore_environments
from lstm_rl.agents.execution import execute
from lstm_rl.agents.exploration import Boltzmann, Directed
from lstm_rl.agents.learner import (
    ABS_ERROR,
    ENTROPY,
    ERROR,
    EXPLORATORY,
    LEVEL,
    STEPS,
    VALUE,
    make_learner,
    make_transition,
)
from lstm_rl.agents.loop import make_worlds, no_worlds, train
from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.compiled import entry_point
from lstm_rl.envs.rows import Rows, check_transition
from lstm_rl.kernels.approximator import learning_arrays

_NO_EPISODES = np.empty((0, 4))
EPISODES_PER_CALL = 4096  # room for records of finished episodes; a fuller chunk goes on in a second call

Arrays = dict[str, dict[str, NDArray[Any]]]
Episode = tuple[int, float, int, bool]
"""Row, return, length, success."""


def _make_rule(policy: MemoryPolicy, n: int) -> Any:
    if policy.rule == "actor_critic":
        return make_actor_critic(policy.config, policy.horizon, n, policy.outputs)
    return make_advantage_lambda(policy.config, policy.horizon, n)


class Trainer:
    """n streams at rest around a policy's weights.

    Args:
        policy: Its parameters are learnt, in place.
        n: Streams, one per environment.
        seed: Of exploration.
    """

    def __init__(self, policy: MemoryPolicy, n: int, seed: int | None) -> None:
        rng = np.random.default_rng(None if seed is None else [seed, 1])  # not that of the weights
        self.policy = policy
        self.learner = make_learner(policy, n, rng, _make_rule(policy, n))
        self.transition = make_transition(n, policy.sensors)
        self._no_worlds = no_worlds(n, policy.sensors)
        self._learning_rate = np.zeros(1)
        self._logged_weights: NDArray[Any] | None = None
        self._step: Callable[..., Any] | None = None  # the compiled code for one step, once it is needed

    # --- learning ----------------------------------------------------------------------------------------------------

    def begin(self, observations: Any, env: Any) -> None:
        """Choose first actions from the environments' first observations.

        Raises:
            ValueError: An observation is not finite.
        """
        self.bind()
        self.transition.first[:] = self._to_input(observations, len(self.transition.first), 0)
        self._learn(0.0, 0, env, starting=True)

    def bind(self) -> None:
        """Work in the memory where the policy's parameters lie now; to be called when others may have changed them.

        Raises:
            ValueError: A parameter is missing, frozen, or not what compiled code can work on.
        """
        self.learner = self.policy.rebind(self.learner)
        self.policy.acting_weights()  # an average of weights that somebody replaced starts anew

    def learn_step(self, env: Any, learning_rate: float, timesteps: int) -> dict[str, Any]:
        """Take one step of environments that have SB3's interface, and learn from it.

        Args:
            env: They stand where the streams' pending actions were chosen.
            learning_rate: >= 0.
            timesteps: Of all environments so far, for errors.

        Returns:
            What SB3 tells callbacks: actions, new_obs, rewards, dones, infos; and the infos of episodes that ended.

        Raises:
            ValueError: A reward or an observation is not finite.
        """
        transition, n, episodes = self.transition, len(self.transition.reward), list[dict[str, Any]]()
        last_action, decoder = self.learner.last_action, self.policy.decoder
        actions = decoder.decode(last_action.vector if decoder.dimensions else last_action.action)
        new_obs, rewards, dones, infos = env.step(actions)
        timesteps += n
        transition.reward[:] = rewards
        transition.first[:] = self._to_input(new_obs, n, timesteps)
        transition.observation[:] = transition.first
        transition.terminated[:] = dones
        transition.truncated[:] = False
        for i, done in enumerate(dones.tolist()):
            if done:
                transition.truncated[i] = infos[i].get("TimeLimit.truncated", False)
                transition.terminated[i] = not transition.truncated[i]
                transition.observation[i] = self._to_input(infos[i]["terminal_observation"], 1, timesteps)[0]
                episodes.append(infos[i])
        self._learn(learning_rate, timesteps, env)
        values = {"actions": actions, "new_obs": new_obs, "rewards": rewards, "dones": dones, "infos": infos}
        return values | {"episodes": episodes}

    def _to_input(self, observations: Any, n: int, timesteps: int) -> NDArray[Any]:
        """Observations of n rows as network input (n, I); numbers are checked by the compiled loop."""
        if isinstance(self.policy.observation_space, spaces.Box):
            x = np.reshape(observations, (n, -1))
            if x.shape[1] != self.policy.sensors:  # one number would be taken for all
                shape = self.policy.observation_space.shape
                raise ValueError(
                    f"observation must be of shape {shape} in each of {n} rows, got {np.shape(observations)} at time "
                    f"step {timesteps}"
                )
            return x
        try:
            return self.policy.encoder.encode(observations, n)
        except ValueError as error:
            raise ValueError(f"{error} at time step {timesteps}") from error

    def _learn(self, learning_rate: float, timesteps: int, env: Any, starting: bool = False) -> None:
        """Let every stream learn from `transition`, and choose its next action."""
        self.learner = self.policy.rebind(self.learner, quick=True)
        self._learning_rate[0] = learning_rate
        arguments = (self.learner, self._no_worlds, self.transition, self._learning_rate, _NO_EPISODES, starting)
        if self._step is None:
            self._step = entry_point(train, *arguments)
        done, _ = execute(self._step, *arguments)
        if done == 0:
            check_transition(env, self.transition, timesteps)
        average = self.policy.views(quick=True).average
        if average is not None and not starting:
            average.follow(1)

    def learn_rows(self, rows: Rows, learning_rates: NDArray[np.float64], timesteps: int) -> list[Episode]:
        """Train with the world inside the compiled loop.

        Args:
            rows: Of environments that stand where the streams' pending actions were chosen.
            learning_rates: (T,) of each of the next steps per row.
            timesteps: Of all environments so far, for errors.

        Returns:
            The episodes that came to an end.

        Raises:
            ValueError: A reward or an observation is not finite.
        """
        self.bind()
        n, steps = len(self.transition.reward), len(learning_rates)
        finished = np.empty((min(n * (steps + 1), EPISODES_PER_CALL + n), 4))
        done, episodes, average = 0, list[Episode](), self.policy.views().average
        rows.gather()
        try:
            while done < steps:
                rows.tape.draw(steps - done + steps // 8 + 2)
                worlds = make_worlds(rows.world, rows.tape, rows.state, rows.elapsed, rows.observation)
                rates = learning_rates[done:] if average is None else learning_rates[done:][: average.remaining()]
                count, ended = execute(train, self.learner, worlds, self.transition, rates, finished, False)
                done += count
                if average is not None:
                    average.follow(count)
                for row, total, length, success in finished[:ended].tolist():
                    episodes.append((int(row), total, int(length), bool(success)))
                check_transition(rows, self.transition, timesteps + (done + 1) * n)
        finally:
            rows.scatter()
        return episodes

    def last_step(self, ended: list[Episode], episodes: list[dict[str, Any]]) -> dict[str, Any]:
        """What `learn_step` would have told of the last step of `learn_rows`; ``episodes`` are infos of ``ended``."""
        transition = self.transition
        dones = transition.terminated | transition.truncated
        last = {row: info for (row, *_), info in zip(ended, episodes, strict=True)}
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": bool(cut)} for cut in transition.truncated]
        for i in np.flatnonzero(dones):
            infos[i] |= last[int(i)] | {"terminal_observation": transition.observation[i].copy()}
        return {"rewards": transition.reward.copy(), "dones": dones, "infos": infos}

    # --- the log -----------------------------------------------------------------------------------------------------

    def log(self) -> dict[str, float]:
        """Means since the last call, and norms: by name."""
        learner, policy = self.learner, self.policy
        steps, numbers = learner.sums[STEPS], dict[str, float]()
        if steps:
            parts = {"td_error": ERROR, "abs_td_error": ABS_ERROR}
            if isinstance(learner.rule, ActorCritic):
                parts |= {"entropy": ENTROPY, "value": VALUE}
            else:
                hot = isinstance(learner.exploration, (Boltzmann, Directed))
                parts |= {"exploratory_share": EXPLORATORY, "temperature" if hot else "exploration_rate": LEVEL}
            numbers = {name: float(learner.sums[part] / steps) for name, part in parts.items()}
        numbers["trace_norm"] = _norm(learning_arrays(learner.approximator)["traces"])
        weights = policy.weight_vector()
        if self._logged_weights is not None and self._logged_weights.shape == weights.shape and steps:
            numbers["step_norm"] = _norm(weights.astype(np.float64) - self._logged_weights) / steps
        numbers["weight_norm"] = _norm(weights)
        self._logged_weights = weights
        learner.sums[:] = 0.0
        return numbers

    # --- saving and exact resume -------------------------------------------------------------------------------------

    def arrays(self) -> Arrays:
        """All arrays of the learner that are not part of the policy."""
        learner, explorer = self.learner, self.learner.explorer
        rule = {name: value for name, value in learner.rule._asdict().items() if isinstance(value, np.ndarray)}
        return {
            "rule": rule,
            "approximator": learning_arrays(learner.approximator),
            "last_action": learner.last_action._asdict(),
            "scale": {name: getattr(learner.scale, name) for name in ("discounted", "largest", "steps")},
            "explorer": {
                name: getattr(explorer, name) for name in ("x", "y_hidden", "y_v", "repeated", "share", "generator")
            },
            "log": {"sums": learner.sums},
        }

    def position(self, env: Any, observations: Any = None) -> dict[str, Any]:
        """Where training stands, besides weights: arrays of the streams, and the environments' state if they tell.

        Args:
            env: The environments, if there are any.
            observations: What they showed last.
        """
        states = None if env is None else environment_states(env)
        return {"arrays": self._copied_arrays(), "envs": states, "observations": deepcopy(observations)}

    def restore(self, position: dict[str, Any], env: Any) -> Any:
        """Go on from a saved position: fill the streams, and put the environments, just reset, where they stood.

        Returns:
            The environments' observations; ``None``, with a warning, if environments of this kind or number cannot
            stand where the saved ones stood. Then nothing is changed.
        """
        rows, here = len(position["arrays"]["last_action"]["action"]), layout(environment_states(env))
        if rows != len(self.transition.reward) or here is None or here != layout(position["envs"]):
            warnings.warn(
                "this environment gives no access to its state, or has another number of rows than the saved one: "
                "training goes on from the saved weights, but with new episodes",
                stacklevel=4,
            )
            return None
        self._fill(position["arrays"])
        restore_environments(env, position["envs"])
        return position["observations"]

    def _copied_arrays(self) -> Arrays:
        return {part: {name: value.copy() for name, value in own.items()} for part, own in self.arrays().items()}

    def _fill(self, arrays: Arrays) -> None:
        for part, own in self.arrays().items():
            for name, array in own.items():
                array[:] = arrays[part][name]

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take: arrays, not records of compiled code in the memory of this policy."""
        arguments = self.policy, len(self.transition.reward), None
        return {"arguments": arguments, "arrays": self._copied_arrays(), "_logged_weights": self._logged_weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Trainer.__init__(self, *state["arguments"])
        self._logged_weights = state["_logged_weights"]
        self._fill(state["arrays"])


def _norm(values: NDArray[Any]) -> float:
    """The Euclidean norm, in double precision: squares of large 32-bit numbers overflow."""
    return float(np.linalg.norm(values.astype(np.float64)))

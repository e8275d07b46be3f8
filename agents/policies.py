"""`LstmPolicy`: the Torch parameters, and acting with an explicit state. Compiled kernels work on the same memory."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule

from lstm_rl.agents.advantage_lambda import normalise
from lstm_rl.agents.config import Config
from lstm_rl.agents.exploration import Explorer, choose, look, make_exploration, make_explorer
from lstm_rl.agents.learner import Normaliser
from lstm_rl.compiled import compiled
from lstm_rl.streaming.network import Net, Streams, Weights, forward, make_net, make_streams
from lstm_rl.topology import Layer, Topology

State = tuple[NDArray[Any], ...]
"""Activations (n, U), cell states (n, C), cell outputs (n, C), lasting random action (n, 2)."""


def input_size(space: gym.Space[Any]) -> int:
    """Network inputs for an observation space: Box and MultiBinary flattened, Discrete one-hot.

    Raises:
        ValueError: Any other space.
    """
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return int(np.prod(space.shape))
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    raise ValueError(f"observation_space must be Box, Discrete or MultiBinary, got {space}")


def to_input(space: gym.Space[Any], observation: Any, n: int) -> NDArray[np.float32]:
    """Observations of n rows as network input, (n, I) float32.

    Raises:
        ValueError: An observation holds NaN or infinity.
    """
    if isinstance(space, spaces.Discrete):
        x = np.zeros((n, int(space.n)), np.float32)
        index = np.asarray(observation).reshape(n) - int(space.start)
        if np.any((index < 0) | (index >= space.n)):
            raise ValueError(f"observation must be in {space}, got {observation}")
        x[np.arange(n), index] = 1.0
        return x
    x = np.ascontiguousarray(observation, np.float32).reshape(n, -1)
    if not np.isfinite(x).all():
        raise ValueError(f"observation must be finite numbers, got {observation}")
    return x


class LstmPolicy(BasePolicy):
    """An LSTM layer of any `Topology` whose outputs are Advantage values, one per action.

    Args:
        observation_space: Box, Discrete or MultiBinary.
        action_space: Discrete.
        lr_schedule: Unused; SB3 hands it to every policy.
        config: Network and exploration settings; the default is `Config()`.
        horizon: Steps that formulas for initial biases and exploration go by, >= 1.
        topology: Any network instead of the one that ``config`` describes; its inputs and outputs must fit.
        seed: Of initial weights and of exploration in `predict`.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        lr_schedule: Schedule,
        config: Config | None = None,
        horizon: int = 100,
        topology: Topology | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(observation_space, action_space)
        if not isinstance(action_space, spaces.Discrete):
            raise ValueError(f"action_space must be Discrete, got {action_space}")
        self.config = config or Config()
        self.horizon, self.seed = horizon, seed
        inputs, actions = input_size(observation_space), int(action_space.n)
        self.topology = topology or default_topology(self.config, inputs, actions, horizon)
        if (self.topology.inputs, self.topology.outputs) != (inputs, actions):
            raise ValueError(
                f"topology must have {inputs} inputs and {actions} outputs for these spaces, "
                f"got {self.topology.inputs} and {self.topology.outputs}"
            )
        rng = np.random.default_rng(seed)
        dtype = getattr(torch, self.config.precision)
        hidden, output = (torch.tensor(w, dtype=dtype) for w in self.topology.initial_weights(rng))
        units = self.config.explorer_hidden
        explorer = rng.uniform(-0.1, 0.1, (units, inputs + 1)), rng.uniform(-0.1, 0.1, units + 1)
        self.hidden_weights = torch.nn.Parameter(hidden)  # (M, U)
        self.output_weights = torch.nn.Parameter(output)  # (V, K)
        self.explorer_hidden = torch.nn.Parameter(torch.tensor(explorer[0]))  # (G, I + 1)
        self.explorer_output = torch.nn.Parameter(torch.tensor(explorer[1]))  # (G + 1,)
        self.register_buffer("hidden_square", torch.full_like(hidden, self.config.rms_initial))
        self.register_buffer("output_square", torch.full_like(output, self.config.rms_initial))
        self.register_buffer("observation_count", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("observation_mean", torch.zeros(inputs, dtype=torch.float64))
        self.register_buffer("observation_square", torch.zeros(inputs, dtype=torch.float64))
        self._acting: dict[int, tuple[Net, Streams, Explorer]] = {}

    def _get_constructor_parameters(self) -> dict[str, Any]:
        both = {"observation_space": self.observation_space, "action_space": self.action_space}
        return both | {
            "lr_schedule": self._dummy_schedule,
            "config": self.config,
            "horizon": self.horizon,
            "topology": self.topology,
            "seed": self.seed,
        }

    # --- the same memory, for compiled code --------------------------------------------------------------------------

    def weights(self) -> Weights:
        """Views of the parameters, not copies."""
        return Weights(
            *(self._view(name) for name in ("hidden_weights", "output_weights", "hidden_square", "output_square"))
        )

    def normaliser(self) -> Normaliser:
        """Views of the observation statistics, not copies."""
        return Normaliser(*(self._view(f"observation_{name}") for name in ("count", "mean", "square")))

    def explorer(self, n: int, rng: np.random.Generator) -> Explorer:
        """Exploration state of n streams around views of the explorer network."""
        return make_explorer(self._view("explorer_hidden"), self._view("explorer_output"), n, rng)

    def _view(self, name: str) -> NDArray[Any]:
        view: NDArray[Any] = getattr(self, name).detach().numpy()
        return view

    # --- acting ------------------------------------------------------------------------------------------------------

    def initial_state(self, n: int) -> State:
        """The state of n streams at the start of an episode."""
        u, c = self.topology.units, self.topology.cells
        dtype = self.config.precision
        return (
            np.zeros((n, u), dtype),
            np.zeros((n, c), dtype),
            np.zeros((n, c), dtype),
            np.zeros((n, 2), np.int64),
        )

    def predict(
        self,
        observation: Any,
        state: State | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], State]:
        """Choose actions and move the state, without learning.

        Args:
            observation: One observation or n of them.
            state: What the last call returned; ``None``: the initial state.
            episode_start: (n,) true where the observation is the first of an episode, whose state is then reset here.
            deterministic: Greedy; else with the learner's own exploration.

        Returns:
            Actions (n,), or a scalar array for one unbatched observation, and the next state.

        Raises:
            ValueError: The observation or the state does not fit, or an observation is not finite.
        """
        if isinstance(observation, (tuple, dict)):
            raise ValueError(
                "observation must be an array, got a "
                f"{type(observation).__name__}: env.reset() returns (observation, info)"
            )
        advantages, inputs, state = self._see(observation, state, episode_start)
        n = len(advantages)
        if deterministic:
            actions = advantages.argmax(axis=1)
        else:
            _, _, explorer = self._scratch(n)
            explorer.lasting[:] = state[3]
            actions = np.empty(n, np.int64)
            _choose_rows(make_exploration(self.config, self.horizon), explorer, advantages, inputs, actions)
            state = (*state[:3], explorer.lasting.copy())
        actions = actions + int(self.action_space.start)  # type: ignore[attr-defined]
        return (actions if self._batched(observation) else actions[0]), state

    def advantages(
        self, observation: Any, state: State | None = None, episode_start: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], State]:
        """Advantage values (n, K) and the next state; arguments as in `predict`."""
        advantages, _, state = self._see(observation, state, episode_start)
        return advantages, state

    def _see(
        self, observation: Any, state: State | None, episode_start: NDArray[Any] | None
    ) -> tuple[NDArray[Any], NDArray[np.float64], State]:
        shape, one = np.shape(observation), self.observation_space.shape or ()
        if shape != one and (shape[1:] != one or shape[0] == 0):
            raise ValueError(f"observation must be of shape {one} or (n, *{one}), got {shape}")
        n = len(observation) if self._batched(observation) else 1
        x = to_input(self.observation_space, observation, n)
        state = self.initial_state(n) if state is None else state
        if len(state) != 4 or state[0].shape != (n, self.topology.units):
            raise ValueError(
                f"state must be what predict returned for {n} rows of this network, got shapes "
                f"{[np.shape(part) for part in state]}"
            )
        if episode_start is not None and np.shape(episode_start) != (n,):
            raise ValueError(f"episode_start must be of shape ({n},), got {np.shape(episode_start)}")
        starts = np.zeros(n, np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_).reshape(n)
        net, streams, _ = self._scratch(n)
        for array, part in zip((streams.y, streams.s, streams.y_cells), state, strict=False):
            array[:] = part
        lasting = np.where(starts[:, None], 0, state[3])
        inputs = np.empty(x.shape)  # (n, I), what the network sees
        _forward_rows(
            net,
            self.weights(),
            streams,
            self.normaliser(),
            self.config.normalize_observations,
            self.config.observation_clip,
            x,
            starts,
            inputs,
        )
        moved = (streams.y.copy(), streams.s.copy(), streams.y_cells.copy(), lasting)
        return streams.outputs.copy(), inputs, moved

    def _batched(self, observation: Any) -> bool:
        return bool(np.ndim(observation) > len(self.observation_space.shape or ()))

    def _scratch(self, n: int) -> tuple[Net, Streams, Explorer]:
        if n not in self._acting:
            net = make_net(self.topology, self.config.precision)
            streams = make_streams(self.topology, n, self.config.precision)
            rng = np.random.default_rng(None if self.seed is None else [self.seed, 2, n])  # predict's own
            self._acting[n] = net, streams, self.explorer(n, rng)
        return self._acting[n]

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        """Actions for first observations; SB3 asks for this method. Use `predict`, which carries the state."""
        actions, _ = self.predict(np.asarray(observation), deterministic=deterministic)
        return torch.as_tensor(actions)


def default_topology(config: Config, inputs: int, actions: int, horizon: int) -> Topology:
    """The network that a configuration describes: hidden units and blocks of one cell with three gates."""
    sees: tuple[Layer, ...] = ("input", "hidden", "cells") if config.recurrent else ("input",)
    biased = ("hidden", "input_gate", "forget_gate", "output_gate", *(("cells",) if config.cell_bias else ()), "output")
    return Topology(
        inputs,
        actions,
        hidden=config.hidden,
        blocks=(1,) * config.cells,
        hidden_sees=sees,
        cells_see=sees,
        gates_see=sees,
        biased=biased,
        input_range=config.input_range,
        recurrent_range=config.recurrent_range,
        output_range=config.output_range,
        bias_range=config.bias_range,
        input_gate_bias=config.input_gate_bias,
        forget_gate_bias=config.forget_gate_bias_for(horizon),
        output_gate_bias=config.output_gate_bias,
    )


@compiled
def _forward_rows(
    net: Net,
    weights: Weights,
    streams: Streams,
    normaliser: Normaliser,
    normalising: bool,
    clip: float,
    x: Any,
    starts: Any,
    inputs: Any,
) -> None:
    """One step of all rows from observations ``x`` (n, I); leaves what the network saw in ``inputs`` (n, I)."""
    for i in range(x.shape[0]):
        if starts[i]:
            streams.y[i] = 0.0
            streams.s[i] = 0.0
            streams.y_cells[i] = 0.0
        if normalising:
            normalise(normaliser, clip, x[i], inputs[i])
        else:
            for m in range(x.shape[1]):
                inputs[i, m] = x[i, m]
        forward(net, weights, streams, i, inputs[i])


@compiled
def _choose_rows(exploration: Any, explorer: Explorer, advantages: Any, inputs: Any, actions: Any) -> None:
    for i in range(actions.shape[0]):
        look(explorer, i, inputs[i])
        actions[i] = choose(exploration, explorer, i, advantages[i])

"""Policies: the Torch parameters, and acting with an explicit state. Compiled kernels work on the same memory.

Each policy is `MemoryPolicy`, the adapter to SB3, around a model of `lstm_rl.agents.models`.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule

from lstm_rl.agents.config import Config, Gradient
from lstm_rl.agents.exploration import Explorer, argmax, choose, make_exploration, make_explorer, predict_error
from lstm_rl.agents.learner import Normaliser, normalise
from lstm_rl.agents.models import Boxes, Builder, Module, Network
from lstm_rl.agents.spaces import make_action_decoder, make_encoder
from lstm_rl.checks import check_int
from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import forward, reset, to_env_action
from lstm_rl.kernels.callback import reraising
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Layer, Topology

State = tuple[NDArray[Any], ...]
"""The model's own arrays (see its ``state``), a row per stream, and the lasting random action (n, 2)."""


class MemoryPolicy(BasePolicy):
    """What every policy here shares: exploration, observation statistics, acting with an explicit state.

    Args:
        observation_space: Whatever `lstm_rl.agents.spaces.make_encoder` takes.
        action_space: Discrete, MultiDiscrete or MultiBinary.
        lr_schedule: Unused; SB3 hands it to every policy.
        config: Network and exploration settings; the default is `Config()`.
        horizon: Steps that formulas for initial biases and exploration go by, >= 1.
        topology: Any network instead of the one that ``config`` describes; its inputs and outputs must fit.
        network: TorchPolicy: builds the module, see `lstm_rl.agents.models.Builder`.
        seed: Of initial weights and of exploration in `predict`.

    Raises:
        ValueError: An argument does not fit; the message names it.
    """

    hidden_weights: torch.nn.Parameter  # (M, U), of networks
    output_weights: torch.nn.Parameter  # (V, K), of networks

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        lr_schedule: Schedule,
        config: Config | None = None,
        horizon: int = 100,
        topology: Topology | None = None,
        network: Builder | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.encoder, self.decoder = make_encoder(observation_space), make_action_decoder(action_space)
        self.config = config or Config()
        self.horizon, self.network, self.seed = horizon, network, seed
        self.sensors = self.encoder.size  # I, numbers per observation
        rng = np.random.default_rng(seed)
        self.model = self._model(self.decoder.size, topology)
        dtype = getattr(torch, self.config.precision)
        for name, values in self.model.initial_weights(rng).items():
            weights = torch.tensor(values, dtype=dtype)
            self.register_parameter(f"{name}_weights", torch.nn.Parameter(weights))
            self.register_buffer(f"{name}_square", torch.full_like(weights, self.config.rms_initial))
        self.inputs = self.model.inputs  # I of the model: numbers per observation, and memory bits
        units = self.config.explorer_hidden
        explorer = rng.uniform(-0.1, 0.1, (units, self.inputs + 1)), rng.uniform(-0.1, 0.1, units + 1)
        self.explorer_hidden = torch.nn.Parameter(torch.tensor(explorer[0]))  # (G, inputs + 1)
        self.explorer_output = torch.nn.Parameter(torch.tensor(explorer[1]))  # (G + 1,)
        self.register_buffer("observation_count", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("observation_mean", torch.zeros(self.sensors, dtype=torch.float64))
        self.register_buffer("observation_square", torch.zeros(self.sensors, dtype=torch.float64))
        self._acting: dict[int, tuple[Any, Explorer]] = {}

    def _model(self, actions: int, topology: Topology | None) -> Network | Module | Boxes:
        """What the policy is made of."""
        raise NotImplementedError

    def _module(self, build: Builder, actions: int) -> Module:
        """A Torch network for these spaces."""
        return Module(build, self.sensors, actions, getattr(torch, self.config.precision), self.config.bptt_depth)

    @property
    def topology(self) -> Topology:
        """The network's.

        Raises:
            ValueError: The policy is a table.
        """
        if isinstance(self.model, Network):
            return self.model.topology
        raise ValueError(f"policy must be made of a topology, got {self.model}")

    def _get_constructor_parameters(self) -> dict[str, Any]:
        both = {"observation_space": self.observation_space, "action_space": self.action_space}
        return both | {
            "lr_schedule": self._dummy_schedule,
            "config": self.config,
            "horizon": self.horizon,
            "topology": self.topology if isinstance(self.model, Network) else None,
            "network": self.network,
            "seed": self.seed,
        }

    # --- the same memory, for compiled code --------------------------------------------------------------------------

    def weights(self) -> Any:
        """Views of the parameters that learning moves, not copies."""
        return self.model.weights(self._view)

    def approximator(self, n: int) -> Any:
        """N streams at rest around views of the parameters."""
        return self.model.approximator(self.weights(), n)

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
        approximator, _ = self._scratch(n)
        return (*(np.zeros_like(part) for part in self.model.state(approximator)), np.zeros((n, 2), np.int64))

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
        choices, _, after = self.act(observation, state, episode_start, deterministic)
        actions = self.decoder.decode(choices)
        return (actions[0] if self.encoder.count(observation) is None else actions), after

    def act(
        self,
        observation: Any,
        state: State | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[Any], State]:
        """As `predict`, before choices become actions: choices (n,), the Advantage values (n, K), the next state."""
        inputs, repeated = self._see(observation, state, episode_start)
        approximator, explorer = self._scratch(len(inputs))
        explorer.repeated[:] = repeated
        choices = np.empty(len(inputs), np.int64)
        exploration = make_exploration(self.config, self.horizon)
        _choose_rows(approximator, exploration, explorer, inputs, deterministic, choices)
        if not deterministic:
            repeated = explorer.repeated.copy()
        return choices, approximator.outputs.copy(), self._state(approximator, repeated)

    def advantages(
        self, observation: Any, state: State | None = None, episode_start: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], State]:
        """Advantage values (n, K) and the next state; arguments as in `predict`."""
        inputs, repeated = self._see(observation, state, episode_start)
        approximator, _ = self._scratch(len(inputs))
        return approximator.outputs.copy(), self._state(approximator, repeated)

    def _state(self, approximator: Any, repeated: NDArray[Any]) -> State:
        return (*(part.copy() for part in self.model.state(approximator)), repeated)

    def _see(
        self, observation: Any, state: State | None, episode_start: NDArray[Any] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Move the scratch streams by one step; return what they saw (n, inputs) and the lasting actions (n, 2)."""
        n = self.encoder.count(observation) or 1
        x = self.encoder.encode(observation, n)
        approximator, _ = self._scratch(n)
        arrays = self.model.state(approximator)
        state = self.initial_state(n) if state is None else state
        if [np.shape(part) for part in state] != [*(np.shape(part) for part in arrays), (n, 2)]:
            raise ValueError(
                f"state must be what predict returned for {n} rows of this network, got shapes "
                f"{[np.shape(part) for part in state]}"
            )
        if episode_start is not None and np.shape(episode_start) != (n,):
            raise ValueError(f"episode_start must be of shape ({n},), got {np.shape(episode_start)}")
        starts = np.zeros(n, np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_).reshape(n)
        for array, part in zip(arrays, state, strict=False):
            array[:] = part
        inputs = np.empty((n, self.inputs))
        clip = self.config.observation_clip if self.config.normalize_observations else 0.0
        with reraising(approximator):
            _forward_rows(approximator, self.normaliser(), clip, x, starts, inputs)
        return inputs, np.where(starts[:, None], 0, state[-1])

    def _scratch(self, n: int) -> tuple[Any, Explorer]:
        if n not in self._acting:
            rng = np.random.default_rng(None if self.seed is None else [self.seed, 2, n])  # predict's own
            self._acting[n] = self.approximator(n), self.explorer(n, rng)
        return self._acting[n]

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        """Actions for first observations; SB3 asks for this method. Use `predict`, which carries the state."""
        actions, _ = self.predict(np.asarray(observation), deterministic=deterministic)
        return torch.as_tensor(actions)


class LstmPolicy(MemoryPolicy):
    """An LSTM layer of any `Topology`, whose outputs are Advantage values, one per action."""

    def _model(self, actions: int, topology: Topology | None) -> Network:
        config = self.config
        topology = topology or default_topology(config, self.sensors, actions, self.horizon)
        return Network(_fitting(topology, self.sensors, actions), config.gradient, config.bptt_depth)


class ElmanPolicy(MemoryPolicy):
    """``Config.hidden`` units that see their own last outputs, by the complete gradient: bptt, or rtrl if asked for.

    The recurrent net of Bakker's comparison: a topology without memory blocks.
    """

    def _model(self, actions: int, topology: Topology | None) -> Network:
        config = replace(self.config, cells=0, recurrent=True)
        topology = topology or default_topology(config, self.sensors, actions, self.horizon)
        gradient: Gradient = "rtrl" if config.gradient == "rtrl" else "bptt"  # truncated there is no memory to learn
        return Network(_fitting(topology, self.sensors, actions), gradient, config.bptt_depth)


class MemoryBitsPolicy(MemoryPolicy):
    """A table of Advantage values over boxes of observations and memory bits, which actions switch (Peshkin 1999)."""

    def _model(self, actions: int, topology: Topology | None) -> Boxes:
        if topology is not None:
            raise ValueError(f"topology must be None for a table, got {topology}")
        if self.config.normalize_observations:
            raise ValueError("normalize_observations must be False for a table, whose boxes are fixed, got True")
        return Boxes(self.observation_space, actions, self.config.memory_bits, self.config.regions)


class GruPolicy(MemoryPolicy):
    """``Config.cells`` gated recurrent units (Cho et al. 2014), in Torch: see `lstm_rl.nn.streams`."""

    def _model(self, actions: int, topology: Topology | None) -> Module:
        return self._module(partial(GruNetwork, units=check_int("cells", self.config.cells, 1)), actions)


class SlstmPolicy(MemoryPolicy):
    """``Config.cells`` sLSTM cells (xLSTM, Beck et al. 2024), in Torch."""

    def _model(self, actions: int, topology: Topology | None) -> Module:
        return self._module(partial(SlstmNetwork, units=check_int("cells", self.config.cells, 1)), actions)


class TorchPolicy(MemoryPolicy):
    """Anybody's Torch module with the interface `lstm_rl.nn.network.Network`, built by ``policy_kwargs["network"]``."""

    def _model(self, actions: int, topology: Topology | None) -> Module:
        if self.network is None:
            raise ValueError("network must be given in policy_kwargs: a class or function that builds the module")
        return self._module(self.network, actions)


_ALL = (LstmPolicy, ElmanPolicy, GruPolicy, SlstmPolicy, TorchPolicy, MemoryBitsPolicy)
POLICIES = {policy.__name__: policy for policy in _ALL}


def _fitting(topology: Topology, inputs: int, actions: int) -> Topology:
    if (topology.inputs, topology.outputs) != (inputs, actions):
        raise ValueError(
            f"topology must have {inputs} inputs and {actions} outputs for these spaces, "
            f"got {topology.inputs} and {topology.outputs}"
        )
    return topology


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
        forget_range=config.forget_range,
        recurrent_range=config.recurrent_range,
        output_range=config.output_range,
        bias_range=config.bias_range,
        input_gate_bias=config.input_gate_bias_for(horizon),
        forget_gate_bias=config.forget_gate_bias_for(horizon),
        output_gate_bias=config.output_gate_bias,
    )


@compiled
def _forward_rows(approximator: Any, normaliser: Normaliser, clip: float, x: Any, starts: Any, inputs: Any) -> None:
    """One step of all rows from observations ``x`` (n, I), normalised unless ``clip`` is 0; leaves what was seen."""
    for i in range(x.shape[0]):
        if starts[i]:
            reset(approximator, i)
        if clip > 0.0:
            normalise(normaliser, clip, x[i], inputs[i])
        else:
            for m in range(x.shape[1]):
                inputs[i, m] = x[i, m]
        forward(approximator, i, inputs[i])


@compiled
def _choose_rows(
    approximator: Any, exploration: Any, explorer: Explorer, inputs: Any, greedy: bool, actions: Any
) -> None:
    for i in range(actions.shape[0]):
        advantages = approximator.outputs[i]
        if greedy:
            k = argmax(advantages)
        else:
            predict_error(exploration, explorer, i, inputs[i])
            k = choose(exploration, explorer, i, advantages)
        actions[i] = to_env_action(approximator, i, k)

"""`MemoryPolicy`, the adapter to SB3 of a model of `lstm_rl.agents.models`.

It owns the Torch parameters that compiled kernels work on, and acts with an explicit state.
"""

import threading
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch.nn.utils import parameters_to_vector

from lstm_rl.agents.acting import choose_rows, forward_rows
from lstm_rl.agents.averaging import Average, register_average
from lstm_rl.agents.carried_state import check_carried
from lstm_rl.agents.config import Config
from lstm_rl.agents.distributions import Categorical, Gaussian
from lstm_rl.agents.exploration import Explorer, make_exploration, make_explorer
from lstm_rl.agents.learner import Learner, Normaliser
from lstm_rl.agents.models import Boxes, Builder, Module, Network
from lstm_rl.agents.parameters import addresses, array_of, check_cast, check_learnable, check_numbers, fill, kinds
from lstm_rl.agents.scale import Sizes
from lstm_rl.agents.spaces import make_action_decoder, make_encoder
from lstm_rl.kernels.approximator import state_arrays
from lstm_rl.kernels.callback import reraising
from lstm_rl.kernels.cells import Cells
from lstm_rl.nn.streams import layout_of
from lstm_rl.topology import Topology

State = tuple[NDArray[Any], ...]
"""What `lstm_rl.kernels.approximator.state_arrays` gives, a row per stream, and the repeated random action (n, 2)."""


EXPLORER = ("explorer_hidden", "explorer_output")  # parameters that directed exploration alone moves


class Views(NamedTuple):
    """Arrays in the memory of a policy's parameters and buffers, for compiled code."""

    weights: Any  # see the model
    normaliser: Normaliser
    sizes: Sizes
    average: Average | None  # of the weights, which then acts
    explorer_hidden: NDArray[np.float64]  # (G, inputs + 1)
    explorer_output: NDArray[np.float64]  # (G + 1,)


class MemoryPolicy(BasePolicy):
    """What every policy here shares: exploration, observation statistics, acting with an explicit state.

    Parameters and buffers are the truth; compiled code works in their memory. Torch, stable-baselines3 and users may
    write them, replace them and their memory, share and copy them at any time: `views` finds out, before each call of
    compiled code, and what it cannot work with is refused. Values of another floating-point type are taken over in the
    type of `Config.precision`.

    Args:
        observation_space: Whatever `lstm_rl.agents.spaces.make_encoder` takes.
        action_space: Discrete, MultiDiscrete, MultiBinary, or Box with bounds.
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
    network: torch.nn.Module  # of Torch policies

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        lr_schedule: Schedule,
        config: Config | None = None,
        horizon: int = 100,
        topology: Topology | Cells | None = None,
        network: Builder | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.encoder, self.decoder = make_encoder(observation_space), make_action_decoder(action_space)
        self.config = config or Config()
        self.horizon, self.seed, self._builder = horizon, seed, network
        self.sensors = self.encoder.size  # I, numbers per observation
        rng = np.random.default_rng(seed)
        self.rule = self.config.rule_for(self.decoder.dimensions > 0)
        self.outputs = self.decoder.size + (self.rule == "actor_critic")  # K: an actor-critic's last one is the value
        self.model = self._model(self.outputs, topology)
        if isinstance(self.model, Module):
            self.network = self.model.make(int(rng.integers(2**31)))
            self._take_over_layout()
        else:
            for name, values in self.model.initial_weights(rng).items():
                weights = torch.tensor(values, dtype=self._dtype)
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
        self.register_buffer("size_returns", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("size_errors", torch.zeros(2, dtype=torch.float64))
        if self.averaging:
            register_average(self)
        self._kinds = kinds(self)
        self._forget()

    @property
    def _dtype(self) -> torch.dtype:
        dtype: torch.dtype = getattr(torch, self.config.precision)
        return dtype

    def _forget(self) -> None:
        """Have no views of any memory yet, and no scratch to act in."""
        self._views: tuple[Any, Views] | None = None
        self._acting: dict[int, tuple[Any, Explorer]] = {}
        self._lock = threading.RLock()  # of the scratch: threads take turns

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_views", "_acting", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._forget()

    def _model(self, actions: int, topology: Topology | Cells | None) -> Network | Module | Boxes:
        """What the policy is made of."""
        raise NotImplementedError

    def _module(self, build: Builder, actions: int) -> Module:
        """A Torch network for these spaces."""
        return Module(build, self.sensors, actions, self._dtype, self.config.bptt_depth)

    @property
    def topology(self) -> Topology:
        """The network's.

        Raises:
            ValueError: The policy is a table, or made of exact cells.
        """
        if isinstance(self.model, Network) and isinstance(self.model.topology, Topology):
            return self.model.topology
        raise ValueError(f"policy must be made of a topology, got {self.model}")

    def _get_constructor_parameters(self) -> dict[str, Any]:
        both = {"observation_space": self.observation_space, "action_space": self.action_space}
        return both | {
            "lr_schedule": self._dummy_schedule,
            "config": self.config,
            "horizon": self.horizon,
            "topology": self.model.topology if isinstance(self.model, Network) else None,
            "network": self._builder,
            "seed": self.seed,
        }

    # --- the same memory, for compiled code --------------------------------------------------------------------------

    def views(self, quick: bool = False) -> Views:
        """Views of what compiled code works on, where it lies now; the same object as long as it stays there.

        Args:
            quick: Look at addresses only, 1 us; else at shapes and types as well.

        Raises:
            ValueError: A parameter or buffer is missing, or not what compiled code can work on.
        """
        where = self._where()
        if self._views is None or self._views[0] != where or not (quick or kinds(self) == self._kinds):
            if "network" in self._modules:
                self._take_over_layout()
            names = ("count", "mean", "square")
            weights = self.model.weights(self._view)
            views = Views(
                weights,
                Normaliser(*(self._view(f"observation_{name}") for name in names)),
                Sizes(self._view("size_returns"), self._view("size_errors")),
                self._average(weights),
                *map(self._view, EXPLORER),
            )
            self._views = where, views
        return self._views[1]

    def _where(self) -> Any:
        if "network" in self._modules:
            return addresses(self), self.network, layout_of(self.network)
        return addresses(self)

    def _average(self, weights: Any) -> Average | None:
        if not self.averaging:
            return None
        average, average_of, steps = map(self._view, ("average", "average_of", "average_steps"))
        return Average(weights, average, average_of, steps, self.averaging * self.horizon)

    @property
    def averaging(self) -> float:
        """Horizons that the weights which act are averaged over, see `lstm_rl.agents.averaging`; 0: the last ones act.

        Torch networks and tables act with the last ones.
        """
        return self.config.averaging if isinstance(self.model, Network) else 0.0

    def weights(self) -> Any:
        """Views of the parameters that learning moves, not copies."""
        return self.views().weights

    def acting_weights(self, quick: bool = False) -> Any:
        """Views of what acts: those parameters, or their average."""
        views = self.views(quick)
        if views.average is None:
            return views.weights
        views.average.check()
        return views.average.weights

    def approximator(self, n: int, learns: bool = False) -> Any:
        """N streams at rest around views of the weights that act, or of those that learning moves."""
        return self.model.approximator(self.weights() if learns else self.acting_weights(), n)

    def normaliser(self) -> Normaliser:
        """Views of the observation statistics, not copies."""
        return self.views().normaliser

    def sizes(self) -> Sizes:
        """Views of the sizes of returns and errors, not copies."""
        return self.views().sizes

    def explorer(self, n: int, rng: np.random.Generator) -> Explorer:
        """Exploration state of n streams around views of the explorer network."""
        views = self.views()
        return make_explorer(views.explorer_hidden, views.explorer_output, n, rng)

    def exploration(self) -> Any:
        """How actions are chosen, for compiled code: by the configuration, or drawn from the actor's distribution."""
        if self.rule == "actor_critic":
            return Gaussian() if self.decoder.dimensions else Categorical()
        return make_exploration(self.config, self.horizon)

    def rebind(self, learner: Learner, quick: bool = False) -> Learner:
        """The learner around the memory of now; to be called before each call of compiled code that learns.

        Args:
            learner: Made around the views of this policy.
            quick: As in `views`; else also look whether all can learn.

        Raises:
            ValueError: As `views`, and if a weight is frozen that compiled code would move.
        """
        views = self._views
        if quick and views and views[0] == self._where() and learner.explorer.hidden is views[1].explorer_hidden:
            return learner
        approximator, explorer = self._around(learner.approximator, learner.explorer, self.views(quick).weights)
        if not quick:
            check_learnable(self, () if self.config.exploration == "directed" else EXPLORER)
        if explorer is learner.explorer:
            return learner
        now = self.views(quick)
        scale = learner.scale._replace(sizes=now.sizes)
        return learner._replace(approximator=approximator, explorer=explorer, normaliser=now.normaliser, scale=scale)

    def _around(self, approximator: Any, explorer: Explorer, weights: Any) -> tuple[Any, Explorer]:
        """Both around the memory of the present views, of whose ``weights``."""
        views = self.views(quick=True)
        if explorer.hidden is views.explorer_hidden:
            return approximator, explorer
        explorer = explorer._replace(hidden=views.explorer_hidden, output=views.explorer_output)
        return self.model.rebind(approximator, weights), explorer

    def weight_vector(self) -> NDArray[Any]:
        """A copy of all weights that learning moves, but those of the explorer, (P,)."""
        named = [w for name, w in self.named_parameters() if name not in EXPLORER]
        vector: NDArray[Any] = parameters_to_vector(named).detach().numpy()
        return vector

    def check_finite(self) -> None:
        """Refuse to work with weights and statistics that are not finite.

        Raises:
            NotFiniteError: A number is NaN or infinite; a ValueError.
        """
        check_numbers(self.state_dict(), "policy")

    def load_state_dict(self, state_dict: Any, *arguments: Any, **keywords: Any) -> Any:
        """Fill parameters and buffers; see `torch.nn.Module.load_state_dict`.

        Raises:
            ValueError: A value is not finite; nothing has been changed.
        """
        check_numbers(state_dict, "policy")
        return super().load_state_dict(state_dict, *arguments, **keywords)

    def load_from_vector(self, vector: NDArray[Any]) -> None:
        """Fill all parameters from what `parameters_to_vector` gives; SB3's would round them to 32 bits."""
        fill(self, torch.as_tensor(vector))

    def _view(self, name: str) -> Any:
        return self._modules[name] if name in self._modules else array_of(self, name, *self._kinds[name])

    def _take_over_layout(self) -> None:
        """Fit types of a Torch network's parameters, and mean squares to parameters that are others than before."""
        layout, before = layout_of(self.network), getattr(self, "_layout", None)
        if layout == before:
            return
        if before is not None and [part[:2] for part in layout] == [part[:2] for part in before]:
            for parameter, (_, _, dtype) in zip(self.network.parameters(), before, strict=True):
                parameter.data = parameter.data.to(dtype)
            return
        count = sum(parameter.numel() for parameter in self.network.parameters())
        square = torch.full((count,), self.config.rms_initial, dtype=self._dtype)
        self.register_buffer("network_square", square)
        self._layout = layout
        if before is not None:
            self._kinds["network_square"] = square.shape, square.dtype

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        check_cast(fn, self._dtype)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    # --- acting ------------------------------------------------------------------------------------------------------

    def initial_state(self, n: int) -> State:
        """The state of n streams at the start of an episode."""
        with self._lock:
            approximator, _ = self._scratch(n)
        return (*(np.zeros_like(part) for part in state_arrays(approximator)), np.zeros((n, 2), np.int64))

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
            deterministic: Greedy, which is an actor's likeliest action or its means; else with the learner's own
                exploration, or drawn from the actor's distribution.

        Returns:
            Actions (n, *shape of one), or one action for one unbatched observation, and the next state.

        Raises:
            ValueError: The observation or the state does not fit, or an observation or a weight is not finite.
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
    ) -> tuple[NDArray[Any], NDArray[Any], State]:
        """As `predict`, before choices become actions, and with the outputs.

        Returns:
            Choices (n,), or vectors (n, d) of a continuous action; what `advantages` returns.
        """
        with self._lock:
            inputs, repeated, approximator, explorer = self._see(observation, state, episode_start)
            explorer.repeated[:] = repeated
            choices, vectors = np.empty(len(inputs), np.int64), np.empty((len(inputs), self.decoder.dimensions))
            choose_rows(approximator, self.exploration(), explorer, inputs, deterministic, choices, vectors)
            if not deterministic:
                repeated = explorer.repeated.copy()
            return (
                vectors if self.decoder.dimensions else choices,
                approximator.outputs.copy(),
                self._state(approximator, repeated),
            )

    def advantages(
        self, observation: Any, state: State | None = None, episode_start: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], State]:
        """Advantage values (n, K) and the next state; arguments as in `predict`.

        Of an actor-critic all outputs: the parameters of its distribution, see `lstm_rl.agents.distributions` (logits,
        or d means and d spreads), and last the value of the state.
        """
        with self._lock:
            _, repeated, approximator, _ = self._see(observation, state, episode_start)
            return approximator.outputs.copy(), self._state(approximator, repeated)

    def _state(self, approximator: Any, repeated: NDArray[Any]) -> State:
        return (*(part.copy() for part in state_arrays(approximator)), repeated)

    def _see(
        self, observation: Any, state: State | None, episode_start: NDArray[Any] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], Any, Explorer]:
        """Move the scratch streams by one step.

        Returns:
            What they saw (n, inputs), the actions that are repeated (n, 2), the scratch streams, their exploration.
        """
        n = self.encoder.count(observation) or 1
        x = self.encoder.encode(observation, n)
        approximator, explorer = self._scratch(n)
        arrays = state_arrays(approximator)
        state = self.initial_state(n) if state is None else state
        starts = check_carried(state, [*(np.shape(part) for part in arrays), (n, 2)], episode_start, n)
        for array, part in zip(arrays, state, strict=False):
            array[:] = part
        inputs = np.empty((n, self.inputs))
        clip = self.config.observation_clip if self.config.normalize_observations else 0.0
        with reraising(approximator):
            forward_rows(approximator, self.views(quick=True).normaliser, clip, x, starts, inputs)
        if not np.isfinite(approximator.outputs).all():
            self.check_finite()
            if np.isnan(approximator.outputs).any():
                raise ValueError(
                    f"advantages must be numbers, got {approximator.outputs} from this observation and state"
                )
        return inputs, np.where(starts[:, None], 0, state[-1]), approximator, explorer

    def _scratch(self, n: int) -> tuple[Any, Explorer]:
        if n in self._acting:
            self._acting[n] = self._around(*self._acting[n], self.acting_weights())
        else:
            rng = np.random.default_rng(None if self.seed is None else [self.seed, 2, n])  # predict's own
            self._acting[n] = self.approximator(n), self.explorer(n, rng)
        return self._acting[n]

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        """Actions for first observations; SB3 asks for this method. Use `predict`, which carries the state."""
        actions, _ = self.predict(np.asarray(observation), deterministic=deterministic)
        return torch.as_tensor(actions)

"""What the policies of replay learners share: they act with an explicit state, and hold the networks and slow copies.

The two policies are in `replay_policies`.

Dimensions: T time, B batch, n rows, K actions, d numbers of a continuous action.
"""

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.common.utils import polyak_update
from torch import Tensor, nn

from lstm_rl.agents.carried_state import check_carried
from lstm_rl.agents.integer_codes import IntegerCodes
from lstm_rl.agents.models import Builder
from lstm_rl.agents.parameters import check_numbers
from lstm_rl.agents.replay_networks import Body, Shape
from lstm_rl.agents.sequence_buffer import Spec
from lstm_rl.agents.spaces import make_action_decoder, make_encoder
from lstm_rl.checks import check_int
from lstm_rl.topology import Topology

State = tuple[NDArray[Any], ...]
"""The parts of the core's state (n, S), and the last action: (n,) choices, -1 for none, or (n, d)."""

CNN_SIDE = 36  # pixels that SB3's NatureCNN needs at least


def _adam(parameters: Any, rate: float, epsilon: float) -> torch.optim.Optimizer:
    """Adam in one kernel: a quarter of the time of the loop over small tensors, which shows in short updates."""
    return torch.optim.Adam(parameters, rate, eps=epsilon, fused=True)


class ReplayPolicy(BasePolicy):
    """What both policies share: a body, its slow copy, observation statistics, acting.

    Args:
        observation_space: Whatever `lstm_rl.agents.spaces.make_encoder` takes; images of 36 pixels or more go through
            SB3's NatureCNN, everything else becomes a vector.
        action_space: Discrete, MultiDiscrete, MultiBinary, or Box with bounds.
        lr_schedule: Learning rate from the remaining progress (1 .. 0).
        core: "lstm", "gru", "slstm", a `Topology` of ``embedding`` inputs and ``features`` outputs, or a builder of
            such modules, see `lstm_rl.agents.replay_networks.make_core`.
        units: Units of the core, >= 1.
        embedding: Units of the layer before the core, >= 1.
        features: Units of the layer behind it, >= 1.
        horizon: Steps that the longest memories begin with, >= 1.
        previous_action: Show the action before to the network; `predict` takes it that what it returned was done.
        normalize_observations: Vectors less their running mean, divided by their standard deviation, cut off at +-5.
        features_extractor_class: SB3's extractor of images, another than NatureCNN.
        features_extractor_kwargs: Its arguments.
        seed: Of the core's initial weights and of exploration in `predict`.
        integer_codes: Integers in observations, unless pixels, as one-hot codes or binary digits, see
            `lstm_rl.agents.integer_codes`; False: as numbers.
        averaging: `predict` plays with weights that are averaged over so many of the last updates, exponentially (over
            all updates while there are fewer, each alike); 0: with the last ones, as training always does.
        adam_epsilon: Of the optimiser; of an actor's it is 1e-8.

    Raises:
        ValueError: An argument does not fit; the message names it.
    """

    count: Tensor
    mean: Tensor
    square: Tensor
    updates: Tensor  # in the average

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        lr_schedule: Schedule,
        *,
        core: str | Builder | Topology = "lstm",
        units: int = 64,
        embedding: int = 64,
        features: int = 64,
        horizon: int = 100,
        previous_action: bool = False,
        normalize_observations: bool = True,
        integer_codes: bool = False,
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        averaging: int = 0,
        adam_epsilon: float = 1e-5,
        **more: Any,
    ) -> None:
        super().__init__(observation_space, action_space)
        for name, value in (("units", units), ("embedding", embedding), ("features", features), ("horizon", horizon)):
            check_int(name, value, 1)
        self.averaging = check_int("averaging", averaging, 0)
        self.encoder, self.decoder = make_encoder(observation_space), make_action_decoder(action_space)
        self.sizes = Shape(units, embedding, features, horizon)
        self.rng, self.exploration_rate = np.random.default_rng(seed), 0.0
        image = self.encoder.parts[0] if len(self.encoder.parts) == 1 and self.encoder.parts[0].image else None
        self.pixels = image is not None and (features_extractor_class is not None or min(image.shape[1:]) >= CNN_SIDE)
        extractor, inputs = None, self.encoder.size
        if self.pixels:
            kind: Any = features_extractor_class or NatureCNN
            extractor = kind(observation_space, **(features_extractor_kwargs or {}))
            inputs = extractor.features_dim
        elif features_extractor_class is not None:
            raise ValueError(f"features_extractor_class must be None but for images, got {features_extractor_class}")
        self.codes = IntegerCodes(self.encoder) if integer_codes and not self.pixels else None
        if self.codes is not None:
            inputs = self.codes.size
        self.normalizes = normalize_observations and not self.pixels
        for name, start in (("count", torch.zeros(1)), ("mean", torch.zeros(inputs)), ("square", torch.zeros(inputs))):
            self.register_buffer(name, start)
        shown = previous_action * (self.decoder.dimensions or self.decoder.size)
        self.net = nn.ModuleDict({"body": Body(extractor, inputs, shown, self.continuous, core, self.sizes, seed)})
        self._add_heads(**more)
        self.target = copy.deepcopy(self.net).requires_grad_(False)
        if averaging:
            self.average = copy.deepcopy(self.target)
            self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self._kind = type(self.body.core.initial_state(1))
        self._arguments = {
            "core": core,
            "units": units,
            "embedding": embedding,
            "features": features,
            "horizon": horizon,
            "previous_action": previous_action,
            "normalize_observations": normalize_observations,
            "integer_codes": integer_codes,
            "features_extractor_class": features_extractor_class,
            "features_extractor_kwargs": features_extractor_kwargs,
            "seed": seed,
            "averaging": averaging,
            "adam_epsilon": adam_epsilon,
        } | more
        self._add_optimizers(lambda parameters: _adam(parameters, lr_schedule(1.0), adam_epsilon))

    def _add_heads(self, **more: Any) -> None:
        """Add what stands on the body to ``self.net``."""
        raise NotImplementedError

    def _add_optimizers(self, make: Callable[[Any], torch.optim.Optimizer]) -> None:
        self.optimizer = make(self.net.parameters())

    def _get_constructor_parameters(self) -> dict[str, Any]:
        both = {"observation_space": self.observation_space, "action_space": self.action_space}
        return both | {"lr_schedule": self._dummy_schedule} | self._arguments

    @property
    def body(self) -> Any:
        """The `Body` that learns and acts."""
        return self.net["body"]

    @property
    def continuous(self) -> bool:
        """Whether actions are vectors."""
        return self.decoder.dimensions > 0

    @property
    def spec(self) -> Spec:
        """What a buffer has to hold of a step."""
        shape = self.encoder.parts[0].shape if self.pixels else (self.encoder.size,)
        parts = tuple(part.shape[1] for part in self.body.core.initial_state(1))
        action, choices = ((self.decoder.dimensions,), 0) if self.continuous else ((), self.decoder.size)
        return Spec(tuple(shape), self.pixels, action, choices, parts)

    # --- numbers in and out ------------------------------------------------------------------------------------------

    def encode(self, observation: Any, n: int) -> NDArray[Any]:
        """Observations of n rows as the buffer holds them, ``(n, *shape)``."""
        if self.pixels:
            return self.encoder.parts[0].array(observation).reshape(n, *self.encoder.parts[0].shape)
        return self.encoder.encode(observation, n)

    def inputs(self, x: Tensor) -> Tensor:
        """What the buffer holds as what the body sees."""
        like = next(self.parameters())
        x = x.to(like.dtype)
        if self.pixels:
            return x / 255.0
        if self.codes is not None:
            x = self.codes(x)
        if not self.normalizes or self.count < 2:
            return x
        deviation = torch.sqrt(self.square / self.count) + 1e-4
        return ((x - self.mean) / deviation).clamp(-5.0, 5.0)

    def observe(self, x: NDArray[Any]) -> None:
        """Take observations (k, I) into the statistics."""
        if not self.normalizes or len(x) == 0:
            return
        new = torch.as_tensor(x, dtype=self.mean.dtype, device=self.mean.device)
        if self.codes is not None:
            new = self.codes(new)
        mean, total = new.mean(dim=0), self.count + len(x)
        shift = mean - self.mean
        self.square += ((new - mean) ** 2).sum(dim=0) + shift**2 * self.count * len(x) / total
        self.mean += shift * len(x) / total
        self.count.copy_(total)

    def core_state(self, parts: Any) -> Any:
        """Arrays or tensors (B, S) as a state of the core."""
        like = next(self.parameters())
        return self._kind(*(torch.as_tensor(part, dtype=like.dtype, device=like.device) for part in parts))

    def check_finite(self) -> None:
        """Refuse to work with weights and statistics that are not finite.

        Raises:
            NotFiniteError: A number is NaN or infinite; a ValueError.
        """
        check_numbers(self.state_dict(), "policy")

    # --- acting ------------------------------------------------------------------------------------------------------

    def initial_state(self, n: int) -> State:
        """The state of n rows at the start of an episode."""
        parts = self.body.core.initial_state(n)
        none = np.zeros((n, self.decoder.dimensions), np.float32) if self.continuous else np.full(n, -1, np.int64)
        return (*(part.detach().cpu().numpy() for part in parts), none)

    def outputs(self, nets: Any, features: Tensor) -> Tensor:
        """Features to action values (., K), or to a continuous action (., d) in [-1, 1], by the heads in ``nets``."""
        raise NotImplementedError

    def rescale_values(self, factor: float) -> None:
        """Multiply the values of all copies of the networks: rewards are now in another unit."""
        for nets in (self.net, self.target, *([self.average] if self.averaging else [])):
            head: Any = nets["critic" if self.continuous else "head"]
            head.rescale(factor)

    def update_average(self) -> None:
        """Take the weights after an update into their average, if there is one."""
        if self.averaging:
            rate = max(1.0 / self.averaging, 1.0 / (int(self.updates) + 1))  # the initial weights do not count
            polyak_update(self.net.parameters(), self.average.parameters(), rate)
            self.updates += 1

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        if self.averaging:  # older models hold an average without the number of its updates
            state_dict.setdefault(f"{prefix}updates", torch.tensor(self.averaging))
        super()._load_from_state_dict(state_dict, prefix, *more)

    def step(
        self, x: NDArray[Any], state: State, start: NDArray[np.bool_], average: bool = False
    ) -> tuple[NDArray[Any], State]:
        """Outputs (n, K) or (n, d) for encoded observations ``(n, *shape)``, and the state; its last action stays."""
        nets: Any = self.average if average and self.averaging else self.net
        if self.training:
            self.set_training_mode(False)
        device, last = self.device, state[-1].copy()
        last[start] = 0 if self.continuous else -1
        with torch.no_grad():
            seen = self.inputs(torch.as_tensor(x, device=device)[None])
            previous, resets = (torch.as_tensor(part, device=device)[None] for part in (last, start))
            features, after = nets["body"](seen, previous, self.core_state(state[:-1]), resets)
            outputs = self.outputs(nets, features[0]).cpu().numpy()
        return outputs, (*(part.cpu().numpy() for part in after), last)

    def values(
        self, observation: Any, state: State | None = None, episode_start: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], State]:
        """Action values (n, K), or continuous actions in [-1, 1], and the next state; arguments as in `predict`.

        Raises:
            ValueError: As `predict`.
        """
        n = self.encoder.count(observation) or 1
        x, rest = self.encode(observation, n), self.initial_state(n)
        state = rest if state is None else state
        start = check_carried(state, (part.shape for part in rest), episode_start, n)
        return self.step(x, state, start, average=True)

    def predict(
        self,
        observation: Any,
        state: State | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], State]:
        """Choose actions and move the state, as `lstm_rl.agents.memory_policy.MemoryPolicy.predict` does.

        Args:
            observation: One, or n of them as an environment of n rows gives them.
            state: What the last call returned; ``None``: at rest, as before a first step.
            episode_start: (n,) rows whose state is put to rest before this step; ``None``: none of them.
            deterministic: The best action; otherwise explored as last trained: `QPolicy` takes a random one with
                probability ``exploration_rate``, `ActorPolicy` adds noise of this standard deviation.

        Returns:
            The action, or n of them; and the state after this step, which holds the actions as what was done.

        Raises:
            ValueError: ``state`` or ``episode_start`` is of another number of rows or of another network, or the
                observation does not fit its space.
        """
        outputs, after = self.values(observation, state, episode_start)
        chosen = self.choose(outputs, 0.0 if deterministic else self.exploration_rate, self.rng)
        actions = self.to_env(chosen)
        return (actions[0] if self.encoder.count(observation) is None else actions), (*after[:-1], chosen)

    def choose(self, outputs: NDArray[Any], exploration: Any, rng: np.random.Generator) -> NDArray[Any]:
        """Actions as the buffer holds them, from `outputs`; exploration is a number or one of each row (n,)."""
        raise NotImplementedError

    def to_env(self, chosen: NDArray[Any]) -> NDArray[Any]:
        """Actions as the buffer holds them as actions of the environment."""
        if not self.continuous:
            return self.decoder.decode(chosen)
        actions = np.asarray(self.unscale_action(chosen.reshape(-1, *(self.action_space.shape or ()))))
        whole = np.issubdtype(self.action_space.dtype, np.integer)
        return np.rint(actions).astype(self.action_space.dtype) if whole else actions

    def from_env(self, action: Any, n: int) -> NDArray[Any]:
        """Undo `to_env` for n actions."""
        if self.continuous:
            shape = self.action_space.shape or ()
            return np.asarray(self.scale_action(np.asarray(action, np.float32).reshape(n, *shape))).reshape(n, -1)
        if not all(self.action_space.contains(np.asarray(each, self.action_space.dtype)) for each in action):
            raise ValueError(f"actions must be in {self.action_space}, got {action}")
        return np.array([self.decoder.encode(each) for each in action], np.int64)  # type: ignore[union-attr]

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        """Actions for first observations; SB3 asks for this method. Use `predict`, which carries the state."""
        actions, _ = self.predict(np.asarray(observation), deterministic=deterministic)
        return torch.as_tensor(actions)

"""The kit for recurrent agents finds each fault by its own sentence, and none in agents that are sound."""

import copy
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray
from stable_baselines3 import PPO
from torch import nn

from lstm_rl.agents import AdvantageLearning
from lstm_rl.envs.recall import RecallEnv
from lstm_rl.testing import RecurrentError, TorchAgent, check_recurrent

ALL = ("repeat", "history", "reset", "leak", "batch", "order", "save")
State = Any


class Sound:
    """A random recurrent network in NumPy, state (1, n, H), that shows nothing but greedy actions."""

    observation_space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
    scratch: ClassVar[NDArray[np.float64]] = np.zeros((1, 64, 6))

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.inputs, self.recurrent, self.outputs = (
            rng.normal(size=(3, 6)),
            rng.normal(size=(6, 6)),
            rng.normal(size=(6, 4)),
        )
        self.calls, self.memory = 0, np.zeros((1, 64, 6))

    def initial(self, n: int) -> State:
        return np.zeros((1, n, 6))

    def reset(self, state: State, starts: NDArray[np.bool_]) -> State:
        return np.where(starts[None, :, None], 0.0, state)

    def move(self, x: NDArray[Any], state: State) -> State:
        return np.tanh(x @ self.inputs + state @ self.recurrent)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        state = self.initial(len(observation)) if state is None else state
        after = self.move(observation, self.reset(state, episode_start))
        return (after[0] @ self.outputs).argmax(-1), after

    def save(self, path: Path) -> None:
        path.write_bytes(pickle.dumps(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        agent: Self = pickle.loads(path.read_bytes())
        return agent


class WithoutMemory(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        return np.tanh(x @ self.inputs)[None]


class NeverResets(Sound):
    def reset(self, state: State, starts: NDArray[np.bool_]) -> State:
        return state


class ResetsOnlyAllTogether(Sound):
    def reset(self, state: State, starts: NDArray[np.bool_]) -> State:
        return state * (not starts.all())


class ResetsHalfOfTheState(Sound):
    def reset(self, state: State, starts: NDArray[np.bool_]) -> State:
        return np.concatenate([super().reset(state, starts)[..., :3], state[..., 3:]], axis=-1)


class ResetsAllRows(Sound):
    def reset(self, state: State, starts: NDArray[np.bool_]) -> State:
        return state * (not starts.any())


class WritesIntoTheState(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        state[:] = super().move(x, state)
        return state

    def reset(self, state: State, starts: NDArray[np.bool_]) -> State:
        state[:, starts] = 0.0
        return state


class ReturnsItsScratch(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        self.scratch[:, : len(x)] = super().move(x, state)
        return self.scratch[:, : len(x)]


class DependsOnTheNumberOfRows(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        return super().move(x / len(x) ** 0.5, state)


class DependsOnTheRow(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        return super().move(x + 0.1 * np.arange(len(x))[:, None], state)


class MixesRows(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        return np.roll(super().move(x, state), 1, axis=1)


class NormalisesOverRows(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        return super().move(x - x.mean(axis=0), state)


class LosesWeights(Sound):
    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"recurrent": 0.0 * self.recurrent}


class LosesTheState(Sound):
    """States are tickets for what is kept inside, which is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[int, int], State] = {}

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        kept = None if state is None else self.kept.get(state)
        actions, after = super().predict(observation, kept, episode_start)
        ticket = id(self), len(self.kept)
        self.kept[ticket] = after
        return actions, ticket

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"kept": {}}


class RemembersInside(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        self.memory = super().move(x, self.memory)
        return self.memory

    def reset(self, state: State, starts: NDArray[np.bool_]) -> State:
        self.memory = np.where(starts[None, :, None], 0.0, self.memory)
        return state


class HasNoise(Sound):
    def move(self, x: NDArray[Any], state: State) -> State:
        self.calls += 1
        return super().move(x, state) * (np.random.default_rng(self.calls).random(6) < 0.5)


class IsNotFinite(Sound):
    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        return np.full(len(observation), np.nan), observation


RESET = "reset: rows with episode_start are not answered as in a first episode"
ROWS = "leak: rows whose episode goes on are answered differently when others start"
CHANGED = "leak: a state that predict returned is changed by later calls"
BATCH = "batch: rows are answered differently alone than together with others"
ORDER = "order: rows are answered differently when their order is reversed"
BROKEN: dict[type[Sound], tuple[str, ...]] = {
    WithoutMemory: ("history: another history does not change the answers: no memory",),
    NeverResets: (RESET,),
    ResetsOnlyAllTogether: (RESET,),
    ResetsHalfOfTheState: (RESET,),
    ResetsAllRows: (ROWS,),
    WritesIntoTheState: (CHANGED,),
    ReturnsItsScratch: (CHANGED,),
    DependsOnTheNumberOfRows: (BATCH,),
    DependsOnTheRow: (BATCH, ORDER),
    MixesRows: (RESET, ROWS, BATCH, ORDER),
    NormalisesOverRows: (ROWS, BATCH),
    LosesWeights: ("save: the loaded agent answers differently from the first episode on",),
    LosesTheState: ("save: the loaded agent cannot go on in mid-episode from the state",),
    RemembersInside: ("repeat: the same calls get other answers the second time",),
    HasNoise: ("repeat: the same calls get other answers the second time",),
    IsNotFinite: ("repeat: answers are not finite numbers",),
}


def failures(agent: Any, *arguments: Any, **settings: Any) -> tuple[str, ...]:
    with pytest.raises(RecurrentError) as caught:
        check_recurrent(agent, *arguments, **settings)
    assert all(sentence in str(caught.value) for sentence in caught.value.failures)
    return caught.value.failures


def test_a_sound_agent_passes_by_its_actions_alone() -> None:
    for seed in range(5):
        assert check_recurrent(Sound(), seed=seed) == ALL


@pytest.mark.parametrize("kind", BROKEN)
def test_each_fault_has_its_sentence(kind: type[Sound]) -> None:
    for seed in range(3):
        found = failures(kind(), seed=seed)
        assert len(found) == len(BROKEN[kind]), found
        assert all(sentence.startswith(begin) for sentence, begin in zip(found, BROKEN[kind], strict=True)), found


@pytest.mark.parametrize(("policy", "budget"), [("LstmPolicy", 2_000), ("GruPolicy", 2_000)])
def test_ours_pass_and_learn(policy: str, budget: int) -> None:
    model = AdvantageLearning(policy, "lstm_rl/NoisyTMaze-v0", seed=0)
    before = model.policy.weight_vector()
    learns = partial(AdvantageLearning, policy, seed=0)
    assert check_recurrent(model, rows=8, learns=learns, budget=budget) == (*ALL, "learn")
    assert check_recurrent(model.policy, "lstm_rl/NoisyTMaze-v0", rows=8) == ALL
    assert (model.policy.weight_vector() == before).all()


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_recurrent_ppo_passes(env: str) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    model = contrib.RecurrentPPO(
        "MlpLstmPolicy", env, seed=0, policy_kwargs={"n_lstm_layers": 2, "lstm_hidden_size": 16}
    )
    assert (
        check_recurrent(model)
        == check_recurrent(model, gym.make(env))
        == check_recurrent(model.policy, reload=copy.copy)
    )
    assert not model.policy.action_net._forward_hooks


def test_recurrent_ppo_learns() -> None:
    contrib = pytest.importorskip("sb3_contrib")
    settings: dict[str, Any] = {"n_steps": 128, "learning_rate": 1e-2, "policy_kwargs": {"lstm_hidden_size": 16}}
    learns = partial(contrib.RecurrentPPO, "MlpLstmPolicy", seed=0, **settings)
    assert check_recurrent(learns("CartPole-v1"), rows=8, learns=learns, budget=640)[-1] == "learn"


def test_ppo_has_no_memory() -> None:
    model = PPO("MlpPolicy", "CartPole-v1", seed=0, n_steps=64)
    no_memory = "history: predict returns None as the state: the agent has no memory"
    assert failures(model) == (no_memory,)
    both = failures(model, learns=partial(PPO, "MlpPolicy", seed=0, n_steps=256), budget=512)
    assert both[0] == no_memory and both[1].startswith("learn: ") and both[1].endswith("(without memory 50%)")


def test_an_agent_that_cannot_learn() -> None:
    (sentence,) = failures(Sound(), learns=lambda env: PPO("MlpPolicy", env, seed=0, n_steps=256), budget=256)
    assert sentence.startswith("learn: ") and "after 256 steps, expected 75%" in sentence


class Recalls(Sound):
    """Needs no training: the state is the last cue."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        cue = observation[:, 0]
        return (cue + (0.0 if state is None else state * ~episode_start) > 0).astype(int), cue


class RecallsTheFirstForEver(Sound):
    """Its memory outlives episodes."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        cue = observation[:, 0] if state is None else state
        return (cue > 0).astype(int), cue


def test_learning_is_judged_over_episodes_with_one_state() -> None:
    assert check_recurrent(Sound(), learns=lambda env: Recalls())[-1] == "learn"
    assert failures(Sound(), learns=lambda env: RecallsTheFirstForEver())[0].startswith("learn: ")


class Gru(nn.Module):
    """As people write it; ``reset`` may be left out."""

    def __init__(self, reset: bool = True) -> None:
        super().__init__()
        self.reset, self.cell, self.head, self.drop = reset, nn.GRUCell(3, 8), nn.Linear(8, 4), nn.Dropout(0.5)

    def forward(
        self, x: torch.Tensor, h: torch.Tensor | None, starts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.zeros(len(x), 8) if h is None else h
        h = self.cell(x, h * ~starts[:, None] if self.reset else h)
        return self.head(self.drop(h)), h


class DoesNotLoad(Sound):
    @classmethod
    def load(cls, path: Path) -> Self:
        raise RuntimeError("size mismatch\nfor weights")


def test_what_does_not_load_is_told_with_the_rest() -> None:
    expected = "save: the agent cannot be saved and loaded (RuntimeError: size mismatch for weights)"
    assert failures(DoesNotLoad()) == (expected,)


def test_torch_modules() -> None:
    torch.manual_seed(0)
    assert check_recurrent(TorchAgent(Gru().eval(), Sound.observation_space)) == ALL[:-1]
    (sentence,) = failures(TorchAgent(Gru(reset=False).eval(), Sound.observation_space))
    assert sentence.startswith(RESET)
    (sentence,) = failures(TorchAgent(Gru(), Sound.observation_space))
    assert sentence.startswith("repeat: ") and "dropout" in sentence


def test_saving_may_be_anybodys() -> None:
    def reload(agent: TorchAgent, lose: bool = False) -> TorchAgent:
        net = Gru().eval()
        net.load_state_dict({name: w * (not lose) for name, w in agent.network.state_dict().items()})  # type: ignore[attr-defined]
        return TorchAgent(net)

    agent = TorchAgent(Gru().eval(), Sound.observation_space)
    assert check_recurrent(agent, reload=reload) == ALL
    assert failures(agent, reload=partial(reload, lose=True))[0].startswith("save: ")


class Coarse(Sound):
    """One action whatever happens, as of an untrained network."""

    def predict(self, *arguments: Any, **keywords: Any) -> Any:
        actions, after = super().predict(*arguments, **keywords)
        return 0 * actions, after


def test_coarse_actions_need_values() -> None:
    assert "give values" in failures(Coarse())[0]
    values: Callable[..., Any] = lambda agent, x, state, start: Sound.predict(agent, x, state, start)  # noqa: E731
    assert check_recurrent(Coarse(), values=values) == ALL


SPACES = {
    "dict": gym.spaces.Dict(a=gym.spaces.Discrete(3), b=gym.spaces.Box(-1.0, 1.0, (2,), np.float32)),
    "tuple": gym.spaces.Tuple((gym.spaces.Box(-1.0, 1.0, (2,), np.float32), gym.spaces.Discrete(3))),
    "discrete": gym.spaces.Discrete(5),
    "image": gym.spaces.Box(0, 255, (4, 4, 1), np.uint8),
}


class AnySpace(Sound):
    """Sees an observation as its mean."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        parts = observation.values() if isinstance(observation, dict) else observation
        parts = parts if isinstance(observation, (dict, tuple)) else (observation,)
        means = [np.reshape(part, (len(part), -1)).mean(1) for part in parts]
        return super().predict(np.sin(np.outer(sum(means), [1.0, 2.0, 3.0])), state, episode_start)


@pytest.mark.parametrize("space", SPACES)
def test_observations_of_any_space(space: str) -> None:
    agent = AnySpace()
    agent.observation_space = copy.deepcopy(SPACES[space])
    before = pickle.dumps(agent.observation_space)
    assert check_recurrent(agent, reload=copy.copy) == ALL
    assert pickle.dumps(agent.observation_space) == before  # drawn from a copy


def test_bad_arguments() -> None:
    sound = Sound()
    for setting, value in (("rows", 1), ("steps", 1), ("budget", 0), ("tolerance", -1.0)):
        with pytest.raises(ValueError, match=f"{setting} must be .*, got {value}"):
            check_recurrent(sound, **{setting: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="env must be a Gymnasium environment unless .*, got None"):
        check_recurrent(TorchAgent(Gru()))
    with pytest.raises(ValueError, match="env must be a Gymnasium environment unless .*, got 3"):
        check_recurrent(sound, 3)  # type: ignore[arg-type]

    class OneAction(Sound):
        def predict(self, *arguments: Any, **keywords: Any) -> Any:
            return np.zeros(1), None

    with pytest.raises(ValueError, match="predict must return 64 actions for 64 observations"):
        check_recurrent(OneAction())


def test_recall_env() -> None:
    env = RecallEnv()
    check_env(env, skip_render_check=True)
    rewards = []
    for episode in range(100):
        observation, _ = env.reset(seed=episode)
        cue = int(observation[0] > 0)
        assert not env.step(1 - cue)[2]
        observation, reward, terminated, truncated, _ = env.step(cue if episode % 2 else 1 - cue)
        assert terminated and not truncated and observation.tolist() == [0.0, 1.0]
        rewards.append(reward)
    assert rewards == [0.0, 1.0] * 50

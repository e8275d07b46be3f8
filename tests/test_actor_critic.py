"""The actor-critic: against gradients by Torch, what it learns, saving and going on, the command line, refusals."""

from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from torch.distributions import Categorical, Normal, TanhTransform, TransformedDistribution

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import AdvantageLearning, Config
from lstm_rl.cli import main
from lstm_rl.envs.wrappers import HideEntries
from lstm_rl.kernels.approximator import learning_arrays
from lstm_rl.nn import LstmNetwork
from lstm_rl.runs import load_model
from lstm_rl.topology import Topology

DISCRETE, BOX = spaces.Discrete(3), spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 5.0], np.float32))
INPUTS = 2


class Scripted(gym.Env[Any, Any]):
    """Random observations and rewards; episodes of 5 steps, which end and are cut off in turn."""

    observation_space = spaces.Box(-1.0, 1.0, (INPUTS,))

    def __init__(self, action_space: spaces.Space[Any]) -> None:
        self.action_space, self.rng, self.time = action_space, np.random.default_rng(3), 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.rng.uniform(-1, 1, INPUTS).astype(np.float32), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        self.time += 1
        observation, reward = self.rng.uniform(-1, 1, INPUTS).astype(np.float32), float(self.rng.normal())
        return observation, reward, self.time % 10 == 0, self.time % 10 == 5, {}


class Recorder(BaseCallback):
    """What the environment told the learner, and every pending action."""

    model: AdvantageLearning

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.actions, self.first = list[Any](), list[Any](), np.zeros(0)

    def _pending(self) -> None:
        last = self.model._learner.last_action
        self.actions.append((int(last.action[0]), last.vector[0].copy()))

    def _on_training_start(self) -> None:
        self.first = cast(NDArray[Any], self.model._last_obs)[0].copy()
        self._pending()

    def _on_step(self) -> bool:
        t = self.model._trainer.transition
        ends = bool(t.terminated[0]), bool(t.truncated[0])
        self.steps.append((float(t.reward[0]), *ends, t.observation[0].copy(), t.first[0].copy()))
        self._pending()
        return True


def log_pi(outputs: Any, action: int, vector: NDArray[Any]) -> Any:
    """Of the parameters (K - 1,), by Torch."""
    if not len(vector):
        categorical: Any = Categorical(logits=outputs)
        return categorical.log_prob(torch.tensor(action))
    d = len(vector)
    deviation = torch.exp(-3.0 * torch.sigmoid(-outputs[d:] - 2.0))
    squashed: Any = TransformedDistribution(Normal(outputs[:d], deviation), TanhTransform(cache_size=1))
    return squashed.log_prob(torch.tanh(torch.as_tensor(vector))).sum()


def by_torch(network: LstmNetwork, config: Config, rate: float, recorder: Recorder) -> list[torch.Tensor]:
    """Replay what was recorded: weights and traces at the end, every gradient by autograd through the whole episode."""
    weights = [network.hidden_weights, network.output_weights]
    traces = [torch.zeros_like(w) for w in weights]
    seen: list[NDArray[Any]] = []

    def outputs() -> Any:
        return network(torch.tensor(np.array(seen)[:, None], dtype=torch.float64))[0][-1, 0]

    def update(error: float, decay: float) -> None:
        for w, e in zip(weights, traces, strict=True):
            w.data = w.data + rate * error * e
            e *= decay

    def choose(action: tuple[int, NDArray[Any]], error: float | None) -> tuple[float, float]:
        """Update, unless an episode begins, add the gradient of an action; its log-probability and the value."""
        now = outputs().detach().requires_grad_()
        probability, hidden = log_pi(now[:-1], *action), weights[0].data
        (errors,) = torch.autograd.grad(probability + config.value_weight * now[-1], now)
        if error is not None:
            update(error, config.gamma * config.lambda_)
        moved, weights[0].data = weights[0].data, hidden  # activations stay, output weights are those after the update
        for e, gradient in zip(traces, torch.autograd.grad(outputs(), weights, errors), strict=True):
            e += gradient
        weights[0].data = moved
        return probability.item(), now[-1].item()

    seen.append(recorder.first)
    probability, value = choose(recorder.actions[0], None)
    steps = zip(recorder.steps, recorder.actions[1:], strict=True)
    for (reward, terminated, truncated, observation, first), action in steps:
        seen.append(observation)
        following = 0.0 if terminated else config.gamma * outputs()[-1].item()
        error = reward - config.entropy_weight * probability + following - value
        if terminated or truncated:
            update(error, 0.0)
            seen[:] = [first]
        probability, value = choose(action, None if terminated or truncated else error)
    return [*(w.detach() for w in weights), *traces]


def learner(space: spaces.Space[Any], topology: Topology, rate: float) -> AdvantageLearning:
    return AdvantageLearning(
        "LstmPolicy",
        Scripted(space),
        seed=1,
        learning_rate=lambda _: rate,
        policy_kwargs={"topology": topology},
        precision="float64",
        optimizer="sgd",
        return_size=0.0,
        error_memory=0,
        normalize_observations=False,
        rule="actor_critic",
        gamma=0.9,
        lambda_=0.7,
        entropy_weight=0.3,
        value_weight=0.6,
    )


@pytest.mark.parametrize("space", [DISCRETE, BOX], ids=["discrete", "box"])
@pytest.mark.parametrize("memory", [False, True], ids=["weights move", "through time"])
def test_the_rule_equals_its_equations_by_autograd(space: spaces.Space[Any], memory: bool) -> None:
    """Cells keep derivatives of older weights: their traces are compared where weights stand still."""
    rate = 0.0 if memory else 0.02
    outputs = 4 if space is DISCRETE else 5
    shape: dict[str, Any] = {"blocks": (1, 2)} if memory else {"hidden": 5, "blocks": ()}
    topology = Topology(INPUTS, outputs, cells_see=("input",), gates_see=("input",), hidden_sees=("input",), **shape)
    model, recorder = learner(space, topology, rate), Recorder()
    network = LstmNetwork(topology, dtype=torch.float64)
    with torch.no_grad():
        network.hidden_weights.copy_(model.policy.hidden_weights)
        network.output_weights.copy_(model.policy.output_weights)
    start = network.output_weights.detach().numpy().copy()
    model.learn(43, recorder)
    hidden, output, e_hidden, e_output = (each.numpy() for each in by_torch(network, model.config, rate, recorder))
    arrays = learning_arrays(model._learner.approximator)
    np.testing.assert_allclose(model.policy.hidden_weights.detach(), hidden, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.policy.output_weights.detach(), output, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(arrays["traces"][0], e_hidden * topology.mask, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(arrays["output_traces"][0], e_output, rtol=1e-9, atol=1e-12)
    assert np.abs(e_output).max() > 0.1 and (memory or np.abs(output - start).max() > 0.01)


class Identity(gym.Env[Any, Any]):
    """Say what is seen: the reward is higher the closer the action."""

    observation_space: spaces.Space[Any] = spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, action_space: spaces.Space[Any]) -> None:
        self.action_space = action_space

    def _see(self) -> Any:
        self.seen = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.seen

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._see(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        if isinstance(self.action_space, spaces.Box):
            reward = -abs(float(np.ravel(action)[0]) - 3.0 * float(self.seen[0]))
        else:
            reward = float(action == (self.seen[0] > 0.0))
        return self._see(), reward, True, False, {}


X = np.linspace(-0.9, 0.9, 10, dtype=np.float32)[:, None]


@pytest.mark.parametrize("policy", ["LstmPolicy", "GruPolicy"])
def test_the_action_that_is_seen_is_learnt(policy: str) -> None:
    env = Identity(spaces.Discrete(2))
    model = AdvantageLearning(policy, env, seed=0, rule="actor_critic", gamma=0.0, horizon=10, bptt_depth=1)
    model.learn(2000)
    actions, _ = model.predict(X, deterministic=True)
    np.testing.assert_array_equal(actions, X[:, 0] > 0.0)


def test_the_number_that_is_seen_is_learnt() -> None:
    """Actions are three times what is seen; a constant action is 1.5 away in the mean."""
    env = Identity(spaces.Box(-4.0, 4.0, (1, 1)))
    model = AdvantageLearning("LstmPolicy", env, seed=0, gamma=0.0, horizon=10, learning_rate=3e-3)
    model.learn(6000)
    actions, _ = model.predict(X, deterministic=True)
    assert actions.shape == (10, 1, 1) and actions.dtype == np.float32
    assert np.abs(actions[:, 0] - 3.0 * X).mean() < 0.3


def test_actions_are_drawn_from_the_distribution_that_the_outputs_describe() -> None:
    for space in (DISCRETE, BOX):
        env = Scripted(space)
        model = AdvantageLearning("LstmPolicy", env, seed=2, rule="actor_critic", normalize_observations=False)
        with torch.no_grad():
            model.policy.output_weights.mul_(10.0)
        x = np.tile(np.array([[0.5, -0.4]], np.float32), (20_000, 1))
        choices, outputs, _ = model.policy.act(x)
        parameters = outputs[0, :-1].astype(np.float64)
        if space is DISCRETE:
            shares = np.exp(parameters) / np.exp(parameters).sum()
            np.testing.assert_allclose(np.bincount(choices, minlength=3) / 20_000, shares, atol=0.015)
            assert shares.max() - shares.min() > 0.05
            assert (model.predict(x[:3], deterministic=True)[0] == shares.argmax()).all()
        else:
            deviation = np.exp(-3.0 / (1.0 + np.exp(parameters[2:] + 2.0)))
            np.testing.assert_allclose(choices.mean(axis=0), parameters[:2], atol=0.03)
            np.testing.assert_allclose(choices.std(axis=0), deviation, rtol=0.03)
            middle, half = np.array([0.0, 2.5]), np.array([2.0, 2.5])
            greedy, _ = model.predict(x[0], deterministic=True)
            np.testing.assert_allclose(greedy, middle + half * np.tanh(parameters[:2]), rtol=1e-6)


def test_the_entropy_in_the_reward_keeps_a_policy_open() -> None:
    """Where all actions are worth the same, it alone decides."""

    def entropy(weight: float) -> float:
        env: Any = Identity(spaces.Discrete(2))
        env.step = lambda action: (env._see(), 0.0, True, False, {})
        settings: dict[str, Any] = {"gamma": 0.0, "entropy_weight": weight, "learning_rate": 0.005, "averaging": 0.0}
        model = AdvantageLearning("LstmPolicy", env, seed=0, rule="actor_critic", **settings)
        with torch.no_grad():
            model.policy.output_weights[-1, 0] = 3.0
        model.learn(3000, log_interval=None)
        logits: Any = torch.as_tensor(model.policy.advantages(X)[0][:, :-1])
        categorical: Any = Categorical(logits=logits)
        return float(categorical.entropy().mean())

    assert entropy(0.0) < 0.3 and entropy(0.5) > 0.65  # of ln 2 = 0.69


def test_the_log_tells_entropy_and_value(tmp_path: Path) -> None:
    model = AdvantageLearning("LstmPolicy", Scripted(BOX), seed=1).learn(300, log_interval=None)
    numbers = model._trainer.log()
    assert {"entropy", "value", "td_error", "abs_td_error"} < numbers.keys() and "exploration_rate" not in numbers
    assert all(np.isfinite(value) for value in numbers.values()) and numbers["entropy"] > -3.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "advantage", "env": BOX}, '^rule must be "actor_critic" for continuous actions .*Discretize'),
        ({"rule": "policy"}, "^rule must be one of advantage, actor_critic, got 'policy'"),
        ({"rule": "actor_critic", "epsilon": 0.1}, '^epsilon must keep its default 0.3 under the rule "actor_critic"'),
        ({"env": BOX, "exploration": "boltzmann"}, "^exploration must keep its default 'ez_greedy' under .*, got 'bol"),
        ({"entropy_weight": 0.1}, '^entropy_weight must keep its default 0.02 under the rule "advantage"'),
        ({"rule": "actor_critic", "value_weight": 0.0}, r"^value_weight must be a number in \(0, "),
        ({"rule": "actor_critic", "entropy_weight": -1.0}, "^entropy_weight must be a number"),
        (
            {"rule": "actor_critic", "policy": "MemoryBitsPolicy", "normalize_observations": False},
            "^rule must be 'advantage' for a table",
        ),
    ],
)
def test_what_a_rule_cannot_honour_is_refused(settings: dict[str, Any], message: str) -> None:
    env = Scripted(settings.pop("env", DISCRETE))
    with pytest.raises(ValueError, match=message):
        AdvantageLearning(settings.pop("policy", "LstmPolicy"), env, **settings)


def test_the_command_line_trains_evaluates_and_films_a_pendulum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pygame", reason="draws the pendulum")
    folder = tmp_path / "run"
    few = ["--timesteps", "600", "--eval-freq", "300", "--eval-episodes", "2", "--no-progress"]
    assert (
        main(["train", "Pendulum-v1", "--log-dir", str(tmp_path), "--run-name", "run", *few, "--rule", "actor_critic"])
        == 0
    )
    model = load_model(folder / "best_model.zip")
    assert model.policy.rule == "actor_critic"
    assert (folder / "learning_curve.png").is_file()
    assert main(["evaluate", str(folder), "--episodes", "3", "--stochastic"]) == 0
    assert "3 episodes, mean reward -" in capsys.readouterr().out
    film = tmp_path / "film.gif"
    assert main(["watch", str(folder), "--video", str(film), "--episodes", "1", "--max-steps", "20"]) == 0
    assert film.stat().st_size > 0


def test_a_pendulum_without_its_velocity_trains(tmp_path: Path) -> None:
    env = HideEntries(gym.make("Pendulum-v1"), [2])
    model = AdvantageLearning("LstmPolicy", env, seed=0, tensorboard_log=str(tmp_path)).learn(450)
    assert model.policy.sensors == 2 and list(tmp_path.rglob("events*"))
    mean, _ = evaluate_policy(model, env, 2, warn=False)
    assert -2000.0 < float(mean) < 0.0  # type: ignore[arg-type]

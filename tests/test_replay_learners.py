"""`RecurrentDQN` and `RecurrentTD3` as stable-baselines3 and its users call them."""

import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from lstm_rl.agents.recurrent_dqn import RecurrentDQN
from lstm_rl.agents.recurrent_td3 import RecurrentTD3
from lstm_rl.cli import main
from lstm_rl.envs.recall import RecallEnv
from lstm_rl.experiments.protocols import replay_run
from lstm_rl.experiments.protocols.replay_run import solved_at
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.make import make_rows
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.runs import load_model
from lstm_rl.settings import Settings
from lstm_rl.signals import Stop
from lstm_rl.testing import check_recurrent
from lstm_rl.topology import Topology
from lstm_rl.training import run

TINY: dict[str, Any] = {
    "policy_kwargs": {"units": 6, "embedding": 6, "features": 6},
    "burn_in": 2,
    "sequence_length": 8,
    "period": 3,
    "n_steps": 2,
    "buffer_size": 600,
    "batch_size": 4,
    "learning_starts": 24,
    "train_freq": 2,
    "seed": 0,
}


class Walk(gym.Env[Any, Any]):
    """Random observations of a space; episodes of 7 steps, ended or cut off by turns; actions of another space."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        self.observation_space, self.action_space = copy.deepcopy(observation_space), action_space
        self.steps = self.episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.steps += 1
        over = self.steps == 7
        self.episodes += over
        cut = self.episodes % 2 == 0
        return self.observation_space.sample(), 1.0, over and not cut, over and cut, {}

    def get_state(self) -> Any:
        return self.steps, self.episodes, copy.deepcopy(self.observation_space)

    def set_state(self, state: Any) -> None:
        self.steps, self.episodes, self.observation_space = copy.deepcopy(state)


LINE = Box(-1.0, 1.0, (3,), np.float32)
ARM = Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 1.0], np.float32))


def walks(observation_space: gym.Space[Any], action_space: gym.Space[Any], n: int = 2) -> VecEnv:
    return VecMonitor(DummyVecEnv([partial(Walk, observation_space, action_space)] * n))


def maze(n: int = 2) -> VecEnv:
    return make_rows("lstm_rl/TMaze-v0", {"corridor_length": 3}, n)


def dqn(env: Any = None, **settings: Any) -> RecurrentDQN:
    return RecurrentDQN("LstmPolicy", env or maze(), **TINY | settings)


def td3(env: Any = None, **settings: Any) -> RecurrentTD3:
    return RecurrentTD3("LstmPolicy", env or walks(LINE, ARM), **TINY | settings)


def weights(model: Any) -> NDArray[Any]:
    return np.concatenate([p.detach().numpy().ravel() for p in model.policy.parameters()])


@pytest.mark.parametrize("make", [dqn, td3])
def test_memory_works_and_survives_saving(make: Any) -> None:
    model = make(policy_kwargs=TINY["policy_kwargs"] | {"previous_action": True}).learn(60)
    assert "save" in check_recurrent(model, values=lambda agent, *rest: agent.policy.values(*rest), rows=8, steps=8)


@pytest.mark.parametrize(("make", "state"), [(dqn, "stored"), (dqn, "recomputed"), (td3, "stored"), (td3, "zero")])
def test_training_in_two_parts_is_training_at_once(make: Any, state: str, tmp_path: Path) -> None:
    averaged = TINY["policy_kwargs"] | {"averaging": 50}  # over more updates than there are
    settings: dict[str, Any] = {"state": state, "prioritized": True, "policy_kwargs": averaged}
    whole = make(walks(LINE, Discrete(3) if make is dqn else ARM), **settings)
    first = make(walks(LINE, Discrete(3) if make is dqn else ARM), **settings)
    if make is dqn:  # so that exploration does not depend on the length of a call
        whole.exploration_schedule = first.exploration_schedule = lambda _: 0.2
    whole.learn(100)
    first.learn(60).save(tmp_path / "model", include=["replay_buffer"])
    second = type(first).load(tmp_path / "model", env=walks(LINE, Discrete(3) if make is dqn else ARM))
    if make is dqn:
        second.exploration_schedule = whole.exploration_schedule
    assert len(second.replay_buffer) == len(first.replay_buffer)
    second.learn(40, reset_num_timesteps=False)
    np.testing.assert_array_equal(weights(second), weights(whole))  # those of the average too
    assert second.num_timesteps == 100 and second.policy.updates == second._n_updates > 5
    assert np.abs(weights(second) - weights(first)).max() > 0.0


def test_buffer_is_saved_alone_and_of_other_spaces_refused(tmp_path: Path) -> None:
    model = dqn().learn(60)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = RecurrentDQN.load(tmp_path / "model", env=maze())
    assert len(loaded.replay_buffer) == 0
    loaded.load_replay_buffer(tmp_path / "buffer.pkl")
    np.testing.assert_array_equal(loaded.replay_buffer.reward, model.replay_buffer.reward)
    with pytest.raises(ValueError, match="must be a replay buffer of these spaces"):
        dqn(walks(LINE, Discrete(2))).load_replay_buffer(tmp_path / "buffer.pkl")


def test_callbacks_see_each_step_and_a_stop_loses_none(tmp_path: Path) -> None:
    class Stop(BaseCallback):
        rewards = 0.0

        def _on_step(self) -> bool:
            self.rewards += float(self.locals["rewards"].sum())
            return self.num_timesteps < 30

    model, stop = dqn(walks(LINE, Discrete(2))), Stop()
    evaluation = EvalCallback(walks(LINE, Discrete(2), 1), eval_freq=10, n_eval_episodes=1, verbose=0)
    model.tensorboard_log = str(tmp_path)
    model.learn(1000, [stop, evaluation])
    assert model.num_timesteps == 30
    assert stop.rewards == 30.0
    assert model.replay_buffer.valid.sum() == 30
    assert evaluation.n_calls == 15
    assert np.isfinite(evaluation.last_mean_reward)
    assert list(tmp_path.rglob("events*"))


@pytest.mark.parametrize(
    ("observation_space", "action_space"),
    [
        (Dict({"a": Discrete(3), "b": LINE}), Discrete(3)),
        (MultiDiscrete([2, 3]), MultiDiscrete([2, 2])),
        (Box(0, 255, (36, 36, 3), np.uint8), Discrete(2)),
        (Box(0, 255, (7, 7, 3), np.uint8), ARM),
    ],
)
def test_spaces_that_people_have(observation_space: Any, action_space: Any) -> None:
    kind: Any = td3 if isinstance(action_space, Box) else dqn
    model = kind(walks(observation_space, action_space)).learn(40)
    assert model._n_updates > 0
    action, _ = model.predict(observation_space.sample(), deterministic=True)
    assert action_space.contains(action)
    assert model.replay_buffer.observation.dtype == (np.uint8 if observation_space.shape == (36, 36, 3) else np.float32)


@pytest.mark.parametrize(
    "core",
    [
        "gru",
        "slstm",
        Topology(6, 6, blocks=(1, 1), cell_input="tanh", cell_output="tanh"),
        partial(GruNetwork, units=3),
    ],
)
def test_every_network_learns(core: Any, tmp_path: Path) -> None:
    model = dqn(policy_kwargs=TINY["policy_kwargs"] | {"core": core, "dueling": True}, kappa=0.3, rescale_values=True)
    before = weights(model)
    model.learn(40).save(tmp_path / "model")
    assert np.abs(weights(model) - before).max() > 1e-4
    assert np.array_equal(weights(RecurrentDQN.load(tmp_path / "model")), weights(model))


def test_learns_to_remember() -> None:
    settings = {"learning_rate": 5e-3, "batch_size": 16, "exploration_fraction": 0.5, "target_update_interval": 40}
    env = VecMonitor(DummyVecEnv([RecallEnv] * 8))
    model = dqn(env, policy_kwargs={"units": 8, "embedding": 8, "features": 8}, **settings).learn(2000)
    assert evaluate_policy(model, env, 40)[0] == 1.0  # without memory .5


def episodes(n: int, length: int = 9, terminated: bool = True) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    ends = np.arange(length) == length - 1
    return [
        {
            "observations": rng.uniform(-1, 1, (length + 1, 3)).astype(np.float32),
            "actions": np.tile([0, 1, 1], length)[:length],
            "rewards": np.tile([0, 1, 1], length)[:length].astype(float),  # for action 1
            "terminations": ends & terminated,
            "truncations": ends & (not terminated),
        }
        for _ in range(n)
    ]


@pytest.mark.parametrize(("cost", "comes_back"), [(1e-3, True), (0.0, False)])
def test_an_actor_at_a_bound_comes_back(cost: float, comes_back: bool) -> None:
    """tanh u is 1 in 32 bits from u = 9 on, where values alone have no gradient."""
    model = td3(saturation_cost=cost, learning_rate=0.01)
    features, valid = torch.rand(8, 4, 6), torch.ones(8, 4, dtype=torch.bool)
    actor: Any = model.policy.net["actor"]
    actor.layers[-1].bias.data.fill_(30.0)
    before = actor.raw(features).detach()
    for _ in range(5):
        model._improve_actor(features, valid)
    assert bool(actor.raw(features).mean() < before.mean() - 0.02) == comes_back
    assert torch.equal(actor.raw(features), before) != comes_back


def test_actions_do_not_grow_with_the_size_of_values() -> None:
    actor: Any = td3().policy.net["actor"]
    features = torch.rand(8, 4, 6)
    torch.testing.assert_close(actor(1000.0 * features), actor(features), atol=1e-3, rtol=0.0)


def test_rewards_are_scaled_in_targets_and_kept_as_they_are() -> None:
    model = dqn(reward_scale=10.0).learn(60)
    batch = model._batch(4)
    assert batch is not None and np.abs(batch.drawn.reward).max() > 0.0
    np.testing.assert_allclose(batch.reward.numpy(), 10.0 * batch.drawn.reward[2:], rtol=1e-6)


def test_learns_from_recorded_episodes_alone() -> None:
    model = dqn(walks(LINE, Discrete(2)), gamma=0.0, learning_rate=1e-2)
    model.learn_from(episodes(10) + episodes(3, 12, False), 60)
    assert model.num_timesteps == 0
    assert model._n_updates == 60
    assert model.config.state == "stored"
    values, _ = model.policy.values(np.zeros((1, 3), np.float32))
    assert values[0] == pytest.approx([0.0, 1.0], abs=0.2)


def _without(name: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key != name} for each in episodes(3)]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (lambda: _without("rewards"), "episode 0 must have observations, .* got none of rewards"),
        (lambda: [episodes(1)[0] | {"actions": np.zeros(5)}], "episode 0 must have 9 actions"),
        (lambda: [episodes(1)[0] | {"terminations": np.ones(9, bool)}], "must end once, at its last step"),
        (lambda: [episodes(1)[0] | {"terminations": np.zeros(9, bool)}], "must end once, at its last step"),
        (lambda: [episodes(1, 9, False)[0] | {"observations": np.zeros((9, 3))}], "there is a gap"),
        (lambda: episodes(1, 3), "episodes must have 10 steps"),
        (lambda: [episodes(1)[0] | {"observations": np.zeros((10, 2))}], "observation must be of shape"),
        (lambda: [episodes(1)[0] | {"actions": np.full(9, 5)}], "actions must be in Discrete"),
    ],
)
def test_records_with_gaps_are_refused(data: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        dqn(walks(LINE, Discrete(2))).learn_from(data(), 1)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: dqn(buffer_size=20), "buffer_size must give each of 2 environments a sequence of 10 steps"),
        (lambda: dqn(buffer_size=10**13), "buffer_size must be so low that the buffer fits"),
        (lambda: dqn(burn_in=-1), "burn_in must be an integer >= 0"),
        (lambda: dqn(burn_in=8), "burn_in must be shorter than sequence_length"),
        (lambda: dqn(state="burned"), "state must be one of zero, stored, recomputed"),
        (lambda: dqn(kappa=0.0), "kappa must be a number in"),
        (lambda: dqn(lambda_=1.5), "lambda_ must be a number in"),
        (lambda: dqn(n_steps=1, lambda_=0.5), "lambda_ must be 1 with n_steps 1"),
        (lambda: dqn().save("model.safetensors"), "path must end in .zip for this learner, .* got model.safetensors"),
        (lambda: dqn(walks(LINE, ARM)), "RecurrentTD3 learns continuous actions"),
        (lambda: td3(maze()), "RecurrentDQN learns choices"),
        (
            lambda: dqn(learning_rate=lambda _: 0.1, schedule="linear"),
            "learning_rate must be a number with schedule=.linear., got a schedule",
        ),
        (lambda: RecurrentDQN("MlpPolicy", maze()), "policy must be one of LstmPolicy"),
        (lambda: RecurrentDQN("TorchPolicy", maze()), "core must be given"),
        (lambda: dqn(policy_kwargs={"core": "rnn"}), "core must be lstm, gru, slstm"),
        (lambda: dqn(policy_kwargs={"core": Topology(3, 3, blocks=(1,))}), "core must be a network with the interface"),
        (lambda: dqn().learn(-5), "total_timesteps must be an integer >= 0"),
        (lambda: dqn().predict(np.full((2, 3), np.nan, np.float32)), "observation must be finite"),
        (lambda: dqn().predict(np.zeros((2, 3), np.float32), (np.zeros(3),)), "state must be what predict returned"),
    ],
)
def test_bad_input_is_one_sentence(make: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        make()
    assert "\n" not in str(caught.value).replace("\n" + str(Topology(3, 3, blocks=(1,))), "").split(", got")[0]


def test_unknown_settings_are_named() -> None:
    with pytest.raises(TypeError, match="tau_ is no field of DqnConfig: learning_rate"):
        dqn(tau_=1.0)


def settings(folder: Path, name: str, **more: Any) -> Settings:
    replay = {name: value for name, value in TINY.items() if name not in ("policy_kwargs", "seed")}
    given: dict[str, Any] = {"env_kwargs": {"corridor_length": 3}, "algo": "recurrent-dqn", "n_envs": 2}
    given |= {"timesteps": 160, "eval_freq": 80, "eval_episodes": 2, "progress": False, "pictures": False}
    return Settings("lstm_rl/TMaze-v0", **given | {"replay": replay, "log_dir": folder, "run_name": name} | more)


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(settings(tmp_path, "whole"))
    stop = Stop()

    def interrupt(steps: int) -> None:
        stop.signal = 15 if steps >= 100 else None

    assert run(settings(tmp_path, "two"), stop, interrupt).steps == 100
    run(settings(tmp_path, "two", resume=True))
    whole, two = (load_model(tmp_path / name / "model.zip") for name in ("whole", "two"))
    assert isinstance(two, RecurrentDQN)
    np.testing.assert_array_equal(weights(two), weights(whole))
    with pytest.raises(ValueError, match="replay must hold n_steps=2, as in the run to resume, got n_steps=3"):
        run(settings(tmp_path, "two", resume=True, replay=settings(tmp_path, "two").replay | {"n_steps": 3}))
    assert main(["evaluate", str(tmp_path / "two"), "--episodes", "2"]) == 0
    assert main(["export", str(tmp_path / "two"), "--safetensors", str(tmp_path / "m.safetensors")]) == 2
    assert "export needs a run of the algorithm advantage, as of train --algo advantage, got" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"algo": "advantage"}, "replay must be left alone with algo advantage"),
        ({"algo": "advantage", "replay": {}, "device": "cuda"}, "device must be left alone with algo advantage"),
        ({"algo": "dqn"}, "algo must be one of auto, advantage, recurrent-dqn"),
        ({"preset": "bakker2001"}, "preset must be default with algo recurrent-dqn"),
        ({"replay": {"burnin": 3}}, "replay must hold settings of recurrent-dqn, .* got 'burnin'"),
        ({"algo": "recurrent-td3", "replay": {}}, "action_space must be a Box with bounds"),
    ],
)
def test_settings_of_a_run_that_do_not_fit_are_refused(more: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=what):
        run(settings(tmp_path, "run", **more))
    assert not (tmp_path / "run").exists()


def test_study_of_replay_runs_and_stops_at_its_goal() -> None:
    row = next(row for row in EXPERIMENTS["recurrent-replay"].rows if row.key == "CartPole, replay")
    short = "batch_size=2 units=4 sequence_length=4 burn_in=0 train_freq=16"
    done = replay_run.run(replace(row.settings, seed=1, max_steps=2000, goal=5.0, settings=short), lambda _: None)
    assert done["success"] and done["solved_at"] == done["curve"][0][0] and done["steps"] == done["curve"][1][0] < 2000
    assert solved_at([[10, 0, 1.0], [20, 0, 0.5], [30, 0, 1.0], [40, 0, 2.0]], 1.0) == 30
    assert solved_at([[10, 0, 1.0], [20, 0, 0.5], [30, 0, 1.0]], 1.0) is None


def test_both_act_and_learn_on_another_device_without_implicit_tensors() -> None:
    """Everything new is made on the device of the weights: under torch's "meta" as default nothing else could work."""
    for model in (dqn(), td3()):
        model.learn(30)
        with torch.device("meta"):  # what names no device lands there, and cannot be computed with
            model.learn(12, reset_num_timesteps=False)
        assert model._n_updates > 0

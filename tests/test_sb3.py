"""The learner among stable-baselines3's tools: callbacks, wrappers, logging, evaluation."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common import callbacks as sb3_callbacks
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
    LogEveryNTimesteps,
    StopTrainingOnMaxEpisodes,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize, VecVideoRecorder

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import AdvantageLearning


class Plain(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the compiled loop out."""


def maze(length: int = 3, **arguments: Any) -> gym.Env[Any, Any]:
    return gym.make("lstm_rl/TMaze-v0", corridor_length=length, **arguments)


def learner(env: Any = None, **settings: Any) -> AdvantageLearning:
    return AdvantageLearning("LstmPolicy", env or maze(), **({"seed": 1, "chunk_size": 100} | settings))


PATHS = pytest.mark.parametrize("make", [maze, lambda: Plain(maze())], ids=["compiled", "steps"])


class Counter(BaseCallback):
    """Counts what happens, and stops where told."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.stop_at, self.steps, self.episodes, self.hooks = stop_at, list[int](), 0, list[str]()

    def _on_training_start(self) -> None:
        self.hooks.append("start")

    def _on_rollout_start(self) -> None:
        self.hooks.append("rollout")

    def _on_rollout_end(self) -> None:
        self.hooks.append("done")

    def _on_training_end(self) -> None:
        self.hooks.append("end")

    def _on_step(self) -> bool:
        self.steps.append(self.num_timesteps)
        self.episodes += int(np.sum(self.locals["dones"]))
        assert len(self.locals["infos"]) == len(self.locals["dones"])
        assert self.locals["new_obs"].shape[0] == len(self.locals["rewards"]) == self.training_env.num_envs
        return self.stop_at is None or self.n_calls < self.stop_at


# --- callbacks -------------------------------------------------------------------------------------------------------


@PATHS
@pytest.mark.parametrize("n", [1, 2])
def test_a_callback_counts_every_step_and_episode(make: Any, n: int) -> None:
    counter = Counter()
    model = learner(DummyVecEnv([lambda: Monitor(make())] * n)).learn(250 * n, callback=counter)
    assert counter.n_calls == 250 and counter.num_timesteps == model.num_timesteps == 250 * n
    monitors: list[Any] = model.env.envs  # type: ignore[union-attr]
    assert counter.episodes == sum(len(monitor.get_episode_lengths()) for monitor in monitors) > 5
    assert counter.hooks == ["start", *["rollout", "done"] * 3, "end"]


@PATHS
def test_a_callback_that_returns_false_stops_training(make: Any) -> None:
    counter = Counter(stop_at=150)
    model = learner(make()).learn(1000, callback=counter)
    assert model.num_timesteps == counter.n_calls and 150 <= counter.n_calls <= 200
    assert counter.hooks[-2:] == ["done", "end"]


@PATHS
def test_evaluations_happen_at_multiples_of_eval_freq(make: Any, tmp_path: Path) -> None:
    evaluation = EvalCallback(
        Monitor(maze()),
        eval_freq=70,
        n_eval_episodes=3,
        log_path=str(tmp_path),
        best_model_save_path=str(tmp_path),
        verbose=0,
    )
    learner(make()).learn(300, callback=evaluation)
    saved = np.load(tmp_path / "evaluations.npz")
    assert saved["timesteps"].tolist() == evaluation.evaluations_timesteps == [70, 140, 210, 280]
    assert saved["results"].shape == saved["ep_lengths"].shape == saved["successes"].shape == (4, 3)
    assert AdvantageLearning.load(tmp_path / "best_model").num_timesteps in saved["timesteps"]


def test_evaluation_does_not_disturb_training() -> None:
    plain, evaluated = (learner(chunk_size=64, exploration="directed") for _ in range(2))
    plain.learn(300)
    evaluated.learn(300, callback=EvalCallback(Monitor(maze()), eval_freq=70, verbose=0))
    for name, value in plain.get_parameters()["policy"].items():
        assert np.array_equal(value, evaluated.get_parameters()["policy"][name])


@PATHS
def test_callbacks_keep_their_own_steps_side_by_side(make: Any, tmp_path: Path) -> None:
    evaluation = EvalCallback(Monitor(maze()), eval_freq=40, n_eval_episodes=1, log_path=str(tmp_path), verbose=0)
    inner = CallbackList([CheckpointCallback(90, str(tmp_path), "m"), evaluation])
    learner(make()).learn(200, callback=[inner, Counter()])
    assert evaluation.evaluations_timesteps == [40, 80, 120, 160, 200]
    assert sorted(path.name for path in tmp_path.glob("m_*")) == ["m_180_steps.zip", "m_90_steps.zip"]
    assert AdvantageLearning.load(tmp_path / "m_90_steps.zip").num_timesteps == 90


def test_a_reward_threshold_stops_training() -> None:
    stop = StopTrainingOnRewardThreshold(reward_threshold=-1e9, verbose=0)
    evaluation = EvalCallback(Monitor(maze()), callback_on_new_best=stop, eval_freq=60, n_eval_episodes=1, verbose=0)
    assert learner().learn(500, callback=evaluation).num_timesteps == 60


@PATHS
def test_a_number_of_episodes_stops_training(make: Any) -> None:
    stop = StopTrainingOnMaxEpisodes(max_episodes=5)
    model = learner(make(), chunk_size=20).learn(5000, callback=stop)
    assert stop.n_episodes >= 5 and model.num_timesteps < 5000


@PATHS
def test_every_n_timesteps_calls_once_per_n(make: Any) -> None:
    event = Counter()
    learner(make()).learn(300, callback=EveryNTimesteps(n_steps=50, callback=event))
    assert event.steps == [50, 100, 150, 200, 250, 300]


def test_logs_are_written_every_n_timesteps(tmp_path: Path) -> None:
    model = learner(chunk_size=50)
    model.set_logger(configure(str(tmp_path), ["csv", "tensorboard"]))
    model.learn(300, callback=LogEveryNTimesteps(n_steps=100), log_interval=0)
    header, *rows = (tmp_path / "progress.csv").read_text().splitlines()
    steps = [int(float(row.split(",")[header.split(",").index("time/total_timesteps")])) for row in rows]
    assert steps == [100, 200, 300]
    for key in ("rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/success_rate", "time/fps", "train/td_error"):
        assert key in header
    model.logger.close()


@PATHS
def test_the_progress_bar_counts_to_the_end(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bar:
        """Keeps what it is told."""

        bars: list["Bar"] = []

        def __init__(self, total: int) -> None:
            self.total, self.seen, self.closed = total, 0, False
            self.bars.append(self)

        def update(self, steps: int) -> None:  # noqa: D102
            self.seen += steps

        def refresh(self) -> None:  # noqa: D102
            pass

        def close(self) -> None:  # noqa: D102
            self.closed = True

    monkeypatch.setattr(sb3_callbacks, "tqdm", Bar)
    model = learner(DummyVecEnv([make] * 2)).learn(500, progress_bar=True)
    model.learn(300, reset_num_timesteps=False, progress_bar=True)
    assert [(bar.total, bar.seen, bar.closed) for bar in Bar.bars] == [(500, 500, True), (300, 300, True)]


@pytest.mark.filterwarnings("ignore::tqdm.TqdmExperimentalWarning")
def test_the_real_progress_bar_works() -> None:
    assert learner().learn(120, progress_bar=True).num_timesteps == 120


# --- wrappers --------------------------------------------------------------------------------------------------------


def test_vec_normalize_trains_and_evaluates(tmp_path: Path) -> None:
    env = VecNormalize(DummyVecEnv([lambda: Monitor(maze())] * 2), gamma=0.98)
    evaluation = EvalCallback(
        VecNormalize(DummyVecEnv([lambda: Monitor(maze())]), training=False, norm_reward=False),
        eval_freq=50,
        n_eval_episodes=2,
        log_path=str(tmp_path),
        verbose=0,
    )
    model = learner(env).learn(400, callback=evaluation)
    assert model.get_vec_normalize_env() is env and env.returns.shape == (2,)
    assert evaluation.evaluations_timesteps == [100, 200, 300, 400]


def test_videos_are_recorded(tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moviepy's own
        env = VecVideoRecorder(
            DummyVecEnv([lambda: maze(render_mode="rgb_array")]), str(tmp_path), lambda step: step == 0, video_length=4
        )
        model = learner(env, chunk_size=10).learn(10)
        env.close()
    (video,) = tmp_path.glob("*.mp4")
    assert video.stat().st_size > 500 and model.num_timesteps == 10


def test_evaluate_policy_carries_the_state_over() -> None:
    """Episode by episode as if each were played alone, although two rows run side by side."""
    model = learner().learn(3000)
    env = DummyVecEnv([lambda: Monitor(maze())] * 2)
    env.seed(0)
    returns, lengths = evaluate_policy(model, env, n_eval_episodes=10, return_episode_rewards=True)
    rows: list[list[float]] = []
    for i in range(2):
        one = maze()
        observation, _ = one.reset(seed=i)
        rows.append([])
        while len(rows[i]) < 5:
            state, start, total, over = None, np.array([True]), 0.0, False
            while not over:
                action, state = model.predict(observation, state, start, deterministic=True)
                observation, reward, terminated, truncated, _ = one.step(action)
                total, start, over = total + float(reward), np.array([False]), terminated or truncated
            rows[i].append(round(total, 6))
            observation, _ = one.reset()
    assert sorted(returns) == pytest.approx(sorted(rows[0] + rows[1]))  # type: ignore[arg-type]
    assert len(lengths) == 10  # type: ignore[arg-type]


def test_training_reads_success_from_the_environment() -> None:
    model = learner(maze(1), epsilon=1.0, exploration="epsilon").learn(2000)
    assert 0.3 < np.mean(list(model.ep_success_buffer or ())) < 0.7
    assert {round(info["r"] % 1, 4) for info in model.ep_info_buffer or ()} <= {k / 10 for k in range(10)}


def test_the_learner_learns_the_turn() -> None:
    """Not a benchmark: the cue of a corridor of one step ends up in the choice at the junction."""
    model = learner(maze(1, max_steps=None), chunk_size=4096).learn(60_000)
    mean, _ = evaluate_policy(model, Monitor(maze(1)), n_eval_episodes=40)
    assert mean == 4.0


# --- other packages --------------------------------------------------------------------------------------------------


def test_a_wrapper_of_gymnasium_may_have_been_replaced() -> None:
    """By a class that takes no type parameters, as rl_zoo3 does when it is imported first."""
    code = """
import gymnasium as gym
class TimeLimit(gym.Wrapper):
    def __init__(self, env, max_episode_steps):
        super().__init__(env)
        self._max_episode_steps, self._elapsed_steps = max_episode_steps, 0
for module in (gym.wrappers, gym.wrappers.common, gym.envs.registration):
    module.TimeLimit = TimeLimit
from lstm_rl.agents.advantage_learning import AdvantageLearning
print(AdvantageLearning("LstmPolicy", "CartPole-v1").policy.model.inputs)
"""
    same_code = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=same_code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4\n"

"""SB3's callbacks and the documented patterns of custom ones are called as by PPO, with the same counts and values."""

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common import callbacks as sb3_callbacks
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
    LogEveryNTimesteps,
    ProgressBarCallback,
    StopTrainingOnMaxEpisodes,
    StopTrainingOnNoModelImprovement,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import AdvantageLearning

LENGTH = 7  # of every episode, whatever the actions: the junction is too far away
STEPS = 120  # per row


class Plain(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the compiled loop out."""


def maze() -> gym.Env[Any, Any]:
    return gym.make("lstm_rl/TMaze-v0", corridor_length=30, max_steps=LENGTH)


class Still(gym.Env[Any, Any]):
    """An evaluation in which nothing ever gets better; spaces of the maze."""

    observation_space = gym.spaces.Box(0, 1, (3,), np.float32)
    action_space: Any = gym.spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(3, np.float32), 1.0, True, False, {}


def rows(n: int, wrap: Callable[[Any], Any] = lambda env: env) -> DummyVecEnv:
    return DummyVecEnv([lambda: Monitor(wrap(maze()))] * n)


def ppo(n: int) -> Any:
    small = {"net_arch": [2]}
    return PPO("MlpPolicy", rows(n), n_steps=20, batch_size=20, n_epochs=1, policy_kwargs=small, seed=0, device="cpu")


def ours(n: int, wrap: Callable[[Any], Any] = lambda env: env) -> AdvantageLearning:
    return AdvantageLearning("LstmPolicy", rows(n, wrap), seed=0, chunk_size=50)


class PerStep(BaseCallback):
    """What a logger of every step reads."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.rewards, self.dones, self.episodes = list[int](), 0.0, 0, list[tuple[float, int]]()
        self.last: dict[str, Any] = {}

    def _on_step(self) -> bool:
        n = self.training_env.num_envs
        self.steps.append(self.num_timesteps)
        self.last = {name: self.locals[name] for name in ("rewards", "dones", "infos", "new_obs")}
        assert {name: len(value) for name, value in self.last.items()} == dict.fromkeys(self.last, n)
        self.rewards += float(np.sum(self.locals["rewards"]))
        self.dones += int(np.sum(self.locals["dones"]))
        for info, done in zip(self.locals["infos"], self.locals["dones"], strict=True):
            assert ("episode" in info) == ("terminal_observation" in info) == done
            assert info["TimeLimit.truncated"] == done  # every episode here is cut off
            if done:
                self.episodes.append((info["episode"]["r"], info["episode"]["l"]))
        return True


class SaveTheBest(BaseCallback):
    """The documented form: looks every 45 calls."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[int] = []

    def _on_step(self) -> bool:
        if self.n_calls % 45 == 0:
            self.looks.append(self.num_timesteps)
        return True


def evaluation(folder: Path, **arguments: Any) -> EvalCallback:
    env = DummyVecEnv([lambda: Monitor(Still())])
    return EvalCallback(env, n_eval_episodes=1, log_path=str(folder), verbose=0, **({"eval_freq": 30} | arguments))


def counts(callback: Any) -> dict[str, Any]:
    """Whatever a callback and those inside it have counted."""
    names = ("n_calls", "steps", "looks", "dones", "n_episodes", "evaluations_timesteps", "last_time_trigger")
    found = {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    for name in ("callback", "callback_on_new_best"):
        if isinstance(inner := getattr(callback, name, None), BaseCallback):
            found[name] = counts(inner)
    found["callbacks"] = [counts(inner) for inner in getattr(callback, "callbacks", [])]
    return found


CALLBACKS: dict[str, Callable[[Path], BaseCallback]] = {
    "EvalCallback": evaluation,
    "CheckpointCallback": lambda folder: CheckpointCallback(35, str(folder)),
    "EveryNTimesteps": lambda folder: EveryNTimesteps(50, PerStep()),
    "StopTrainingOnMaxEpisodes": lambda folder: StopTrainingOnMaxEpisodes(3),
    "StopTrainingOnRewardThreshold": lambda folder: evaluation(
        folder, callback_on_new_best=StopTrainingOnRewardThreshold(0.5)
    ),
    "StopTrainingOnNoModelImprovement": lambda folder: evaluation(
        folder, eval_freq=10, callback_after_eval=StopTrainingOnNoModelImprovement(2, min_evals=1)
    ),
    "a logger of every step": lambda folder: PerStep(),
    "save the best": lambda folder: SaveTheBest(),
    "CallbackList": lambda folder: CallbackList(
        [evaluation(folder), CallbackList([CheckpointCallback(45, str(folder)), EveryNTimesteps(40, SaveTheBest())])]
    ),
    "CallbackList with a logger": lambda folder: CallbackList([evaluation(folder), PerStep(), SaveTheBest()]),
}


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("name", CALLBACKS)
def test_counts_are_those_of_ppo(name: str, n: int, tmp_path: Path) -> None:
    found = []
    for make in (ppo, ours):
        folder = tmp_path / make.__name__
        callback, model = CALLBACKS[name](folder), make(n)
        model.learn(STEPS * n, callback)
        found.append((counts(callback), model.num_timesteps, sorted(path.name for path in folder.glob("*"))))
    assert found[0] == found[1]
    assert callback.n_calls == model.num_timesteps / n > 10


@pytest.mark.parametrize("n", [1, 3])
def test_a_logger_of_every_step_gets_what_the_environments_gave(n: int) -> None:
    logger, model = PerStep(), ours(n)
    model.learn(STEPS * n, logger)
    assert model.env is not None
    monitors: list[Any] = model.env.envs  # type: ignore[attr-defined]
    given = [sum(monitor.get_episode_rewards()) + sum(monitor.rewards) for monitor in monitors]
    assert logger.rewards == pytest.approx(sum(given), abs=1e-5) and logger.rewards < 0.0
    assert logger.dones == n * (STEPS // LENGTH)
    assert sorted(logger.episodes) == sorted(
        (round(r, 6), length) for m in monitors for r, length in zip(m.episode_returns, m.episode_lengths, strict=True)
    )


@pytest.mark.parametrize("n", [1, 3])
def test_a_plain_function_is_called_at_every_step_until_it_says_no(n: int) -> None:
    found = []
    for make in (ppo, ours):
        seen: list[Any] = []

        def function(values: dict[str, Any], _: dict[str, Any], seen: list[Any] = seen) -> bool:
            seen.append((values["self"].num_timesteps, values["dones"].tolist()))
            return len(seen) < 45

        model = make(n).learn(STEPS * n, function)
        found.append((seen, model.num_timesteps))
    assert found[0] == found[1] and len(found[0][0]) == 45


def test_logs_are_written_where_ppo_writes_them(tmp_path: Path) -> None:
    found = []
    for make in (ppo, ours):
        model = make(1)
        model.set_logger(configure(str(tmp_path / make.__name__), ["csv"]))
        model.learn(STEPS, LogEveryNTimesteps(25), log_interval=None)
        model.logger.close()
        with (tmp_path / make.__name__ / "progress.csv").open() as file:
            found.append([int(row["time/total_timesteps"]) for row in csv.DictReader(file)])
    assert found[0] == found[1] == [25, 50, 75, 100]


def test_the_progress_bar_counts_as_with_ppo(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bar:
        """Keeps what it is told."""

        def __init__(self, total: int) -> None:
            self.total, self.seen = total, 0

        def update(self, steps: int) -> None:
            self.seen += steps

        def refresh(self) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(sb3_callbacks, "tqdm", Bar)
    found = []
    for make in (ppo, ours):
        bar: Any = ProgressBarCallback()
        make(2).learn(2 * STEPS, bar)
        found.append((bar.pbar.total, bar.pbar.seen, bar.n_calls))
    assert found[0] == found[1] == (240, 240, 120)


# --- callbacks that leave chunks to the compiled loop ----------------------------------------------------------------


class AtEnds(PerStep):
    """Needs no more than a call now and then."""

    chunked = True

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[float, int]] = []

    def _on_step(self) -> bool:
        self.all += [(info["episode"]["r"], info["episode"]["l"]) for info in self.locals["episodes"]]
        return super()._on_step()


class Every(AtEnds):
    """Says when the next call is due."""

    def steps_until_next(self) -> int:
        return 40 - self.n_calls % 40


@pytest.fixture
def no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AdvantageLearning, "_learn_stepwise", None)


@pytest.mark.usefixtures("no_steps")
@pytest.mark.parametrize(
    "name", ["EvalCallback", "CheckpointCallback", "EveryNTimesteps", "CallbackList", "StopTrainingOnRewardThreshold"]
)
def test_known_callbacks_keep_the_compiled_loop(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours(1).learn(STEPS, CALLBACKS[name](tmp_path))
    assert not caplog.records


@pytest.mark.usefixtures("no_steps")
@pytest.mark.parametrize(
    ("make", "steps"), [(AtEnds, [100, 200, 240]), (Every, [80, 100, 160, 200, 240])], ids=["chunked", "told"]
)
def test_a_callback_may_say_that_chunks_will_do(make: Any, steps: list[int]) -> None:
    callback, model = make(), ours(2)
    model.learn(2 * STEPS, callback)
    assert callback.steps == steps and callback.n_calls == STEPS
    assert model.env is not None
    monitors: list[Any] = model.env.envs  # type: ignore[attr-defined]
    recorded = [(round(r, 6), LENGTH) for monitor in monitors for r in monitor.get_episode_rewards()]
    assert sorted(callback.all) == sorted(recorded) and len(recorded) == 2 * (STEPS // LENGTH)


@pytest.mark.parametrize("n", [1, 3])
def test_an_event_in_the_compiled_loop_sees_what_it_would_see_in_a_step(n: int) -> None:
    seen = []
    for wrap in (lambda env: env, Plain):
        events = [EveryNTimesteps(period * n, PerStep()) for period in (LENGTH, 10)]  # one at ends of episodes
        ours(n, wrap).learn(STEPS * n, CallbackList(list(events)))
        values = [event.callback.last for event in events]  # type: ignore[union-attr]
        for value in values:
            for info in value["infos"]:
                info.pop("state", None)
                info.pop("episode", {}).pop("t", None)
        seen.append(values)
    np.testing.assert_equal(seen[0], seen[1])
    assert seen[0][0]["dones"].all() and not seen[0][1]["dones"].any()


def test_overriding_a_known_callback_makes_it_unknown(tmp_path: Path) -> None:
    class Watching(EvalCallback):
        """Also looks between evaluations."""

        looks = 0

        def _on_step(self) -> bool:
            self.looks += 1
            return super()._on_step()

    watching = Watching(Monitor(maze()), eval_freq=50, n_eval_episodes=1, log_path=str(tmp_path), verbose=0)
    ours(1).learn(STEPS, watching)
    assert watching.looks == STEPS and watching.evaluations_timesteps == [50, 100]


def test_leaving_the_compiled_loop_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    model = ours(1).learn(10, [AtEnds(), SaveTheBest()]).learn(10, SaveTheBest())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and record.getMessage().startswith("SaveTheBest: called at every step")
    caplog.clear()
    ours(1, Plain).learn(10, SaveTheBest())  # which is stepped anyway
    assert not caplog.records and model.num_timesteps == 10


def test_callbacks_leave_no_mark_on_learning() -> None:
    """Whether called at every step, at ends of chunks, or not at all; and episodes go on from one call to the next."""
    found = []
    for first, second in ((None, None), (PerStep(), None), (None, PerStep()), (EveryNTimesteps(30, PerStep()), None)):
        model = ours(3).learn(3 * 52, first).learn(3 * 51, second, reset_num_timesteps=False)
        parameters = {name: value.numpy() for name, value in model.get_parameters()["policy"].items()}
        episodes = [(round(info["r"], 5), info["l"]) for info in model.ep_info_buffer or ()]
        found.append((parameters, episodes))
    for each in found[1:]:
        np.testing.assert_equal(each, found[0])
    assert len(found[0][1]) == 3 * (103 // LENGTH)

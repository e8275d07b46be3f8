"""Which learner a run gets where nobody says it, and what that learner measures by itself."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary
from gymnasium.wrappers import TransformReward
from stable_baselines3.common.vec_env import DummyVecEnv

from lstm_rl.agents import RecurrentDQN, RecurrentTD3
from lstm_rl.agents.algorithms import make_replay
from lstm_rl.agents.config import Config
from lstm_rl.agents.integer_codes import IntegerCodes
from lstm_rl.agents.return_size import TARGET_SIZE, ReturnSize
from lstm_rl.agents.spaces import make_encoder
from lstm_rl.cli import main
from lstm_rl.commands.train import parse_train
from lstm_rl.envs.recall import RecallEnv
from lstm_rl.envs.wrappers import HideEntries, PreviousAction
from lstm_rl.learner_choice import choose_algo
from lstm_rl.make import limited, make_env
from lstm_rl.presets import REPLAY_ENVS, replay_preset
from lstm_rl.runs import read_config, settings_of, write_record
from lstm_rl.settings import Settings
from lstm_rl.trials import make_player

MAZE, CART, ARM = "lstm_rl/TMaze-v0", "CartPole-v1", "Pendulum-v1"
FEW = "--timesteps 80 --eval-freq 40 --eval-episodes 2 --no-progress --no-pictures"
TINY: dict[str, Any] = {"burn_in": 2, "sequence_length": 8, "period": 3, "n_steps": 2, "batch_size": 4}
TINY |= {"learning_starts": 16, "buffer_size": 600, "units": 4, "embedding": 4, "features": 4}


class Choices(gym.Env[Any, Any]):
    """Whose actions are bits."""

    observation_space, action_space = Box(0.0, 1.0, (2,)), MultiBinary(2)


def settings(*arguments: str) -> Settings:
    return parse_train(list(arguments)).settings


# --- which learner ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "algo"),
    [
        (MAZE, "advantage"),
        (CART, "recurrent-dqn"),
        (ARM, "recurrent-td3"),
        (f"{CART} --policy GruPolicy", "recurrent-dqn"),
        (f"{CART} --algo advantage", "advantage"),
        (f"{CART} --gamma 0.98", "advantage"),  # as it is by default: what is typed counts
        (f"{CART} --no-normalize-observations", "advantage"),
        (f"{CART} --policy ElmanPolicy", "advantage"),
        (f"{ARM} --rule actor_critic", "advantage"),
        (f"{MAZE} --algo recurrent-dqn", "recurrent-dqn"),
        (f"{MAZE} --replay n_steps=2", "recurrent-dqn"),
    ],
)
def test_environment_and_settings_choose_the_learner(arguments: str, algo: str) -> None:
    assert settings(*arguments.split()).algo == algo
    if "--algo" not in arguments:  # said or not, it is the same run
        assert settings(*arguments.split(), "--algo", "auto") == settings(*arguments.split())


def test_the_choice_sees_through_wrappers() -> None:
    maze = make_env(MAZE, {})
    assert choose_algo(maze) == "advantage"
    assert choose_algo(PreviousAction(maze)) == "recurrent-dqn"  # stepped in Python
    assert choose_algo(HideEntries(gym.make(ARM), [2])) == "recurrent-td3"
    assert choose_algo(Choices()) == "recurrent-dqn"


def test_a_file_with_settings_of_a_learner_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[config]\nkappa = 0.5\n")
    assert settings(CART, "--config", str(path)).algo == "advantage"
    path.write_text("[config]\ngamma = 0.98\n")  # as it is by default, but named
    assert settings(CART, "--config", str(path)).algo == "advantage"
    path.write_text("[replay]\nn_steps = 7\n")
    chosen = settings(CART, "--config", str(path), "--replay", "burn_in=3")
    assert chosen.algo == "recurrent-dqn"
    assert chosen.replay == replay_preset("recurrent-dqn").replay | {"n_steps": 7, "burn_in": 3}


def test_the_settings_of_a_run_are_those_of_its_repetition(tmp_path: Path) -> None:
    """No default of today is added to what an older version recorded."""
    path = tmp_path / "config.json"
    old = {"env": CART, "algo": "recurrent-dqn", "replay": {"burn_in": 4}, "config": {}}
    path.write_text(json.dumps(old))
    assert settings(CART, "--config", str(path)).replay == {"burn_in": 4}
    assert settings(CART, "--config", str(path), "--replay", "n_steps=2").replay == {"burn_in": 4, "n_steps": 2}
    path.write_text(json.dumps({"env": CART, "config": {}}))  # before there were others
    assert settings(CART, "--config", str(path)).algo == "advantage"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--algo recurrent-dqn --gamma 0.98", "gamma must be left alone with algo recurrent-dqn"),
        ("--algo recurrent-dqn --kappa 0.5", "kappa must be left alone with algo recurrent-dqn, got 0.5"),
        ("--algo recurrent-dqn --policy ElmanPolicy", "policy must be one of LstmPolicy"),
        ("--algo advantage --replay n_steps=2", "replay must be left alone with algo advantage, got {'n_steps': 2}"),
        ("--kappa 0.5 --replay n_steps=2", "kappa and replay must not be given together: kappa is of algo advantage"),
        ("--kappa 0.5 --device cuda", "kappa and device must not be given together"),
        ("--attempt-steps 3 --eval-freq 4", "attempt_steps must be >= eval_freq, which is 4, got 3"),
        ("--replay reward_scale=car", "reward_scale must be"),
        ("--replay reward_scale=auto rescale_values=True", "rescale_values must be False with reward_scale auto"),
    ],
)
def test_nothing_that_is_typed_is_ignored(
    arguments: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", CART, *FEW.split(), "--log-dir", str(tmp_path), *arguments.split()]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_updates_per_step_do_not_depend_on_the_number_of_environments() -> None:
    assert settings(CART).n_envs == REPLAY_ENVS and settings(CART).replay["train_freq"] == 1
    one = settings(CART, "--n-envs", "1")
    assert one.n_envs == 1 and one.replay["train_freq"] == REPLAY_ENVS
    assert one.replay["exploration_spread"] == 0.0 and one.replay["exploration_final_eps"] < 0.1
    assert Settings(CART, n_envs=2).resolved().replay["train_freq"] == REPLAY_ENVS // 2
    many = settings(CART, "--n-envs", "16").replay
    assert (many["train_freq"], many["gradient_steps"]) == (1, 2)


@pytest.mark.parametrize(
    "aid", ["duration_exponent=2", "exploration_visits=9", "exploring_starts=1", "novelty_bonus=1"]
)
def test_another_aid_takes_the_place_of_the_search(aid: str, tmp_path: Path) -> None:
    search = {"exploration_duration", "exploration_returns"}
    (tmp_path / "run.toml").write_text(f"[replay]\n{aid}\n", encoding="utf-8")
    assert search < settings(CART, "--replay", "gamma=0.9").replay.keys()
    typed, read = settings(CART, "--replay", aid), settings(CART, "--config", str(tmp_path / "run.toml"))
    for chosen in (typed, read, Settings(CART, replay=typed.replay).resolved()):
        assert aid.split("=")[0] in chosen.replay and not search & chosen.replay.keys()
    assert search < settings(CART, "--replay", "exploration_visits=0", "duration_exponent=None").replay.keys()
    both = settings(CART, "--replay", "exploration_visits=10", "exploration_returns=7").replay
    assert both["exploration_returns"] == 7 and "exploration_duration" not in both


@pytest.mark.parametrize(("env", "held"), [("MountainCar-v0", True), (CART, False)])
def test_a_run_that_has_found_nothing_to_learn_says_so(
    env: str, held: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = (
        "--timesteps 4000 --eval-freq 4000 --eval-episodes 1 --no-progress --no-pictures --replay learning_starts=9999"
    )
    assert main(["train", env, "--log-dir", str(tmp_path), *few.split()]) == 0
    assert ("episodes end alike" in capsys.readouterr().out) is held


@pytest.mark.parametrize("n_envs", [1, 8, 40])
def test_the_buffer_of_large_images_holds_sequences(n_envs: int) -> None:
    """Two steps of an image of 480 x 640 in each environment are 2 MB; the bound of bytes alone would hold 271."""
    replay = replay_preset("recurrent-dqn", n_envs, 480 * 640 * 3).replay
    period = replay["period"]
    length = replay["sequence_length"] + replay["n_steps"]
    assert replay["buffer_size"] // n_envs // period * period >= length + period


@pytest.mark.parametrize("algo", ["recurrent-dqn", "recurrent-td3"])
def test_the_zoo_has_the_same_defaults(algo: str) -> None:
    yaml = pytest.importorskip("yaml")
    text = (files("lstm_rl") / "hyperparams" / f"{algo.replace('-', '_')}.yml").read_text()
    told = yaml.safe_load(text)["default"]
    preset = replay_preset(algo)
    assert (told.pop("n_timesteps"), told.pop("n_envs")) == (preset.timesteps, preset.n_envs)
    del told["policy"], preset.replay["buffer_size"]  # which is the class's
    assert told | eval(told.pop("policy_kwargs")) == preset.replay


def test_buffers_of_images_are_short() -> None:
    assert replay_preset("recurrent-dqn", step_bytes=50_000).replay["buffer_size"] == 5_000
    assert settings(CART).replay["buffer_size"] == 100_000


@pytest.mark.parametrize("env_id", [CART, ARM])
def test_defaults_are_settings_that_the_learner_has(env_id: str) -> None:
    algo: Any = settings(env_id).algo
    model = make_replay(algo, "LstmPolicy", gym.make(env_id), settings(env_id).replay)
    assert isinstance(model, RecurrentDQN if env_id == CART else RecurrentTD3) and model.config.reward_scale == "auto"


@pytest.mark.filterwarnings("ignore:this environment gives no access")
def test_a_run_says_its_learner_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", CART, *FEW.split(), "--log-dir", str(tmp_path)]
    command += ["--replay", *(f"{name}={value}" for name, value in TINY.items())]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "learner: recurrent-dqn, the environment is not compiled" in said
    (folder,) = tmp_path.iterdir()
    recorded = read_config(folder)
    assert recorded["algo"] == "recurrent-dqn" and recorded["config"] == {}
    assert recorded["replay"] == replay_preset("recurrent-dqn").replay | TINY
    command[command.index("80")] = "120"
    assert main([*command, "--resume"]) == 0 and "120 steps" in capsys.readouterr().out
    assert main(["train", "--resume", str(folder)]) == 2
    assert "this is a run folder: repeat the command that began the run" in capsys.readouterr().err
    again = settings("--config", str(folder / "config.json"))
    assert again.recorded() == settings_of(folder).recorded()


@pytest.mark.parametrize("algo", ["advantage", "recurrent-dqn"])
def test_runs_of_older_versions_go_on(algo: Any, tmp_path: Path) -> None:
    """Their config.json has no learner, or beside a replay learner the settings of the other one."""
    name: dict[str, Any] = {} if algo == "advantage" else {"run_name": "replayed"}
    old = Settings(CART, algo=algo, replay={} if algo == "advantage" else TINY, log_dir=tmp_path, n_envs=3, **name)
    values = json.loads(json.dumps(Settings(CART, config=Config(kappa=0.2)).recorded() | old.recorded()))
    if algo == "advantage":
        values.pop("algo")
    else:
        values["config"] = {"kappa": 0.2}
    old.folder.mkdir()
    write_record(old.folder, values)
    resumed = ["--log-dir", str(tmp_path), *(f"--run-name={each}" for each in name.values()), "--resume"]
    found = settings(CART, *resumed)
    assert found.folder == old.folder and found == replace(old, resume=True)
    assert settings(CART, *resumed[:-1], "--seed", "1").algo == "recurrent-dqn"  # a new run is of today


# --- what is measured ------------------------------------------------------------------------------------------------


def test_size_of_returns() -> None:
    size = ReturnSize(0.5)
    assert size.factor == 1.0
    size.add(np.array([4.0, 0.0]), np.array([False, False]))
    size.add(np.array([-10.0, 1.0]), np.array([True, False]))  # 2 - 10
    assert size.size == 8.0 and size.factor == TARGET_SIZE / 8.0
    size.add(np.array([1.0, 0.5]), np.array([True, True]))
    assert size.size == pytest.approx(8.0 * 0.999**2)
    np.testing.assert_array_equal(size.discounted, 0.0)
    size.add(np.array([1.0]), np.array([False]))  # another number of environments
    size.add_episode(np.array([16.0, 4.0]))  # beside the one that goes on
    assert size.size == 16.0 and size.discounted.tolist() == [1.0]


def test_the_first_reward_of_all_leaves_values_as_they_are() -> None:
    """There was no unit before it: values that were learned from nothing are not to grow by 10 / reward."""
    env = TransformReward(RecallEnv(), lambda _: 0.0)
    model = make_replay("recurrent-dqn", "LstmPolicy", env, TINY | {"reward_scale": "auto"}, seed=0)
    model.learn(80)
    assert model._n_updates > 5 and model.reward_scale == 1.0
    features = torch.randn(3, 4)
    before = model.policy.net["head"](features)
    for _ in range(2):  # the second call finds the unit unchanged
        model._returns.add(np.array([1e-4]), np.array([False]))
        model._returns.size = 1e-4
        model._set_reward_scale()
        assert model.reward_scale == pytest.approx(1e5)
        torch.testing.assert_close(model.policy.net["head"](features), before)


def test_the_unit_of_rewards_does_not_matter() -> None:
    def weights(factor: float) -> Any:
        env = TransformReward(RecallEnv(), lambda reward: factor * float(reward))
        model = make_replay("recurrent-dqn", "LstmPolicy", env, TINY | {"reward_scale": "auto"}, seed=0)
        model.learn(120)
        assert model._n_updates > 5
        return torch.cat([part.flatten() for part in model.policy.net.parameters()]).detach().numpy()

    np.testing.assert_array_equal(weights(1024.0), weights(1.0))  # a power of two: no rounding
    np.testing.assert_allclose(weights(1e-3), weights(1.0), atol=1e-4)


@pytest.mark.parametrize("env_id", [CART, ARM])
def test_values_stay_what_they_were_when_the_unit_changes(env_id: str) -> None:
    algo: Any = "recurrent-dqn" if env_id == CART else "recurrent-td3"
    model = make_replay(algo, "LstmPolicy", gym.make(env_id), TINY | {"reward_scale": "auto", "averaging": 9}, seed=0)
    model.learn(40)
    features, action = torch.randn(3, 4), torch.zeros(3, 1)
    heads = [nets["head" if env_id == CART else "critic"] for nets in (model.policy.net, model.policy.target)]

    def values() -> list[Any]:
        return [head(features) if env_id == CART else torch.stack(head(features, action)) for head in heads]

    before, scale = values(), model.reward_scale
    model._returns.size *= 4.0
    model._set_reward_scale()
    assert model.reward_scale == pytest.approx(scale / 4.0)
    for new, old in zip(values(), before, strict=True):
        torch.testing.assert_close(new, old / 4.0)


def test_integers_become_codes() -> None:
    space = Dict(
        {
            "bits": Box(-1, 254, (2,), np.int16),  # 256 values: digits
            "few": Box(2, 4, (1,), np.int64),  # 3: one-hot
            "many": Box(0, 256, (1,), np.int32),  # 257: a number
            "real": Box(0.0, 3.0, (1,)),
            "word": Discrete(2),
        }
    )
    encoder = make_encoder(space)
    codes = IntegerCodes(encoder)
    seen = {
        "bits": np.array([4, -1]),
        "few": np.array([3]),
        "many": np.array([200]),
        "real": np.array([0.5]),
        "word": 1,
    }
    coded = codes(torch.as_tensor(encoder.encode(seen, 1)))[0].tolist()
    five = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]  # 4 - (-1), the lowest digit first
    assert codes.size == len(coded)
    assert coded == [200.0, 0.5, 0.0, 1.0, 0.0, 1.0, 0.0, *five, *[0.0] * 8]  # numbers, one-hot codes, digits
    assert not IntegerCodes(make_encoder(Box(0.0, 1.0, (3,)))).counts
    assert not IntegerCodes(make_encoder(Box(0, 255, (30, 40, 3), np.uint8))).counts  # a picture


class Codes(gym.Env[Any, Any]):
    """Pays for action 1 where the number that is seen is 3 and for action 0 where it is another of 0 .. 6."""

    observation_space, action_space = Box(0, 255, (1,), np.uint8), Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seen, self.left = int(self.np_random.integers(7)), 8
        return np.array([self.seen], np.uint8), {}

    def step(self, action: Any) -> Any:
        reward = float((self.seen == 3) == action)
        self.seen, self.left = int(self.np_random.integers(7)), self.left - 1
        return np.array([self.seen], np.uint8), reward, self.left == 0, False, {}


def test_a_code_among_others_is_learned() -> None:
    more = {"integer_codes": True, "gamma": 0.0, "learning_rate": 0.01, "train_freq": 4, "n_steps": 1, "units": 8}
    model = make_replay("recurrent-dqn", "LstmPolicy", Codes(), TINY | more, seed=0)
    model.learn(800)
    assert model.policy.body.embed.in_features == 8
    chosen = [int(model.predict(np.array([number], np.uint8), deterministic=True)[0]) for number in range(7)]
    assert chosen == [0, 0, 0, 1, 0, 0, 0]


# --- what cannot be learned is refused -------------------------------------------------------------------------------


class Odd(gym.Env[Any, Any]):
    """Any spaces, no end."""

    def __init__(self, observation_space: Any = None, action_space: Any = None) -> None:
        self.observation_space = observation_space or Box(-1.0, 1.0, (2,))
        self.action_space = action_space or Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), action
        return self.observation_space.sample(), 1.0, False, False, {}


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (Odd(action_space=Box(-np.inf, np.inf, (2,))), "action_space must be a Box of numbers with finite bounds"),
        (Odd(action_space=Box(0.0, np.inf, (2,))), "action_space must be a Box of numbers with finite bounds"),
        (Odd(observation_space=Box(0.0, 1.0, (0,))), "observation_space must hold numbers"),
    ],
)
def test_spaces_without_numbers_or_bounds(env: Any, sentence: str) -> None:
    kind = RecurrentTD3 if isinstance(env.action_space, Box) else RecurrentDQN
    with pytest.raises(ValueError, match=sentence):
        kind("LstmPolicy", env)


def test_whole_actions_stay_whole() -> None:
    model = RecurrentTD3("LstmPolicy", Odd(action_space=Box(0, 5, (2,), np.int64)), learning_starts=4, seed=0)
    model.learn(12)  # the environment asserts that its space holds them
    action = model.predict(np.zeros(2, np.float32))[0]
    assert action.dtype == np.int64 and model.action_space.contains(action)


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device must be 'cpu' or 'auto' where Torch finds no GPU, got 'cuda'"):
        RecurrentDQN("LstmPolicy", CART, device="cuda")


def test_a_buffer_of_another_number_of_environments_is_said(tmp_path: Path) -> None:
    rows = DummyVecEnv([lambda: gym.make(CART)] * 2)
    make_replay("recurrent-dqn", "LstmPolicy", rows, TINY, seed=0).learn(40).save(
        tmp_path / "model", include=["replay_buffer"]
    )
    with pytest.warns(UserWarning, match="the saved replay buffer is of 2 environments, not of 1"):
        RecurrentDQN.load(tmp_path / "model", env=gym.make(CART))


def test_episodes_without_an_end_are_evaluated_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment sets no limit, evaluation does."""
    gym.register("Endless-v0", lambda **_: Odd())
    monkeypatch.setattr("lstm_rl.make.LONGEST", 30)
    assert limited("Endless-v0", {}) == {"max_episode_steps": 30}
    assert limited("Endless-v0", {"max_episode_steps": 7}) == {"max_episode_steps": 7}
    assert limited(CART, {}) == {}
    model = make_replay("recurrent-dqn", "LstmPolicy", gym.make("Endless-v0"), TINY, seed=0)
    assert make_player("Endless-v0", {}, 2, compiled=False)(model, 0).lengths.tolist() == [30.0, 30.0]
    gym.registry.pop("Endless-v0")

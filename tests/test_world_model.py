"""Controller and world model: gradients against Torch and finite differences, learning, saving, refusals."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import world_model_controller
from lstm_rl.agents.world_model_agent import Stage
from lstm_rl.agents.world_model_config import PUBLISHED, WorldModelConfig
from lstm_rl.agents.world_model_controller import WorldModelController
from lstm_rl.agents.world_model_policy import WorldModelPolicy
from lstm_rl.agents.world_model_reference import net, predictions, rest, with_derivative_of
from lstm_rl.agents.world_model_trainer import Trainer, play
from lstm_rl.cli import main
from lstm_rl.diagnostics.predictions import predicted_beside_real
from lstm_rl.envs.coded_tmaze import coded_tmaze
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.flip_flop import flip_flop
from lstm_rl.envs.force_pole import START, force_pole
from lstm_rl.envs.tmaze import STILL as STANDING_STILL
from lstm_rl.envs.tmaze import tmaze
from lstm_rl.envs.wrappers import CodedActions
from lstm_rl.experiments.protocols import model_critic_run, world_model_run
from lstm_rl.runs import load_model, read_config
from lstm_rl.training_world_model import RunCallback

OBSERVATIONS, ACTIONS = gym.spaces.Box(-1.0, 1.0, (2,)), gym.spaces.Box(-1.0, 1.0, (2,))
CASES = {
    "LSTM, truncated": WorldModelConfig(controller_units=2, model_units=3),
    "LSTM, complete": WorldModelConfig(controller_units=2, model_units=3, gradient="rtrl", pain_input=True),
    "1990": replace(PUBLISHED, controller_units=3, model_units=4),
}
SMALL = {"optimizer": "sgd", "clip": 0.0, "noise": 0.3}
STILL = 1e-300  # a learning rate that moves no weight
STEPS = 12


def recorded(config: WorldModelConfig) -> tuple[Trainer, Any, Any, Any, Any, Any]:
    """Twelve steps in a made-up world: x (T, I), actions (T, A), targets (T, O + 1), gradients of C and M by step."""
    policy = WorldModelPolicy(OBSERVATIONS, ACTIONS, lambda _: 0.0, config, (0.0, 2.0), seed=1)
    trainer = Trainer(policy, 1, 0)
    agent, transition, stage = trainer.agent, trainer.transition, Stage(STILL, STILL, config.noise, 0.0)
    rng = np.random.default_rng(2)
    trainer.begin(rng.uniform(-1, 1, (1, 2)), stage, None)
    xs, actions, targets, of_controller, of_model = [], [], [], [], []
    for _ in range(STEPS):
        xs.append(agent.x[0].copy())
        actions.append(agent.u[0].copy())
        transition.observation[:], transition.reward[:] = rng.uniform(-1, 1, (1, 2)), rng.uniform(0, 2)
        trainer._run(trainer._no_worlds, stage, 1, np.empty((1, 4)), False)
        seen = (transition.observation[0] - policy.constants.shift) * policy.constants.scale
        targets.append(np.append(seen, 1.0 - float(transition.reward[0]) / 2.0))
        of_controller.append(agent.controller_gradient.copy())
        of_model.append(agent.model_gradient.copy())
    return trainer, *map(np.array, (xs, actions, targets, of_controller, of_model))  # type: ignore[return-value]


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_reference(case: str) -> None:
    config = replace(CASES[case], **SMALL)  # type: ignore[arg-type]
    trainer, x, actions, targets, of_controller, of_model = recorded(config)
    policy = trainer.policy
    controller, model = (torch.tensor(w.numpy(), requires_grad=True) for w in (policy.controller, policy.model))
    z = predictions(config, controller, model, torch.tensor(x), torch.tensor(actions))
    for t, pain in enumerate(z[:, -1]):
        expected = torch.autograd.grad(pain, controller, retain_graph=True)[0].numpy()
        np.testing.assert_allclose(of_controller[t], expected, rtol=1e-9, atol=1e-13)
    assert np.abs(of_controller[-1]).max() > 1e-4
    state, seen = rest(config.model_units), x.shape[1]
    for t in range(STEPS):
        inputs = torch.tensor(np.concatenate([x[t], actions[t]]))
        z_t, state = net(model, config.model_units, targets.shape[1], inputs, state, config)
        loss = 0.5 * ((z_t - torch.tensor(targets[t])) ** 2).sum()
        expected = torch.autograd.grad(loss, model, retain_graph=True)[0].numpy()
        np.testing.assert_allclose(of_model[t], expected, rtol=1e-9, atol=1e-13)
    assert seen == 2 + config.pain_input


def test_the_gradient_of_the_critic_is_that_of_autograd() -> None:
    """Of C: minus dQ/dw by the action alone, at the state of M; of M: the TD error times the derivatives of Q."""
    config = replace(CASES["LSTM, truncated"], critic=True, discount=0.9, value_unit=2.0, **SMALL)  # type: ignore[arg-type]
    policy = WorldModelPolicy(OBSERVATIONS, ACTIONS, lambda _: 0.0, config, (0.0, 2.0), seed=1)
    trainer = Trainer(policy, 1, 0)
    agent, transition, rng = trainer.agent, trainer.transition, np.random.default_rng(2)
    stage = Stage(STILL, STILL, config.noise, 0.0)
    controller, model = (torch.tensor(w.numpy(), requires_grad=True) for w in (policy.controller, policy.model))
    trainer.begin(rng.uniform(-1, 1, (1, 2)), stage, None)
    values, memory = [], rest(config.model_units)
    for t in range(3):
        x, u, state = (torch.tensor(a[0].copy()) for a in (agent.x, agent.u, agent.model.state))
        layer = replace(config, units="recurrent")
        z, _ = net(controller, config.controller_units, 2, torch.cat([x, state]), rest(config.controller_units), layer)
        action = with_derivative_of(u, 2.0 * torch.sigmoid(z) - 1.0)
        q_of_action = net(model, config.model_units, 4, torch.cat([x, action]), tuple(state.reshape(2, -1)), config)[0]
        value, memory = net(model, config.model_units, 4, torch.cat([x, u]), memory, config)
        values.append(value[-1])
        transition.observation[:], transition.reward[:] = rng.uniform(-1, 1, (1, 2)), 1.5
        transition.terminated[:] = t == 2
        trainer._run(trainer._no_worlds, stage, 1, np.empty((1, 4)), False)
        expected = -torch.autograd.grad(q_of_action[-1], controller)[0].numpy()
        np.testing.assert_allclose(agent.controller_gradient, expected, rtol=1e-9, atol=1e-13)
        assert np.abs(expected).max() > 1e-5
    slopes = [torch.autograd.grad(value, model, retain_graph=True)[0].numpy() for value in values]
    fade, reward = 0.9 * config.trace_decay, 1.5 / (2.0 * 2.0)
    before = fade * slopes[0] + slopes[1]
    delta = reward + 0.9 * values[2].item() - values[1].item()
    expected = -delta * before - (reward - values[2].item()) * (fade * before + slopes[2])
    last = slice(-8, None)  # the weights of Q itself, which predictions do not share
    np.testing.assert_allclose(agent.model_gradient[last], expected[last], rtol=1e-9, atol=1e-13)


def test_the_critic_learns_a_maze_with_coded_moves() -> None:
    env = gym.make("lstm_rl/CodedTMaze-v0", corridor_length=1)
    arguments: Any = model_critic_run.SETTINGS["model/critic", "coded T-maze"] | {"model_first": 5_000}
    model = WorldModelController("WorldModelPolicy", env, seed=0, **arguments).learn(40_000)
    episodes = play(model.policy, coded_tmaze(1), 5, 40, 9).episodes
    assert len(episodes) >= 40 and np.mean([success for *_, success in episodes]) > 0.9


@pytest.mark.parametrize("case", ["LSTM, complete", "1990"])
def test_the_gradient_through_the_model_is_that_of_finite_differences(case: str) -> None:
    """Where the world is the model, to take the one for the other in derivatives is exact."""
    config = replace(CASES[case], **SMALL)  # type: ignore[arg-type]
    policy = WorldModelPolicy(OBSERVATIONS, ACTIONS, lambda _: 0.0, config, (0.0, 2.0), seed=1)
    model, seen = torch.tensor(policy.model.numpy()), 3

    def imagined(controller: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The sum of pains while M answers in the place of a world, and what it was: x, actions."""
        x, own, other = (
            torch.full((seen,), 0.3, dtype=torch.float64),
            rest(config.controller_units),
            rest(config.model_units),
        )
        total, xs, actions = torch.zeros(1, dtype=torch.float64), [], []
        for _ in range(STEPS):
            z, own = net(controller, config.controller_units, 2, x, own, config)
            u = 2.0 * (torch.sigmoid(z) if config.units == "lstm" else z) - 1.0
            xs.append(x)
            actions.append(u)
            x, other = net(model, config.model_units, seen, torch.cat([x, u]), other, config)
            total = total + x[-1]
        return total, torch.stack(xs), torch.stack(actions)

    start = torch.tensor(policy.controller.numpy(), requires_grad=True)
    with torch.no_grad():
        _, xs, actions = imagined(start)
    gradient = torch.autograd.grad(predictions(config, start, model, xs, actions)[:, -1].sum(), start)[0]
    rng, width = np.random.default_rng(3), len(start)
    for k in rng.choice(np.flatnonzero(gradient.abs().numpy() > 1e-6), 12, replace=False):
        step = torch.zeros(width, dtype=torch.float64)
        step[k] = 1e-5
        with torch.no_grad():
            slope = (imagined(start + step)[0] - imagined(start - step)[0]) / 2e-5
        assert float(slope) == pytest.approx(float(gradient[k]), rel=1e-5, abs=1e-9)
    assert float(with_derivative_of(torch.tensor(2.0), start[0]).detach()) == 2.0


def test_it_learns_the_flip_flop_and_says_how_well() -> None:
    model = WorldModelController("WorldModelPolicy", gym.make("lstm_rl/FlipFlop-v0"), seed=0, model_first=10_000)
    before = play(model.policy, flip_flop(max_steps=None), 4, 500, 9)
    model.learn(40_000)
    after = play(model.policy, flip_flop(max_steps=None), 4, 500, 9)
    assert before.pain > 0.2 and after.pain < 0.05
    logged = model.logger.name_to_value
    assert model.num_timesteps == 40_000 and model._n_updates > 0 and not logged


def test_the_loop_in_compiled_code_is_the_loop_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_model_controller, "CHUNK", 64)  # where the rates fall

    def trained(**arguments: Any) -> Any:
        env = gym.make("lstm_rl/ForcePole-v0")
        model = WorldModelController("WorldModelPolicy", env, seed=4, model_first=200, schedule="linear")
        return model.learn(400, **arguments).policy

    fast, slow = trained(), trained(callback=lambda _, __: True)
    for name, values in fast.state_dict().items():
        assert torch.equal(values, slow.state_dict()[name]), name


def test_a_first_observation_that_is_not_finite_is_not_acted_on() -> None:
    world = force_pole()
    model = WorldModelController("WorldModelPolicy", WorldEnv(world), seed=4, model_first=50).learn(100)
    world.params[START] = np.inf  # from the next reset on
    with pytest.raises(
        ValueError, match=r"^WorldEnv failed in reset: the observation must be .* got \[-?inf -?inf\] in row 0"
    ):
        model.learn(2000, reset_num_timesteps=False)
    assert np.isfinite(model._trainer.agent.x).all()
    assert model.policy.model.isfinite().all() and model.policy.controller.isfinite().all()


@pytest.mark.parametrize("slowly", [False, True])
def test_an_error_names_the_time_step(slowly: bool) -> None:
    """Of both ways to train, with the same exploration; nor does greedy play go on for ever."""
    world = tmaze(3)
    world.params[STANDING_STILL] = np.inf
    env = DummyVecEnv([lambda: WorldEnv(world), lambda: WorldEnv(world)])
    model = WorldModelController("WorldModelPolicy", env, reward_range=(-1.0, 4.0), seed=4)
    with pytest.raises(ValueError, match=r"^WorldEnv .* the reward must be .* got inf in row 0 at time step 2$"):
        model.learn(500, callback=(lambda _, __: True) if slowly else None)
    with pytest.raises(
        ValueError, match=r"^World failed in step: the reward must be .* got inf in row \d at time step"
    ):
        play(model.policy, world, 5, 100, 0)


def test_a_saved_model_goes_on_exactly(tmp_path: Path) -> None:
    model = WorldModelController("WorldModelPolicy", gym.make("lstm_rl/ForcePole-v0"), seed=3, model_first=100)
    model.learn(300).save(tmp_path / "model")
    other = WorldModelController.load(tmp_path / "model", env=gym.make("lstm_rl/ForcePole-v0"))
    model.learn(200, reset_num_timesteps=False)
    other.learn(200, reset_num_timesteps=False)
    assert torch.equal(model.policy.controller, other.policy.controller)
    assert torch.equal(model.policy.model, other.policy.model)


def test_predict_carries_its_state() -> None:
    config = WorldModelConfig(pain_input=True, controller_range=1.0)
    policy = WorldModelPolicy(flip_flop().observation_space, flip_flop().action_space, lambda _: 0.0, config, seed=0)
    x = np.random.default_rng(0).integers(0, 2, (5, 3)).astype(np.float32)
    state, single = None, []
    for row in x:
        action, state = policy.predict(row, state)
        single.append(action)
    state, rows = None, []
    for t, row in enumerate(x):
        actions, state = policy.predict(np.stack([row, x[0]]), state, np.array([False, t > 0]))
        rows.append(actions)
    np.testing.assert_array_equal(np.array(rows)[:, 0], single)
    assert np.ptp(np.array(rows)[1:, 1]) == 0.0 < np.ptp(single)  # row 1 begins again and again
    with pytest.raises(ValueError, match=r"^observation must be finite numbers of shape \(3,\) or \(n, 3\)"):
        policy.predict(np.zeros(4))
    with pytest.raises(ValueError, match="^state must be what predict returned for 1 rows"):
        policy.predict(x[0], state)


def test_moves_and_the_critic_learn_as_well() -> None:
    model = WorldModelController("WorldModelPolicy", gym.make("lstm_rl/CueMaze-v0"), seed=0, model_first=300)
    before = model.policy.controller.clone()
    model.learn(600)
    assert not torch.equal(before, model.policy.controller)
    env = gym.make("lstm_rl/ForcePole-v0")
    model = WorldModelController("WorldModelPolicy", env, seed=0, critic=True, discount=0.95, model_first=300)
    before = model.policy.controller.clone()
    model.learn(600)
    assert not torch.equal(before, model.policy.controller)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env": "CartPole-v1"}, r"^reward_range must be given as \(least, largest\)"),
        ({"reward_range": (1.0, 1.0)}, "^reward_range must be two finite numbers"),
        ({"model_units": 2, "units": "recurrent"}, "^model_units must be >= 3, one for each output, got 2"),
        ({"critic": True, "units": "recurrent"}, "^units must be 'lstm' with critic"),
        ({"ticks": 0}, "^ticks must be"),
        ({"speed": 1}, "^settings must be among units, "),
        ({"policy": "MlpPolicy"}, "^policy must be WorldModelPolicy, got 'MlpPolicy'"),
        ({"env": "Acrobot-v1", "units": "recurrent", "reward_range": (-1.0, 0.0)}, "^model_units must be >= 7"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: dict[str, Any], message: str) -> None:
    whole = {"policy": "WorldModelPolicy", "env": "lstm_rl/ForcePole-v0"} | arguments
    with pytest.raises(ValueError, match=message):
        WorldModelController(**whole)


def test_the_optimum_is_reached_and_no_memory_is_as_bad_as_said() -> None:
    world = flip_flop(max_steps=200)
    env, total, constant = gym.make("lstm_rl/FlipFlop-v0", max_steps=200), np.zeros(2), 0.55
    for seed in range(40):
        observation, info = env.reset(seed=seed)
        over = False
        while not over:
            without = 0.0 if observation[0] else 1.0 if observation[1] else constant
            observation, reward, _, over, after = env.step(np.array([info["state"][0]], np.float32))
            total += np.array([reward, -((without - info["state"][0]) ** 2)])
            info = after
    assert total[0] == world.optimal_return == 0.0
    assert total[1] / 40 == pytest.approx(world.memoryless_return, rel=0.05)
    assert flip_flop(lag=2, max_steps=100).memoryless_return == pytest.approx(-0.25 * 50, rel=0.05)
    assert force_pole(max_steps=7).optimal_return == 7.0
    env, held = gym.make("lstm_rl/ForcePole-v0"), 0.0
    for seed in range(2):
        seen, over = env.reset(seed=seed)[0], False
        while not over:
            force = np.clip(0.03 * seen[:1] + 0.3 * seen[1:2], -1, 1).astype(np.float32)
            seen, reward, end, cut, _ = env.step(force)
            held, over = held + float(reward) / 2, end or cut
    assert held == pytest.approx(force_pole().memoryless_return, abs=75)  # of two episodes


def test_a_shrunken_run_of_each_experiment() -> None:
    small = {"max_steps": 800, "eval_freq": 400, "overrides": '{"model_first": 200}'}
    for more in ({"task": "flip-flop"}, {"task": "pole"}):
        run = world_model_run.run(world_model_run.WorldModelRun(**small, **more), lambda _: None)  # type: ignore[arg-type]
        assert run["steps"] == 800 and not run["success"] and run["faults"] > 0 < run["trial_steps"]
    with pytest.raises(ValueError, match="^overrides must be fields of WorldModelConfig"):
        world_model_run.check(world_model_run.WorldModelRun(overrides='{"speed": 1}'))
    critic = model_critic_run.run(model_critic_run.CriticRun("coded T-maze", max_seconds=0.01), lambda _: None)
    assert critic["all_steps"] > 0 and -100 < critic["returns"] <= 4.0


def test_the_command_leaves_a_model_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["world-model", "lstm_rl/ForcePole-v0", "--timesteps", "400", "--model-first", "200"]
    command += ["--out", str(tmp_path / "run"), "--no-progress"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'run'}: mean reward ")
    names = {path.name.split(".")[0] for path in (tmp_path / "run").iterdir()}
    assert {"config", "model", "predicted", "events"} <= names
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2", "--max-steps", "5"]) == 0
    assert ": 2 episodes, " in capsys.readouterr().out
    film = ["watch", str(tmp_path / "run"), "--episodes", "1", "--max-steps", "3", "--video", str(tmp_path / "a.gif")]
    assert main(film) == 0 and "1 episodes, 4 pictures" in capsys.readouterr().out
    (tmp_path / "a.gif").unlink()
    assert main(["evaluate", str(tmp_path / "run"), "--stochastic"]) == 2
    assert "its controller draws nothing" in capsys.readouterr().err
    assert main(["diagnose", "run", str(tmp_path / "run")]) == 2 and "a WorldModel" in capsys.readouterr().err
    assert main(command) == 2 and "choose another --out, or --overwrite or --resume it" in capsys.readouterr().err
    assert main(["world-model", "CartPole-v1", "--out", str(tmp_path / "other")]) == 2
    assert (
        capsys.readouterr().err.startswith("lstm-rl: reward_range must be given") and len(list(tmp_path.iterdir())) == 1
    )


def test_overwrite_deletes_runs_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["world-model", "lstm_rl/ForcePole-v0", "--timesteps", "40", "--no-progress", "--out", str(tmp_path)]
    (tmp_path / "thesis").mkdir()
    for name in ("model.zip", "thesis/chapter"):  # anybody's
        (tmp_path / name).write_text("mine")
    for option, words in (("--overwrite", "overwrite must name a run folder"), ("--progress", "is no run folder")):
        assert main([*command, option]) == 2
        assert words in capsys.readouterr().err and (tmp_path / "thesis" / "chapter").read_text() == "mine"
    (tmp_path / "thesis" / "chapter").unlink()
    (tmp_path / "thesis").rmdir()
    (tmp_path / "model.zip").unlink()
    assert main(command) == 0 and main([*command, "--overwrite", "--seed", "1"]) == 0
    train = ["train", "lstm_rl/ForcePole-v0", "--log-dir", str(tmp_path.parent), "--run-name", tmp_path.name]
    for other in ([*command, "--resume", "--n-envs", "2"], [*train, "--resume"]):
        before = read_config(tmp_path)
        assert main(other) == 2 and read_config(tmp_path) == before


def test_an_interrupted_run_keeps_what_it_has_and_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["world-model", "lstm_rl/ForcePole-v0", "--timesteps", "6000", "--model-first", "200", "--no-progress"]
    command += ["--schedule", "linear"]
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    folder, step = tmp_path / "run", RunCallback._on_step

    def interrupted(self: RunCallback) -> bool:
        going_on = step(self)
        os.kill(os.getpid(), signal.SIGTERM)
        return going_on and step(self)

    with monkeypatch.context() as patch:
        patch.setattr(RunCallback, "_on_step", interrupted)
        assert main([*command, "--out", str(folder)]) == 143
        assert capsys.readouterr().err == (
            f"terminated by SIGTERM; {folder} keeps model, log and monitor.csv of 200 steps; the same command with "
            "--resume goes on\n"
        )
    assert not (folder / "predicted.png").exists() and not list(folder.glob(".*"))
    assert main([*command, "--out", str(folder), "--resume", "--n-envs", "2"]) == 2
    assert "n_envs must be 1, as in the run to resume, got 2" in capsys.readouterr().err
    untyped = ["world-model", "lstm_rl/ForcePole-v0", "--no-progress", "--out", str(folder), "--resume"]
    assert main(untyped) == 0  # settings are the run's own
    one, other = (load_model(path / "model.zip") for path in (folder, tmp_path / "whole"))
    assert torch.equal(one.policy.controller, other.policy.controller)
    assert torch.equal(one.policy.model, other.policy.model)
    texts = [(path / "monitor.csv").read_text().splitlines() for path in (folder, tmp_path / "whole")]
    rows = [[line.split(",")[:2] for line in text[1:]] for text in texts]
    assert rows[0] == rows[1] and len(rows[0]) > 9
    assert main([*command, "--out", str(folder), "--resume"]) == 2
    assert "timesteps must be > 6000" in capsys.readouterr().err


def test_the_picture_has_a_name_for_each_number() -> None:
    env = gym.make("lstm_rl/ForcePole-v0")
    policy = WorldModelController("WorldModelPolicy", env, seed=0).policy
    titles = [panel.get_title("left") for panel in predicted_beside_real(policy, env, 3, names=("cart", "pole")).axes]
    assert titles == ["cart", "pole", "pain, which the controller is to avoid", "action"]
    with pytest.raises(ValueError, match="^names must be 2, one for each observation, got cart$"):
        predicted_beside_real(policy, env, 3, names=("cart",))


def test_codes_of_moves() -> None:
    env = CodedActions(gym.make("lstm_rl/TMaze-v0", corridor_length=3), 8, 1)
    assert [env.action(code.astype(float)) for code in env.codes] == [0, 1, 2, 3]
    assert env.action(0.6 * env.codes[2] + 0.2) == 2 and env.action_space.shape == (8,)
    with pytest.raises(ValueError, match="^bits must be enough for 4 codes, got 1"):
        CodedActions(gym.make("lstm_rl/TMaze-v0"), 1)


def test_the_compiled_maze_with_coded_moves_is_the_wrapped_one() -> None:
    wrapped = CodedActions(gym.make("lstm_rl/TMaze-v0", corridor_length=2), 8, 3)
    compiled = gym.make("lstm_rl/CodedTMaze-v0", corridor_length=2, code_seed=3)
    rng, ends = np.random.default_rng(0), 0
    for seed in range(20):
        over = False
        np.testing.assert_array_equal(wrapped.reset(seed=seed)[0], compiled.reset(seed=seed)[0])
        while not over:
            action = rng.random(8, np.float32)
            (seen, *told, _), (other, *other_told, _) = wrapped.step(action), compiled.step(action)
            np.testing.assert_array_equal(seen, other)
            assert told == other_told
            over = bool(told[1] or told[2])
            ends += bool(told[1])
    assert ends > 10

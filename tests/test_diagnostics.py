"""What people see of a learner: a recorded episode, figures and TensorBoard."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import wrappers
from matplotlib.figure import Figure
from PIL import Image
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecMonitor, VecNormalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lstm_rl.envs  # noqa: F401  registers the environments
from lstm_rl.agents import AdvantageLearning
from lstm_rl.diagnostics import tensorboard
from lstm_rl.diagnostics.activations import Activations, record_activations
from lstm_rl.diagnostics.episode import Episode, decision, episode_errors, record_episode
from lstm_rl.diagnostics.figures import learning_curve, pixels, save
from lstm_rl.diagnostics.monitor import moving_average
from lstm_rl.diagnostics.replay import as_network, as_seen
from lstm_rl.diagnostics.tensorboard import TensorBoardCallback, weight_groups
from lstm_rl.diagnostics.timeline import activations_figure, episode_errors_figure, episode_figure
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.sb3 import GymnasiumVecEnv
from lstm_rl.envs.tmaze import EAST, WEST, tmaze
from lstm_rl.kernels.cells import Cells
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.topology import Topology

TOPOLOGIES = {
    "default": Topology(3, 4, blocks=(1, 1, 1)),
    "blocks": Topology(3, 4, hidden=2, blocks=(2, 3), peepholes=True, gates_see=("input", "gates")),
    "1997": Topology(3, 4, blocks=(2,), forget_gate=False),
    "no gates": Topology(3, 4, blocks=(2,), input_gate=False, forget_gate=False, output_gate=False),
    "hidden only": Topology(3, 4, hidden=5),
}


class Ring(gym.Env[Any, Any]):
    """A foreign world: twelve places in a row, actions 2 .. 10, an end after 30 steps and no word of success."""

    observation_space = gym.spaces.Discrete(12)
    action_space = gym.spaces.Discrete(9, start=2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begin at place 0."""
        super().reset(seed=seed)
        self.elapsed = 0
        return 0, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Move on by one place."""
        assert self.action_space.contains(action)
        self.elapsed += 1
        return self.elapsed % 12, 1.0, self.elapsed >= 30, False, {}


class Doubled(gym.ObservationWrapper[Any, Any, Any]):
    """A wrapper that does not tell how it was made."""

    def observation(self, observation: Any) -> Any:
        """Twice what the world shows, cut off at 1."""
        return np.minimum(2 * observation, 1)


def maze(**arguments: Any) -> gym.Env[Any, Any]:
    return gym.make("lstm_rl/NoisyTMaze-v0", **{"corridor_length": 4, "max_steps": 60} | arguments)


def learner(env: Any = None, topology: Topology | Cells | None = None, **settings: Any) -> AdvantageLearning:
    kwargs = {"topology": topology} if topology else None
    settings = {"chunk_size": 500, "learning_rate": 1e-3, "seed": 1} | settings
    return AdvantageLearning("LstmPolicy", maze() if env is None else env, policy_kwargs=kwargs, **settings)


@pytest.fixture(scope="module")
def trained() -> AdvantageLearning:
    return learner().learn(30_000)


# --- the episode -----------------------------------------------------------------------------------------------------


def test_the_episode_is_the_one_that_predict_plays(trained: AdvantageLearning) -> None:
    episode, env = record_episode(trained.policy, maze(), seed=5), maze()
    observation, _ = env.reset(seed=5)
    state = None
    for t in range(len(episode.actions)):
        assert np.array_equal(observation, episode.activations.inputs[t])
        action, state = trained.predict(observation, state, deterministic=True)
        assert action == episode.actions[t] == episode.activations.outputs[t].argmax()
        assert state is not None and np.array_equal(state[1][0], episode.activations.parts["cell state"][t])
        observation, reward, terminated, truncated, info = env.step(action)
        assert reward == episode.rewards[t]
    assert terminated or truncated
    assert info["is_success"] == episode.success


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_recorded_gates_and_cells_obey_the_equations(name: str) -> None:
    topology = TOPOLOGIES[name]
    episode = record_episode(learner(topology=topology).policy, maze(), seed=0)
    steps, blocks = len(episode.actions), list(topology.block_of_cell)
    parts, count = episode.activations.parts, len(topology.blocks)
    sizes = {f"{gate} gate": count for gate in ("input", "forget", "output") if getattr(topology, f"{gate}_gate")}
    sizes |= {"cell state": topology.cells, "cell output": topology.cells, "hidden": topology.hidden}
    sizes = {name: size for name, size in sizes.items() if size}
    assert {name: part.shape for name, part in parts.items()} == {name: (steps, size) for name, size in sizes.items()}
    assert episode.activations.blocks == topology.blocks
    if topology.blocks:
        opened = parts["output gate"][:, blocks] if "output gate" in parts else 1.0
        assert parts["cell output"] == pytest.approx(opened * np.tanh(parts["cell state"] / 2), abs=1e-6)


def test_marks_of_the_maze_are_where_cue_and_junction_are_seen(trained: AdvantageLearning) -> None:
    for seed in range(5):
        episode = record_episode(trained.policy, maze(), seed)
        middle = episode.activations.inputs[:, 1] == 1
        junction = middle & (episode.activations.inputs[:, [0, 2]] == 0).all(axis=1)
        assert episode.activations.marks == {
            "cue": np.flatnonzero(middle & ~junction).tolist(),
            "junction": np.flatnonzero(junction).tolist(),
        }
        assert episode.activations.marks["cue"][0] == 0


def test_a_cue_that_is_hidden_on_return_is_not_marked() -> None:
    policy = learner(hidden=1, cells=0).policy
    first, last = torch.zeros_like(policy.hidden_weights), torch.zeros_like(policy.output_weights)
    first[1], last[0, EAST], last[1, WEST] = 50.0, 2.0, 1.5  # East where x1 is seen, else West
    ones = {f"observation_{name}": torch.ones(size) for name, size in (("count", 1), ("square", 3))}
    policy.load_state_dict(policy.state_dict() | ones | {"hidden_weights": first, "output_weights": last})
    shown, hidden = (record_episode(policy, maze(cue_on_return=on), 0, max_steps=10) for on in (True, False))
    assert shown.actions.tolist() == [EAST, WEST] * 5
    assert shown.activations.marks == {"cue": [0, 2, 4, 6, 8], "junction": []}
    assert hidden.activations.marks == {"cue": [0], "junction": []}


def test_marks_of_the_pole_are_the_steps_that_show_the_mode() -> None:
    pole = gym.make("lstm_rl/MultimodePole-v0", cue_steps=4)
    episode = record_episode(learner(pole).policy, gym.make("lstm_rl/MultimodePole-v0", cue_steps=4), seed=0)
    assert episode.activations.marks == {"cue": [0, 1, 2, 3]}
    assert np.flatnonzero(episode.activations.inputs[:, 2]).tolist() == [0, 1, 2, 3]
    assert episode.success is False


def test_a_foreign_world_has_no_marks_and_no_success() -> None:
    episode = record_episode(learner(Ring()).policy, Ring())
    assert (len(episode.actions), episode.success, episode.activations.marks) == (30, None, {})
    assert episode.activations.inputs.shape == (30, 12)
    assert episode.activations.inputs.argmax(axis=1).tolist() == [t % 12 for t in range(30)]


def test_recording_stops_after_max_steps_and_changes_no_weights() -> None:
    model = learner()
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    episode = record_episode(model.policy, maze(), seed=0, max_steps=2)
    assert (len(episode.actions), episode.success) == (2, None)
    assert len(record_episode(model.policy, WorldEnv(tmaze(50, max_steps=None))).actions) in (51, 2000)
    assert all(torch.equal(value, before[name]) for name, value in model.policy.state_dict().items())


# --- the same network in Torch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize("normalised", [True, False])
def test_the_replayed_episode_is_the_recorded_one(name: str, normalised: bool) -> None:
    model = learner(topology=TOPOLOGIES[name], normalize_observations=normalised, precision="float64").learn(2000)
    episode = record_episode(model.policy, maze(), seed=0)
    seen = as_seen(model.policy, episode.activations.inputs, episode.actions)
    replayed = record_activations(as_network(model.policy), seen)
    assert np.allclose(replayed.outputs, episode.activations.outputs, rtol=0, atol=1e-11)
    assert replayed.blocks == episode.activations.blocks
    assert list(replayed.parts) == list(episode.activations.parts)
    for part, values in episode.activations.parts.items():
        assert np.allclose(replayed.parts[part], values, rtol=0, atol=1e-11)


def test_errors_along_an_episode_are_derivatives_of_the_executed_output(trained: AdvantageLearning) -> None:
    episode = record_episode(trained.policy, maze(), seed=0)
    step = decision(episode)
    assert step == episode.activations.marks["junction"][-1] == len(episode.actions) - 1
    errors = episode_errors(trained.policy, episode, step)
    assert errors["input"].shape == (step + 1, 3) and errors["cell state"].shape == (step + 1, 8)
    net, x = as_network(trained.policy), as_seen(trained.policy, episode.activations.inputs, episode.actions)
    nudge = 1e-6
    for t in (0, step // 2, step):
        for i in range(3):
            y = []
            for sign in (1, -1):
                moved = x.copy()
                moved[t, i] += sign * nudge
                y.append(record_activations(net, moved).outputs[step, episode.actions[step]])
            assert errors["input"][t, i] == pytest.approx((y[0] - y[1]) / (2 * nudge), rel=1e-5, abs=1e-9)
    assert decision(record_episode(trained.policy, maze(), seed=0, max_steps=2)) == 1  # no junction: the last step


@pytest.mark.parametrize("layers", [(("self_lstm", 3), ("rtu", 2)), (("self_lstm", 2), ("self_lstm", 3))])
def test_an_episode_of_exact_cells_is_replayed_with_its_last_actions(layers: Any) -> None:
    model = learner(topology=Cells(3 + 4, 4, layers, actions=4), precision="float64").learn(500)
    episode = record_episode(model.policy, maze(), seed=0)
    step = decision(episode)
    net, x = as_network(model.policy), as_seen(model.policy, episode.activations.inputs, episode.actions)
    assert x.shape == (len(episode.actions), 3 + 4)
    replayed = record_activations(net, x)
    assert np.allclose(replayed.outputs, episode.activations.outputs, rtol=0, atol=1e-11)
    assert len(replayed.parts) == 2 and {*replayed.parts} < {*episode.activations.parts}
    errors = episode_errors(model.policy, episode, step)
    nudge, y = 1e-6, []
    for sign in (1, -1):
        moved = x.copy()
        moved[0, 1] += sign * nudge
        y.append(record_activations(net, moved).outputs[step, episode.actions[step]])
    assert errors["input"][0, 1] == pytest.approx((y[0] - y[1]) / (2 * nudge), rel=1e-5, abs=1e-9)
    figure = episode_errors_figure(episode, errors, step)
    assert figure.axes[3].get_ylabel().replace("\n", " ") == f"error at {next(iter(replayed.parts))}"
    assert_legible(figure)
    drawn = np.array(figure.axes[3].images[0].get_array())
    assert drawn.shape == (layers[0][1], len(episode.actions)) and (drawn[:, 0] != 0.0).all()  # s, without tanh(s)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_picture_of_an_episodes_errors_is_legible(name: str) -> None:
    policy = learner(topology=TOPOLOGIES[name]).policy
    for steps in (1, 100):
        episode = record_episode(policy, maze(corridor_length=200, max_steps=None), seed=0, max_steps=steps)
        errors = episode_errors(policy, episode, steps - 1)
        figure = episode_errors_figure(episode, errors, steps - 1)
        assert_legible(figure)
        names = [panel.get_ylabel().replace("\n", " ") for panel in figure.axes]
        memory = "cell state" if "cell state" in errors else "hidden"
        assert names == ["input", "advantage", "norm of the error at", f"error at {memory}"]


# --- the activations of a sequence ------------------------------------------------------------------------------------


def test_activations_are_recorded_over_any_sequence() -> None:
    net = LstmNetwork(TOPOLOGIES["blocks"], seed=0)
    x, resets = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32), np.arange(9) == 5
    recorded = record_activations(net, x, resets=resets, marks={"reset": [5]})
    whole, state = net(torch.tensor(x)[:, None], None, torch.tensor(resets)[:, None])
    assert np.allclose(recorded.outputs, whole[:, 0].detach(), atol=1e-6)
    assert np.allclose(recorded.parts["cell state"][-1], state.s[0].detach(), atol=1e-6)
    assert (len(recorded), recorded.marks, recorded.blocks) == (9, {"reset": [5]}, (2, 3))
    again = record_activations(net, x[5:])
    assert all(np.allclose(again.parts[name], part[5:], atol=1e-6) for name, part in recorded.parts.items())
    middle = net(torch.tensor(x[:3])[:, None])[1]
    later = record_activations(net, x[3:5], state=middle)
    assert np.allclose(later.outputs, recorded.outputs[3:5], atol=1e-6)
    figure = activations_figure(recorded, "a sequence", targets=np.zeros((9, 4)))
    assert_legible(figure)
    assert [panel.get_ylabel() for panel in figure.axes[:2]] == ["input", "output"]


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.zeros((4, 2)), np.zeros(3)])
def test_a_sequence_that_does_not_fit_is_refused(x: Any) -> None:
    with pytest.raises(ValueError, match=r"x must have shape \(T, 3\) with T >= 1, got"):
        record_activations(LstmNetwork(TOPOLOGIES["blocks"]), x)


def test_resets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"resets must have shape \(4,\), got \(3,\)"):
        record_activations(LstmNetwork(TOPOLOGIES["blocks"]), np.zeros((4, 3)), resets=np.zeros(3, bool))


def test_memory_bits_of_a_table_are_drawn() -> None:
    model = AdvantageLearning("MemoryBitsPolicy", maze(), seed=0, normalize_observations=False)
    episode = record_episode(model.policy, maze(), seed=0, max_steps=9)
    assert episode.activations.parts["memory bits"].shape == (9, 1)
    assert_legible(episode_figure(episode))
    with pytest.raises(ValueError, match="policy must have a network, got table"):
        episode_errors(model.policy, episode, 0)


def test_a_network_at_rest_can_be_drawn() -> None:
    zeros = np.zeros((3, 1), np.float32)
    still = Activations(zeros, zeros, {"cell state": zeros, "input gate": zeros}, (1,))
    assert_legible(episode_figure(Episode(still, np.zeros(3, np.int64), np.zeros(3), None)))


# --- figures ---------------------------------------------------------------------------------------------------------


def assert_legible(figure: Figure) -> None:
    """Nothing is cut off at the border, and no panel's name lies on its numbers."""
    pixels(figure)  # draws
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    for panel in figure.axes:
        if panel.get_ylabel():
            name = panel.yaxis.label.get_window_extent()
            low, high = sorted(panel.get_ylim())
            shown = [tick for tick in panel.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
            assert shown and name.x0 >= 0
            assert name.x1 <= min(tick.label1.get_window_extent().x0 for tick in shown)


@pytest.mark.parametrize("steps", [1, 60, 2000])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_episode_figure_has_a_panel_for_whatever_there_is(name: str, steps: int) -> None:
    topology = TOPOLOGIES[name]
    world = maze(corridor_length=60, max_steps=None)
    episode = record_episode(learner(topology=topology).policy, world, seed=0, max_steps=steps)
    figure = episode_figure(episode)
    assert_legible(figure)
    names = [panel.get_ylabel().replace("\n", " ") for panel in figure.axes]
    assert names == ["input", "advantage", *episode.activations.parts]
    assert pixels(figure).shape == (900, 1000, 3)


def test_the_episode_figure_marks_cue_and_junction(trained: AdvantageLearning) -> None:
    episode = record_episode(trained.policy, maze(), seed=0)
    marks = {"cue": [0, 1], "junction": [len(episode.actions) - 1]}
    figure = activations_figure(replace(episode.activations, marks=marks))
    plain = activations_figure(replace(episode.activations, marks={}))
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][-2:] == ["cue", "junction"]
    changed = (pixels(figure) != pixels(plain)).any(axis=2)
    for panel in figure.axes:  # every panel shows them
        box = panel.get_window_extent()
        assert changed[900 - int(box.y1) : 900 - int(box.y0), int(box.x0) : int(box.x1)].any()


def test_wide_inputs_and_many_actions_become_heat_maps() -> None:
    model = learner(Ring())
    figure = episode_figure(record_episode(model.policy, Ring()))
    assert_legible(figure)
    assert all(panel.images for panel in figure.axes)


def monitor_file(path: Path, episodes: int, success: bool = True, header: str = "#{}\n#more\n") -> Path:
    rows = [f"{k % 5 - 0.5},{k % 7 + 1},{k / 10}" + f",{k % 2 == 0}" * success + "\n" for k in range(episodes)]
    path.write_text(header + "r,l,t" + ",is_success" * success + "\n" + "".join(rows))
    return path


@pytest.mark.parametrize("success", [True, False])
@pytest.mark.parametrize("episodes", [0, 1, 5, 9000])
def test_the_learning_curve_shows_moving_averages(tmp_path: Path, episodes: int, success: bool) -> None:
    path = monitor_file(tmp_path / "monitor.csv", episodes, success)
    figure = learning_curve(path, optimal_return=4.0, memoryless_return=1.95, title="Maze")
    assert_legible(figure)
    assert [panel.get_ylabel() for panel in figure.axes] == ["success rate"] * success + ["return", "length"]
    optimal, memoryless = figure.axes[-2].lines[1:]
    assert [line.get_label() for line in (optimal, memoryless)] == ["optimal", "best without memory"]
    assert [line.get_ydata()[0] for line in (optimal, memoryless)] == [4.0, 1.95]  # type: ignore[index]
    assert figure.axes[-1].get_yscale() == "log"
    every = np.arange(episodes)
    for panel, values in zip(figure.axes[-2:], (every % 5 - 0.5, every % 7 + 1), strict=True):
        x, y = (np.asarray(data) for data in panel.lines[0].get_data())
        assert len(x) == min(episodes, 2000)
        if episodes:
            assert (x[-1], y[-1]) == (np.sum(every % 7 + 1), pytest.approx(np.mean(values[-100:])))


@pytest.mark.parametrize("success", [True, False])
def test_the_learning_curve_shows_evaluations(tmp_path: Path, success: bool) -> None:
    path, trials = monitor_file(tmp_path / "monitor.csv", 40, success), tmp_path / "evaluations.npz"
    lengths = np.array([[5000.0, 7000.0], [2.0, np.nan]])  # the second of one episode only
    told: Any = {"successes": np.array([[0.0, 1.0], [1.0, np.nan]])} if success else {}
    np.savez(trials, timesteps=[100, 250], results=lengths / 1000, ep_lengths=lengths, **told)
    figure = learning_curve(path, evaluations=trials, optimal_return=4.0)
    assert_legible(figure)
    means = {"success rate": [0.5, 1.0], "return": [6.0, 0.002], "length": [6000.0, 2.0]}
    for panel in figure.axes:
        x, y = (np.asarray(data, np.float64) for data in panel.lines[1].get_data())
        assert x.tolist() == [100, 250] and y.tolist() == pytest.approx(means[panel.get_ylabel()])
        low, high = panel.get_ylim()
        assert low < min(means[panel.get_ylabel()]) and max(means[panel.get_ylabel()]) < high
    assert figure.axes[-1].get_xlim()[1] > 250
    legend = figure.axes[0].get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()][:2] == ["training", "evaluation"]
    trials.write_bytes(trials.read_bytes()[:100])
    with pytest.raises(ValueError, match="evaluations.npz must hold evaluations, but is damaged"):
        learning_curve(path, evaluations=trials)


def test_the_learning_curve_reads_a_file_that_is_being_written(tmp_path: Path) -> None:
    path = monitor_file(tmp_path / "monitor.csv", 4, header="#{}\n")
    with path.open("a") as file:
        file.write("#{}\nr,l,t,is_success\n2,3,1.0,True\n7,1")
    x, y = (np.asarray(data) for data in learning_curve(path, window=1).axes[1].lines[0].get_data())
    assert (len(x), y[-1]) == (5, 2)
    path.write_text("")
    assert len(learning_curve(path).axes) == 2
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="must be a monitor.csv with columns r and l, got a, b"):
        learning_curve(path)


def test_moving_average_is_that_of_the_last_values() -> None:
    values = np.random.default_rng(0).normal(size=20)
    expected = [values[max(k - 6, 0) : k + 1].mean() for k in range(20)]
    assert moving_average(values, 7) == pytest.approx(expected)


def test_saving_a_figure_keeps_the_old_file_until_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "figure.png"
    save(learning_curve(monitor_file(tmp_path / "monitor.csv", 5)), path)
    with Image.open(path) as picture:
        assert (picture.format, picture.width) == ("PNG", 800)
    before = path.read_bytes()

    def fail(self: Figure, name: Path, **arguments: Any) -> None:
        name.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save(Figure(), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# --- TensorBoard -----------------------------------------------------------------------------------------------------


def read_log(folder: Path, run: str = "AdvantageLearning_1") -> EventAccumulator:
    log = EventAccumulator(str(folder / run), size_guidance={"histograms": 0, "images": 0, "tensors": 0, "scalars": 0})
    log.Reload()
    return log


def test_tensorboard_shows_everything(tmp_path: Path) -> None:
    env = Monitor(maze(), info_keywords=("is_success",))
    model = learner(env, TOPOLOGIES["blocks"], tensorboard_log=str(tmp_path))
    model.learn(3200, callback=TensorBoardCallback(every=1000))
    log = read_log(tmp_path)
    tags = log.Tags()
    assert {"rollout/ep_rew_mean", "rollout/success_rate", "train/abs_td_error", "time/fps"} <= set(tags["scalars"])
    weights = {tag for tag in tags["histograms"] if tag.startswith("weights/")}
    assert weights == set(weight_groups(model.policy))
    activations = {"input_gate", "forget_gate", "output_gate", "cell_state", "cell_output", "hidden"}
    assert set(tags["histograms"]) - weights == {f"activations/{kind}" for kind in activations}
    assert [event.step for event in log.Histograms("activations/cell_state")] == [1000, 2000, 3000, 3200]
    assert tags["images"] == ["episode/activations"]
    image = log.Images("episode/activations")[-1]
    assert (image.width, image.height, image.step) == (1000, 900, 3200)
    text = log.Tensors("topology/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "3 inputs, 2 hidden units" in text
    plugin = log.SummaryMetadata("_hparams_/session_start_info").plugin_data
    assert plugin.plugin_name == "hparams"
    for setting in (b"learning_rate", b"forget_gate_bias", b"lstm_rl/NoisyTMaze-v0", b"ez_greedy"):
        assert setting in plugin.content


def test_histograms_count_every_weight_once() -> None:
    for topology in TOPOLOGIES.values():
        groups = weight_groups(learner(topology=topology).policy)
        assert sum(group.size for group in groups.values()) == topology.weight_count
    peephole = weight_groups(learner(topology=TOPOLOGIES["blocks"]).policy)
    assert peephole["weights/state_t_to_output_gate"].size == 5  # one per cell, the masked ones left out
    assert "weights/state_t_to_input_gate" not in peephole


def vector_maze() -> VecMonitor:
    make = gym.make_vec("lstm_rl/NoisyTMaze-v0", num_envs=3, corridor_length=4, autoreset_mode="SameStep")
    return VecMonitor(GymnasiumVecEnv(make))


@pytest.mark.parametrize("make", [maze, Ring, vector_maze])
def test_training_goes_on_bit_for_bit_as_without_the_callback(tmp_path: Path, make: Callable[[], Any]) -> None:
    models = [learner(make(), tensorboard_log=str(tmp_path / name)) for name in ("with", "without")]
    own = Ring() if make is Ring else None
    state = "self_lstm_state" if make is Ring else "cell_state"
    models[0].learn(2000, callback=TensorBoardCallback(own, every=300))
    models[1].learn(2000)
    for name, value in models[0].policy.state_dict().items():
        assert torch.equal(value, models[1].policy.state_dict()[name]), name
    for mine, other in zip(*(model._learner.approximator.streams for model in models), strict=True):
        assert np.array_equal(mine, other)
    mine, other = (model._learner.explorer.generator for model in models)
    assert np.array_equal(mine, other)
    log = read_log(tmp_path / "with")
    assert [event.step for event in log.Images("episode/activations")] == [models[0].num_timesteps]  # once, at the end
    assert len(log.Histograms(f"activations/{state}")) >= 2


UNSEEN: dict[str, tuple[Callable[[], Any], str]] = {
    "no way to make another": (Ring, "do not say how they were made"),
    "a wrapper that does not tell": (lambda: Doubled(maze()), "Doubled does not say how it was made"),
    "stacked": (lambda: VecFrameStack(DummyVecEnv([maze]), 2), "VecFrameStack changes what is seen"),
    "normalised": (lambda: VecNormalize(DummyVecEnv([maze])), "VecNormalize changes what is seen"),
    "statistics of a row": (lambda: wrappers.NormalizeObservation(maze()), "NormalizeObservation changes what is seen"),
    "elsewhere": (lambda: SubprocVecEnv([maze], start_method="fork"), "are in other processes"),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_where_nothing_shows_what_the_policy_sees_there_are_histograms_but_no_episode(
    tmp_path: Path, name: str
) -> None:
    make, reason = UNSEEN[name]
    model = learner(make(), tensorboard_log=str(tmp_path))
    with pytest.warns(UserWarning, match=f"^TensorBoard shows no episode: .*{reason}"):
        model.learn(500, callback=TensorBoardCallback())
    assert model.env is not None
    model.env.close()
    tags = read_log(tmp_path).Tags()
    assert tags["images"] == []
    assert tags["histograms"] and all(tag.startswith("weights/") for tag in tags["histograms"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: WorldEnv(tmaze(3)),
        lambda: DummyVecEnv([lambda: wrappers.FrameStackObservation(maze(), 2)]),
        lambda: gym.make("CartPole-v1"),
    ],
)
def test_the_episode_shows_what_the_policy_sees(tmp_path: Path, make: Callable[[], Any]) -> None:
    model = learner(make(), tensorboard_log=str(tmp_path))
    model.learn(500, callback=TensorBoardCallback())
    assert read_log(tmp_path).Tags()["images"] == ["episode/activations"]


def test_an_environment_that_shows_something_else_is_refused(tmp_path: Path) -> None:
    model = learner(VecFrameStack(DummyVecEnv([maze]), 2), tensorboard_log=str(tmp_path))
    with pytest.raises(ValueError, match="^env must show what the policy sees, "):
        model.learn(500, callback=TensorBoardCallback(maze()))


def test_looks_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "record_episode", None)
    learner(tensorboard_log=str(tmp_path)).learn(500, callback=TensorBoardCallback(every=None))
    tags = read_log(tmp_path).Tags()
    assert tags["images"] == tags["histograms"] == [] and "topology/text_summary" in tags["tensors"]


def test_an_episode_takes_one_pass_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, passes = learner().policy, []
    see = type(policy)._see

    def counted(*arguments: Any) -> Any:
        passes.append(arguments)
        return see(*arguments)

    monkeypatch.setattr(type(policy), "_see", counted)
    assert len(record_episode(policy, maze(), seed=0).actions) == len(passes)


def test_a_users_own_world_says_itself_what_is_worth_a_look() -> None:
    def marks(params: Any, states: Any) -> Any:
        return {"third cell": states[:, 0] == 3, "junction": states[:, 0] == params[0]}

    world = replace(tmaze(6), marks=marks)
    policy = learner(WorldEnv(world)).policy
    episode = record_episode(policy, wrappers.TimeLimit(WorldEnv(world), 50), seed=0)
    assert set(episode.activations.marks) == {"third cell", "junction"}
    assert record_episode(policy, WorldEnv(replace(world, marks=None)), seed=0).activations.marks == {}


def test_without_a_tensorboard_log_the_callback_does_nothing() -> None:
    callback = TensorBoardCallback(every=100)
    learner().learn(500, callback=callback)
    assert callback._own is None


def test_weights_that_are_not_finite_are_left_to_the_learner_to_report(tmp_path: Path) -> None:
    model = learner(tensorboard_log=str(tmp_path))
    callback = TensorBoardCallback(every=100)
    model.learn(500, callback=callback)
    before = len(read_log(tmp_path).Images("episode/activations"))
    with torch.no_grad():
        model.policy.hidden_weights[0, 0] = float("nan")
    callback._look()
    assert len(read_log(tmp_path).Images("episode/activations")) == before


def test_the_interval_must_be_positive() -> None:
    with pytest.raises(ValueError, match="every must be an integer >= 1"):
        TensorBoardCallback(every=0)

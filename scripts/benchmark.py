"""Every number that the README quotes, each beside its target and a peer's figure, measured in one run.

    python scripts/benchmark.py [--json] [--only NAME ...]

Speeds are the best of several repetitions, alternating with the peer's, on one thread: other work on the machine only
makes them worse.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np
import torch
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from tqdm import tqdm

from lstm_rl.agents import AdvantageLearning, Config, RecurrentDQN
from lstm_rl.evaluation import evaluate, load
from lstm_rl.make import make_env, make_rows
from lstm_rl.nn import LstmNetwork
from lstm_rl.nn.exchange import standard_topology
from lstm_rl.nn.fused import fused_lstm
from lstm_rl.presets import preset
from lstm_rl.settings import Settings
from lstm_rl.topology import Topology
from lstm_rl.training import run

MAZE, LENGTH = "lstm_rl/NoisyTMaze-v0", 70
REPETITIONS = 5
PEER_SECONDS = 300


@dataclass
class Row:
    """One line of the table."""

    name: str
    value: float
    unit: str
    target: str
    peer: str = ""


def best_rate(work: Callable[[], int], repetitions: int = REPETITIONS) -> float:
    """Largest number of steps per second over the repetitions; ``work`` returns how many steps it did."""
    rates = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        steps = work()
        rates.append(steps / (time.perf_counter() - begun))
    return max(rates)


def solve() -> list[Row]:
    """Seeds 0..9 on the noisy T-maze, N = 70, each until two evaluations in a row are without a failure."""
    steps, seconds, rates = [], [], []
    for seed in tqdm(range(10), desc="noisy T-maze, N = 70"):
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(
                Settings(
                    MAZE,
                    {"corridor_length": LENGTH},
                    seed=seed,
                    stop_when_solved=True,
                    log_dir=Path(folder),
                    progress=False,
                )
            )
            model, env_id, env_kwargs = load(outcome.folder)
            rates.append(evaluate(model, env_id, env_kwargs, 1000, seed=1)["success_rate"])
            steps.append(outcome.steps)
            seconds.append(outcome.seconds)
    solved = sum(rate >= 0.99 for rate in rates)
    return [
        Row("seeds with greedy success >= 0.99 over 1,000 fresh episodes", solved, "of 10", "10"),
        Row("worst of those success rates", min(rates), "", ">= 0.99"),
        Row("training steps, median", float(np.median(steps)), "steps", "<= 300,000"),
        Row("training steps, worst", max(steps), "steps", ""),
        Row("training time with evaluations, worst seed", max(seconds), "s", "<= 5"),
    ]


def _paper_model(**changes: Any) -> AdvantageLearning:
    config = replace(preset("bakker2001", MAZE).config, exploration="epsilon", chunk_size=65_536, **changes)
    return AdvantageLearning("LstmPolicy", gym.make(MAZE, corridor_length=LENGTH), config, seed=0)


def speed() -> list[Row]:
    """Steps per second inside the compiled loop with the paper's network of 520 weights, and RecurrentPPO's."""
    from sb3_contrib import RecurrentPPO

    def learner(**changes: Any) -> Callable[[], int]:
        model = _paper_model(**changes)
        model.learn(1000, log_interval=0)
        return lambda: model.learn(500_000, log_interval=0).num_timesteps

    env = gym.make(MAZE, corridor_length=LENGTH)
    peer = RecurrentPPO("MlpLstmPolicy", make_vec_env(lambda: env, n_envs=1), seed=0)  # its defaults
    sgd, rms = best_rate(learner(optimizer="sgd")), best_rate(learner(optimizer="rmsprop"))
    default = AdvantageLearning("LstmPolicy", gym.make(MAZE, corridor_length=LENGTH), Config(), seed=0)
    default.learn(1000, log_interval=0)
    ours = best_rate(lambda: default.learn(500_000, log_interval=0).num_timesteps)
    theirs = best_rate(lambda: peer.learn(384).num_timesteps, 2)
    quote = f"RecurrentPPO {theirs:,.0f} /s"
    return [
        Row("training speed, 12 hidden + 3 cells, SGD traces", sgd, "steps/s", ">= 2,500,000", quote),
        Row("training speed, 12 hidden + 3 cells, RMS-normalised", rms, "steps/s", ">= 1,000,000", quote),
        Row("training speed, default preset", ours, "steps/s", "", quote),
        Row("SGD traces against RecurrentPPO with defaults", sgd / theirs, "x", ">= 5,000", quote),
    ]


def replay() -> list[Row]:
    """Replayed sequences on the pole, defaults: 64 units, and 32 sequences of 63 steps per update."""
    rows = []
    for n in (16, 64):
        model = RecurrentDQN("LstmPolicy", make_rows("lstm_rl/CartPole-v0", {}, n), train_freq=64 // n, seed=0)
        model.learn(5_000)

        def learn(model: RecurrentDQN = model) -> int:
            model.learn(6_400, reset_num_timesteps=False)
            return 6_400

        name = f"RecurrentDQN, an update per 64 steps, {n} environments"
        rows.append(Row(name, best_rate(learn), "steps/s", ">= 3,000"))
    return rows


def foreign() -> list[Row]:
    """CartPole-v1 in SB3's Monitor and DummyVecEnv, one environment: learning against bare stepping and against PPO."""
    env = make_vec_env("CartPole-v1", n_envs=1, seed=0)
    model = AdvantageLearning("LstmPolicy", env, seed=0)
    model.learn(1000, log_interval=0)
    ppo = PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=1, seed=0), seed=0, device="cpu")
    rng = np.random.default_rng(0)

    def stepping() -> int:
        env.reset()
        for action in rng.integers(2, size=(20_000, 1)):
            env.step(action)
        return 20_000

    bare, ours, theirs = [], [], []
    for _ in range(REPETITIONS):  # in turn, so that a slow moment meets all three
        bare.append(best_rate(stepping, 1))
        ours.append(best_rate(lambda: model.learn(20_000, log_interval=0).num_timesteps, 1))
        theirs.append(best_rate(lambda: ppo.learn(4096).num_timesteps, 1))
    of_bare = float(np.median(np.divide(ours, bare)))
    of_ppo = float(np.median(np.divide(ours, theirs)))
    return [
        Row("CartPole-v1, learning against bare stepping", of_bare, "x", ">= 0.6", f"bare {max(bare):,.0f} /s"),
        Row("CartPole-v1, learning against SB3's PPO", of_ppo, "x", ">= 3", f"PPO {max(theirs):,.0f} /s"),
    ]


def networks() -> list[Row]:
    """Forward and backward passes of whole sequences: T 128, B 64, H 32, one reset in the middle of each row."""
    steps, batch, inputs, cells = 128, 64, 3, 32
    x = torch.randn(steps, batch, inputs, generator=torch.Generator().manual_seed(0))
    resets = torch.zeros(steps, batch, dtype=torch.bool)
    resets[torch.arange(batch) + 32, torch.arange(batch)] = True
    lstm, read_out = torch.nn.LSTM(inputs, cells), torch.nn.Linear(cells, 4)
    sees: dict[str, Any] = {"cells_see": ("input", "cells"), "gates_see": ("input", "cells"), "outputs_see": ("cells",)}
    blocks = (1,) * cells
    peepholes = Topology(inputs, 4, blocks=blocks, peepholes=True, **sees)
    first = Topology(inputs, 4, blocks=blocks, forget_gate=False, **sees)
    standard = LstmNetwork(standard_topology(inputs, 4, cells))
    hidden = standard.hidden_weights.detach()[:, : 4 * cells].requires_grad_()  # as many weights, in any order
    zeros = torch.zeros(batch, cells)

    def fused() -> torch.Tensor:
        w_ih, w_hh, bias = hidden[:inputs].T, hidden[inputs:-1].T, hidden[-1]
        return fused_lstm(x, zeros, zeros, resets, w_ih, w_hh, bias)[0]

    work: dict[str, Callable[[], torch.Tensor]] = {
        "bare nn.LSTM": lambda: lstm(x)[0],
        "nn.LSTM with a linear read-out": lambda: read_out(lstm(x)[0]),
        "layer": fused,
        "standard": lambda: standard(x, None, resets)[0],
    }
    for name, topology in (("peephole", peepholes), ("1997", first)):
        for execution in ("compiled", "loop"):
            net = LstmNetwork(topology, execution=execution)
            work[f"{name}, {execution}"] = partial(lambda net: net(x, None, resets)[0], net)
    times: dict[str, list[float]] = {name: [] for name in work}
    for repetition in range(60):  # in turn, so that a slow moment meets all
        for name, forward in work.items():
            if repetition < 10 or "loop" not in name:
                begun = time.perf_counter()
                torch.autograd.backward(forward().sum())
                times[name].append(time.perf_counter() - begun)
    best = {name: min(seconds) for name, seconds in times.items()}
    bare, with_read_out = best["bare nn.LSTM"], best["nn.LSTM with a linear read-out"]
    quote, quote_read_out = f"bare nn.LSTM {bare * 1e3:.2f} ms", f"nn.LSTM + Linear {with_read_out * 1e3:.2f} ms"
    rows = [
        Row(
            "standard cell's layer with resets against bare nn.LSTM without",
            best["layer"] / bare,
            "x",
            "<= 1.15",
            quote,
        ),
        Row("the same, both with a linear read-out", best["standard"] / with_read_out, "x", "", quote_read_out),
    ]
    for name in ("peephole", "1997"):
        compiled, loop = best[f"{name}, compiled"], best[f"{name}, loop"]
        loop_quote = f"loop {loop * 1e3:.1f} ms"
        rows += [
            Row(f"{name} cells with resets and read-out against bare nn.LSTM", compiled / bare, "x", "<= 2.5", quote),
            Row(f"{name} cells against an autograd loop over steps", loop / compiled, "x faster", ">= 2", loop_quote),
        ]
    return rows


def sequences() -> list[Row]:
    """The streaming trainer on adding (T = 1000), 2c (p = q = 1000) and the continual grammar; guessing on parity."""
    from lstm_rl.compiled import flushed
    from lstm_rl.experiments.protocols.accepted_strings import frozen
    from lstm_rl.experiments.protocols.continual_run import make_rules
    from lstm_rl.experiments.protocols.guessing_problems import PROBLEMS
    from lstm_rl.experiments.protocols.lane_guessing import guess
    from lstm_rl.experiments.protocols.longest_count import LongestCount, train
    from lstm_rl.experiments.protocols.sequence_learner import learn, make_learner, make_update
    from lstm_rl.experiments.protocols.sequence_run import SequenceRun
    from lstm_rl.tasks import ContinualReber
    from lstm_rl.tasks.acceptance import accepts
    from lstm_rl.tasks.continual import run_stream
    from lstm_rl.tasks.streaming import make_errors, make_source

    def learning(run: SequenceRun, each_step: bool, sequences: int) -> Callable[[], int]:
        run = run.resolved()
        task = run.make_task()
        learner, update = make_learner(run, task, np.random.default_rng(0)), make_update(run)
        source, seen = make_source(task, np.random.default_rng(1)), make_errors(sequences)

        def work() -> int:
            with flushed():
                learn(learner, source, update, each_step, seen)
            return int(seen.lengths.sum())

        work()  # compiled before the clock starts
        return work

    problem = PROBLEMS["parity, A1"]()
    bits = problem.train(np.random.default_rng(0))
    guess(problem.net, bits, 1e-300, 1, np.random.default_rng(0))

    def draw() -> int:  # with a tolerance that nothing meets: every guess is looked at once
        return guess(problem.net, bits, 1e-300, 20_000, np.random.default_rng(0)).steps

    def streaming() -> Callable[[], int]:
        run = SequenceRun(task="gers2000-cerg", learning_rate=0.01).resolved()
        task = ContinualReber(strings=1)
        learner, update, source = (
            make_learner(run, task, np.random.default_rng(0)),
            make_update(run),
            make_source(task, np.random.default_rng(1)),
        )
        rules = make_rules(run, task)._replace(answers=300_000, tolerance=10.0)  # so that it does not end before

        def work() -> int:
            with flushed():
                return int(run_stream(learner, source, update, rules)[1])

        work()
        return work

    def counting() -> Callable[[], int]:
        learner, task, _, _ = train(LongestCount(trained=10_000))  # one trained up to 1,000 is wrong before n
        network, row, n = frozen(learner, task), np.zeros(task.inputs), 1_000_000

        def work() -> int:
            assert accepts(network, *task.runs, n, n, row)
            return 3 * n + 1

        work()
        return work

    kalman = learning(SequenceRun(task="gers2001-anbncn", optimizer="kalman"), True, 3000)
    speed = best_rate(learning(SequenceRun(task="hs1997-adding", settings="T=1000"), False, 2000))
    continual = best_rate(streaming())
    symbols = best_rate(learning(SequenceRun(task="hs1997-lag-c", settings="p=1000 q=1000"), False, 2000))
    minutes = 853_000 * 1050 / speed / 60
    return [
        Row("adding problem, streaming training, 93 weights", speed, "steps/s", ">= 3,000,000"),
        Row("853,000 sequences of T = 1000 at this speed", minutes, "minutes", "<= 6"),
        Row("a thousand symbols, streaming training, 6,064 weights", symbols, "steps/s", ""),
        Row("continual grammar, a change of 424 weights at each step", continual, "steps/s", ">= 1,500,000"),
        Row("Kalman filter, 90 weights, 4 outputs", best_rate(kalman), "steps/s", ">= 60,000"),
        Row("frozen forward, 90 weights, a^n b^n c^n", best_rate(counting()), "steps/s", ">= 15,000,000"),
        Row("random guessing on parity (A1)", best_rate(draw), "network steps/s", ">= 20,000,000"),
    ]


def exporting() -> list[Row]:
    """Acting, a row and a step at a time, in a maze: `predict` against its export in onnxruntime."""
    import onnxruntime

    from lstm_rl.acting import initial_state
    from lstm_rl.export import to_onnx

    rows = []
    for name, env_id, kwargs in (
        ("default", "lstm_rl/MemoryChain-v0", {}),
        ("maze", MAZE, {"corridor_length": LENGTH}),
    ):
        model = AdvantageLearning("LstmPolicy", make_env(env_id, kwargs), seed=0).learn(1000)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(to_onnx(model.policy).SerializeToString(), options)
        start, observation = np.zeros(1, np.bool_), np.zeros((1, model.policy.sensors), np.float32)
        names = [part.name for part in session.get_inputs()]
        rest = [part.numpy() for part in initial_state(model.policy, 1)]

        def predict(model: AdvantageLearning = model, x: Any = observation, start: Any = start) -> int:
            state: Any = None
            for _ in range(2000):
                _, state = model.predict(x, state, start, deterministic=True)
            return 2000

        def exported(
            session: Any = session, names: Any = names, state: Any = rest, values: Any = (observation, start)
        ) -> int:
            for _ in range(2000):
                _, _, *state = session.run(None, dict(zip(names, (*values, *state), strict=True)))
            return 2000

        ours, theirs = best_rate(predict), best_rate(exported)
        rows.append(
            Row(f"a step of onnxruntime, {name} network", 1e6 / theirs, "us", "", f"predict {1e6 / ours:.0f} us")
        )
    return rows


def compiling() -> list[Row]:
    """CPU seconds of a process that imports and trains for 5,000 steps, on a new machine and with its machine code."""
    code = (
        "import gymnasium, lstm_rl.envs; from lstm_rl.agents import AdvantageLearning;"
        f"AdvantageLearning('LstmPolicy', gymnasium.make({MAZE!r}), seed=0).learn(5000)"
    )

    def cpu_seconds(cache: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"NUMBA_CACHE_DIR": cache}, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    with tempfile.TemporaryDirectory() as folder:
        cold, *warm = (cpu_seconds(folder) for _ in range(1 + REPETITIONS))
    return [
        Row("first 5,000 steps on a new machine, imports included", cold, "CPU s", "<= 8"),
        Row("first 5,000 steps later on, imports included", min(warm), "CPU s", "<= 1.8"),
    ]


def memory() -> list[Row]:
    """Peak resident memory of the demo, as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "lstm_rl", "train", MAZE, "--env-kwargs", f"corridor_length={LENGTH}", "--log-dir", folder]
        command += ["--stop-when-solved", "--no-progress"]
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
    return [Row("peak memory of the demo", peak, "MiB", "<= 700")]


def peer() -> list[Row]:
    """What RecurrentPPO with its defaults reaches on the same maze in PEER_SECONDS of training."""
    from sb3_contrib import RecurrentPPO

    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return time.perf_counter() - begun < PEER_SECONDS

    rows = make_rows(MAZE, {"corridor_length": LENGTH}, 8)
    model = RecurrentPPO("MlpLstmPolicy", rows, seed=0)
    begun = time.perf_counter()
    model.learn(1_000_000_000, Stop())
    result = evaluate(model, MAZE, {"corridor_length": LENGTH}, 100, seed=1)
    name = f"RecurrentPPO, defaults, 8 environments, {PEER_SECONDS} s of training, one seed"
    return [
        Row(f"{name}: greedy success", result["success_rate"], "", "peer"),
        Row(f"{name}: steps", model.num_timesteps, "steps", "peer"),
    ]


PARTS = {
    "memory": memory,
    "compiling": compiling,
    "speed": speed,
    "replay": replay,
    "networks": networks,
    "exporting": exporting,
    "sequences": sequences,
    "foreign": foreign,
    "solve": solve,
    "peer": peer,
}


@dataclass
class Arguments:
    """Measure and print a table."""

    json: bool = False
    """Print one JSON object as the last line."""
    only: tuple[str, ...] = tuple(PARTS)
    """Parts to measure."""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    unknown = set(arguments.only) - set(PARTS)
    if unknown:
        sys.exit(f"only must hold parts out of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    rows = [row for part in arguments.only for row in PARTS[part]()]
    print("| what | measured | target | peer, same run |")
    print("|---|---|---|---|")
    for row in rows:
        value = f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}"
        print(f"| {row.name} | {value} {row.unit} | {row.target} | {row.peer} |")
    if arguments.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__.split("\n")[0] if __doc__ else None))

"""The compiled learner against Advantage(lambda) in NumPy, written once more straight from the equations.

The reference shares only `Topology` (where weights stand) with what it tests, and reads a model's first weights. It
covers any topology, several streams, every kind of exploration, both optimizers, normalisation and both kinds of ends.

Dimensions: n streams, M sources, U units, C cells, V output sources, K actions, G hidden units of the explorer.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv

from lstm_rl.agents import AdvantageLearning, Config
from lstm_rl.topology import GATES, Topology

STEPS = 250
Array = NDArray[np.float64]
_SCALES = {"logistic": (1.0, 1.0, 0.0), "tanh": (2.0, 2.0, -1.0), "symmetric1": (1.0, 2.0, -1.0)}
SCALES = _SCALES | {"symmetric2": (1.0, 4.0, -2.0)}  # y = scale sigma(gain v) + offset


def sigma(v: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.asarray(v)))


def squash(name: str, v: Any) -> Any:
    if name == "identity":
        return v
    gain, scale, offset = SCALES[name]
    return scale * sigma(gain * v) + offset


def slope(name: str, v: Any) -> Any:
    """The derivative at net input v."""
    if name == "identity":
        return np.ones_like(v)
    gain, scale, _ = SCALES[name]
    return scale * gain * sigma(gain * v) * (1.0 - sigma(gain * v))


class Uniform:
    """splitmix64 in Python integers."""

    def __init__(self, state: int) -> None:
        self.state = state

    def __call__(self) -> float:
        mask = 2**64 - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return float((z ^ (z >> 31)) >> 11) / 2.0**53


class Stream:
    """What one environment's stream carries from step to step."""

    def __init__(self, topology: Topology, seed: int) -> None:
        self.topology, self.uniform = topology, Uniform(seed)
        self.rest()

    def rest(self) -> None:
        t, m = self.topology, self.topology.sources
        self.y, self.s, self.y_c = np.zeros(t.units), np.zeros(t.cells), np.zeros(t.cells)
        self.d = {kind: np.zeros((t.cells, m)) for kind in ("input_gate", "forget_gate", "cells")}
        self.e_hidden, self.e_output = np.zeros((m, t.units)), np.zeros((t.output_sources, t.outputs))
        self.repeated = [0, 0]

    # Set by `Reference`: the chosen action, its advantage, the value; what the explorer saw and said
    action, chosen, value = 0, 0.0, 0.0
    seen: Array
    y_v: float
    y_g: Array
    advantages: Array


class Reference:
    """A learner with the weights, generators and explorer network that ``model`` has now."""

    def __init__(self, model: AdvantageLearning, topology: Topology) -> None:
        policy, explorer = model.policy, model._learner.explorer
        self.config, self.topology = model.config, topology
        self.w = policy.hidden_weights.detach().numpy().copy()
        self.w_out = policy.output_weights.detach().numpy().copy()
        self.square = [np.full_like(w, self.config.rms_initial) for w in (self.w, self.w_out)]
        self.v = policy.explorer_hidden.detach().numpy().copy()  # (G, I + 1)
        self.v_out = policy.explorer_output.detach().numpy().copy()  # (G + 1,)
        self.streams = [Stream(topology, int(seed)) for seed in explorer.generator]
        self.observations = np.zeros((0, topology.inputs))
        self.exploratory = 0

    # --- the network ----------------------------------------------------------------------------------------------

    def forward(self, stream: Stream, x: Array) -> Array:
        """One step of the network; advantages (K,)."""
        t, rows, columns = self.topology, self.topology.rows, self.topology.columns
        block, mask = list(t.block_of_cell), t.mask
        gates = slice(columns["input_gate"].start, columns["output_gate"].stop)
        z = np.zeros(t.sources)
        layers = {"input": x, "hidden": stream.y[columns["hidden"]], "gates": stream.y[gates], "cells": stream.y_c}
        for name, values in (layers | {"bias": np.ones(1), "state_tm1": stream.s}).items():
            if rows[name].stop > rows[name].start:
                z[rows[name]] = values
        net = z @ (self.w * mask)
        y_in = sigma(net[columns["input_gate"]])[block] if t.input_gate else 1.0
        y_f = sigma(net[columns["forget_gate"]])[block] if t.forget_gate else t.state_decay
        net_c = net[columns["cells"]]
        g, s_tm1 = squash(t.cell_input, net_c), stream.s
        stream.s = y_f * s_tm1 + y_in * g
        if rows["state_t"].stop > rows["state_t"].start:
            z[rows["state_t"]] = stream.s
            net = z @ (self.w * mask)
        y_out = sigma(net[columns["output_gate"]])[block] if t.output_gate else np.ones(t.cells)
        h = squash(t.cell_output, stream.s)
        stream.y_c = y_out * h
        partial = {  # of the cell state by the net input of each unit that leads into it
            "input_gate": g * y_in * (1.0 - y_in),
            "forget_gate": s_tm1 * y_f * (1.0 - y_f),
            "cells": y_in * slope(t.cell_input, net_c),
        }
        for kind, d in stream.d.items():
            d[:] = np.reshape(y_f * np.ones(t.cells), (-1, 1)) * d + np.outer(partial[kind] * np.ones(t.cells), z)
        stream.y = np.concatenate([squash(t.hidden_activation, net[columns["hidden"]]), sigma(net[gates]), g])
        parts = {"input": x, "hidden": stream.y[columns["hidden"]], "cells": stream.y_c, "bias": np.ones(1)}
        u = np.concatenate([parts[name] for name, row in t.output_rows.items() if row.stop > row.start])
        net_k = u @ self.w_out
        self.step = z, net, y_out, h, u, net_k
        return np.asarray(squash(t.output_activation, net_k), np.float64)

    def gradient(self, stream: Stream, k: int) -> tuple[Array, Array]:
        """Truncated derivatives of output ``k`` of the last step by hidden-layer (M, U) and output weights (V, K)."""
        t, columns = self.topology, self.topology.columns
        z, net, y_out, h, u, net_k = self.step
        rate = slope(t.output_activation, net_k)[k]
        hidden, output = np.zeros((t.sources, t.units)), np.zeros_like(self.w_out)
        output[:, k] = rate * u
        q = rate * self.w_out[:, k]
        if "hidden" in t.outputs_see:
            f = slope(t.hidden_activation, net[columns["hidden"]])
            hidden[:, columns["hidden"]] = np.outer(z, q[t.output_rows["hidden"]] * f)
        if "cells" in t.outputs_see:
            for v, q_v in enumerate(q[t.output_rows["cells"]]):
                b = t.block_of_cell[v]
                through_state = q_v * y_out[v] * slope(t.cell_output, stream.s[v])
                hidden[:, columns["cells"].start + v] += through_state * stream.d["cells"][v]
                for gate in GATES[:2]:
                    if getattr(t, gate):
                        hidden[:, columns[gate].start + b] += through_state * stream.d[gate][v]
                if t.output_gate:
                    hidden[:, columns["output_gate"].start + b] += q_v * h[v] * y_out[v] * (1.0 - y_out[v]) * z
        return hidden * t.mask, output

    # --- the rule -------------------------------------------------------------------------------------------------

    def observe(self, stream: Stream, observation: Array) -> float:
        """Let the network see an observation, normalised if so configured; return V."""
        x = np.asarray(observation, np.float64)
        if self.config.normalize_observations:
            self.observations = np.vstack([self.observations, x])
            deviation = np.sqrt(self.observations.var(axis=0) + 1e-8)
            clip = self.config.observation_clip
            x = np.clip((x - self.observations.mean(axis=0)) / deviation, -clip, clip)
        self.x, stream.advantages = x, self.forward(stream, x)
        return float(stream.advantages.max())

    def update(self, stream: Stream, error: float) -> None:
        """All weights along the stream's traces."""
        c, rate = self.config, self.config.learning_rate
        assert rate is not None and c.rms_decay is not None
        for w, square, e in zip((self.w, self.w_out), self.square, (stream.e_hidden, stream.e_output), strict=True):
            step = error * e
            if c.optimizer == "sgd":
                w += rate * step
            else:
                rise = 1.0 - c.rms_decay
                fall = min(rise, 1.0 / max(c.rms_memory, 1))
                square += np.where(step**2 > square, rise, fall) * (step**2 - square)
                w += rate * step / (np.sqrt(square) + c.rms_epsilon)

    def estimate(self, x: Array) -> tuple[float, Array]:
        """y_v of the explorer network, and its hidden activations (G,)."""
        y = sigma(self.v[:, :-1] @ x + self.v[:, -1])
        return float(self.v_out[:-1] @ y + self.v_out[-1]), y

    def regress(self, stream: Stream, target: float) -> None:
        """One step of backpropagation of y_v, as it was said, towards the target."""
        y = stream.y_g
        step = self.config.explorer_learning_rate * (target - stream.y_v)
        delta = step * self.v_out[:-1] * y * (1.0 - y)
        self.v_out += step * np.append(y, 1.0)
        self.v += np.outer(delta, np.append(stream.seen, 1.0))

    def choose(self, stream: Stream, horizon: int) -> int:
        """An action by the configuration's exploration."""
        c, a, draw = self.config, stream.advantages, stream.uniform
        if c.exploration in ("boltzmann", "directed"):
            t = c.temperature
            if c.exploration == "directed":
                t = max(t, c.temperature_scale * stream.y_v)
            weights = np.exp((a - a.max()) / t)
            return int(np.searchsorted(np.cumsum(weights), draw() * weights.sum(), side="right"))
        if stream.repeated[1] > 0:
            stream.repeated[1] -= 1
            return stream.repeated[0]
        if draw() < c.epsilon_for(horizon):
            action = int(draw() * len(a))
            if c.exploration == "ez_greedy":
                length = (1.0 - draw()) ** (-1.0 / (c.duration_exponent - 1.0))
                stream.repeated = [action, int(min(length, max(c.repeat_horizons * horizon, 1.0))) - 1]
            return action
        return int(a.argmax())

    def act(self, stream: Stream, value: float, horizon: int) -> int:
        """Choose the next action and let its gradient into the traces."""
        c = self.config
        if c.exploration == "directed":
            stream.seen = self.x
            stream.y_v, stream.y_g = self.estimate(self.x)
        k = self.choose(stream, horizon)
        stream.action, stream.chosen, stream.value = k, float(stream.advantages[k]), value
        explores = stream.chosen < value
        self.exploratory += explores
        decay = 0.0 if explores and c.cut_traces else c.gamma * c.lambda_
        hidden, output = self.gradient(stream, k)
        stream.e_hidden = decay * stream.e_hidden + hidden
        stream.e_output = decay * stream.e_output + output
        return k

    def begin(self, first: Array, horizon: int) -> list[int]:
        """First actions from first observations (n, I)."""
        return [
            self.act(stream, self.observe(stream, x), horizon) for stream, x in zip(self.streams, first, strict=True)
        ]

    def learn(
        self, i: int, reward: float, terminated: bool, truncated: bool, observation: Array, first: Array, horizon: int
    ) -> int:
        """Learn from what stream ``i``'s action led to; return its next action."""
        c, stream = self.config, self.streams[i]
        value = 0.0 if terminated else self.observe(stream, observation)
        bootstrap = 0.0 if terminated else c.gamma * value
        error = stream.value + (reward + bootstrap - stream.value) / c.kappa - stream.chosen
        if c.exploration == "directed":
            follows = 0.0 if terminated else c.beta * self.estimate(self.x)[0]
            self.regress(stream, abs(error) + follows)
        self.update(stream, error)
        if terminated or truncated:
            stream.rest()
            value = self.observe(stream, first)
        return self.act(stream, value, horizon)


class RandomTape(gym.Env[NDArray[np.float32], np.int64]):
    """Random observations, rewards and ends of episodes; keeps a log of what happened."""

    observation_space = gym.spaces.Box(-9.0, 9.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        observation = self.np_random.normal(size=2).astype(np.float32)
        self.log.append(("reset", observation))
        return observation, {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        observation = self.np_random.normal(size=2).astype(np.float32)
        reward = float(np.float32(self.np_random.normal()))
        terminated, truncated = (bool(self.np_random.random() < 0.1) for _ in range(2))
        self.log.append(("step", int(action), reward, terminated, truncated, observation))
        return observation, reward, terminated, truncated, {}


def random_topology(rng: np.random.Generator) -> Topology:
    """Any network: with and without hidden units, gates, peepholes, shortcuts; blocks of several cells."""

    def layers(choices: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(name for name in choices if name == "input" or rng.random() < 0.6)

    hidden, gates = int(rng.integers(3)), [bool(rng.random() < 0.8) for _ in range(3)]
    squashes = ("identity", *SCALES)
    return Topology(
        2,
        3,
        hidden=hidden,
        blocks=tuple(int(rng.integers(1, 4)) for _ in range(rng.integers(1, 4))),
        input_gate=gates[0],
        forget_gate=gates[1],
        output_gate=gates[2],
        peepholes=any(gates) and bool(rng.random() < 0.5),
        hidden_activation=str(rng.choice(squashes[1:])),  # type: ignore[arg-type]
        cell_input=str(rng.choice(squashes)),  # type: ignore[arg-type]
        cell_output=str(rng.choice(squashes)),  # type: ignore[arg-type]
        output_activation=str(rng.choice(["identity", "logistic"])),  # type: ignore[arg-type]
        hidden_sees=layers(("input", "hidden", "gates", "cells")),
        cells_see=layers(("input", "hidden", "gates", "cells")),
        gates_see=layers(("input", "hidden", "gates", "cells")),
        outputs_see=tuple(name for name in ("input", "hidden", "cells") if name == "cells" or rng.random() < 0.6),
        input_range=0.8,
        recurrent_range=0.6,
        output_range=0.8,
        bias_range=0.5,
        state_decay=1.0 if gates[1] else float(rng.choice([0.8, 1.0])),
    )


def random_config(rng: np.random.Generator, exploration: str) -> Config:
    return Config(
        learning_rate=0.003,
        gamma=0.9,
        lambda_=0.7,
        kappa=0.3,
        cut_traces=bool(rng.random() < 0.7),
        optimizer=str(rng.choice(["sgd", "rmsprop"])),  # type: ignore[arg-type]
        rms_decay=0.99,
        exploration=exploration,  # type: ignore[arg-type]
        epsilon=0.3,
        temperature=0.3,
        temperature_scale=0.5,
        beta=0.5,
        normalize_observations=bool(rng.random() < 0.5),
        observation_clip=1.5,
        horizon=10,
        return_size=0.0,
        error_memory=0,
        averaging=0.0,
        least_share=1.0,
        network="lstm",
        precision="float64",
    )


@pytest.mark.parametrize("exploration", ["epsilon", "ez_greedy", "boltzmann", "directed"])
@pytest.mark.parametrize("case", range(3))
def test_the_compiled_learner_equals_the_equations(exploration: str, case: int) -> None:
    """Same actions, weights to 1e-9, over some 25 episodes with both kinds of ends."""
    rng = np.random.default_rng([case, len(exploration)])
    topology, config, n = random_topology(rng), random_config(rng, exploration), int(rng.integers(1, 4))
    envs = [RandomTape() for _ in range(n)]
    vec = DummyVecEnv([lambda env=env: env for env in envs])  # type: ignore[misc]
    model = AdvantageLearning("LstmPolicy", vec, config, policy_kwargs={"topology": topology}, seed=case)
    reference = Reference(model, topology)
    initial = reference.w.copy()
    model.learn(STEPS * n)
    logs = [iter(env.log) for env in envs]
    actions = reference.begin(np.array([next(log)[1] for log in logs]), 10)
    ends = {True: 0, False: 0}
    for _ in range(STEPS):
        for i, log in enumerate(logs):
            _, action, reward, terminated, truncated, observation = next(log)
            assert action == actions[i]
            first = next(log)[1] if terminated or truncated else observation
            truncated = truncated and not terminated
            if terminated or truncated:
                ends[terminated] += 1
            actions[i] = reference.learn(i, reward, terminated, truncated, observation, first, 10)
    hidden, output = (w.detach().numpy() for w in (model.policy.hidden_weights, model.policy.output_weights))
    np.testing.assert_allclose(hidden, reference.w, rtol=0, atol=1e-9)
    np.testing.assert_allclose(output, reference.w_out, rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.policy.explorer_hidden.detach().numpy(), reference.v, rtol=0, atol=1e-9)
    assert np.abs(hidden - initial).max() > 0.001 and reference.exploratory > 20 and min(ends.values()) > 5

"""The compiled learning rule against a plain one: the paper's equations in NumPy, weight matrix by weight matrix."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_rl.agents import AdvantageLearning, Config
from lstm_rl.topology import Topology

Array = NDArray[np.float64]
TOPOLOGY = Topology(
    2, 3, hidden=2, blocks=(1, 1, 1), input_range=0.8, recurrent_range=0.8, output_range=0.8, bias_range=0.5
)


class RandomTape(gym.Env[NDArray[np.float32], np.int64]):
    """Random observations, rewards and ends of episodes; keeps a log of what happened."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-9.0, 9.0, (2,), np.float32)
        self.action_space = gym.spaces.Discrete(3)
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


def sigma(v: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-v))


class Plain:
    """Bakker (2001), equation by equation, for hidden units and one-cell blocks with all recurrent links."""

    def __init__(self, config: Config, hidden: Array, output: Array) -> None:
        self.config, self.output = config, output
        self.columns = TOPOLOGY.columns
        self.names = ("hidden", "input_gate", "forget_gate", "output_gate", "cells")
        self.w = {name: hidden[:, self.columns[name]].copy() for name in self.names}
        self.square = {name: np.full_like(w, config.rms_initial) for name, w in self.all().items()}
        self.exploratory = 0
        self.rest()

    def all(self) -> dict[str, Array]:
        return self.w | {"output": self.output}

    def rest(self) -> None:
        self.y_h, self.y_c, self.s = np.zeros(2), np.zeros(3), np.zeros(3)
        self.e = {name: np.zeros_like(w) for name, w in self.all().items()}
        self.d = {name: np.zeros((len(self.w["cells"]), 3)) for name in ("cells", "input_gate", "forget_gate")}

    def forward(self, x: NDArray[np.float32]) -> Array:
        z = np.concatenate([x.astype(np.float64), self.y_h, self.y_c, [1.0]])
        net = {name: z @ w for name, w in self.w.items()}
        self.y_h = sigma(net["hidden"])
        y_in, y_phi, y_out = (sigma(net[f"{gate}_gate"]) for gate in ("input", "forget", "output"))
        g = 4.0 * sigma(net["cells"]) - 2.0
        self.d["cells"] = y_phi * self.d["cells"] + np.outer(z, y_in * (1.0 - g**2 / 4.0))
        self.d["input_gate"] = y_phi * self.d["input_gate"] + np.outer(z, g * y_in * (1.0 - y_in))
        self.d["forget_gate"] = y_phi * self.d["forget_gate"] + np.outer(z, self.s * y_phi * (1.0 - y_phi))
        self.s = y_phi * self.s + y_in * g
        self.z, self.y_out, self.h = z, y_out, 2.0 * sigma(self.s) - 1.0
        self.y_c = y_out * self.h
        self.u = np.concatenate([self.y_h, self.y_c, [1.0]])
        result: Array = self.u @ self.output
        return result

    def gradient(self, k: int) -> dict[str, Array]:
        w_h, w_c = self.output[:2, k], self.output[2:5, k]
        through_state = w_c * self.y_out * (1.0 - self.h**2) / 2.0
        output = np.zeros_like(self.output)
        output[:, k] = self.u
        return {
            "hidden": np.outer(self.z, w_h * self.y_h * (1.0 - self.y_h)),
            "output_gate": np.outer(self.z, w_c * self.h * self.y_out * (1.0 - self.y_out)),
            **{name: through_state * d for name, d in self.d.items()},
            "output": output,
        }

    def learn(self, error: float) -> None:
        c = self.config
        assert c.learning_rate is not None and c.rms_decay is not None
        for name, w in self.all().items():
            step = error * self.e[name]
            if c.step_rule == "rms":
                self.square[name] = c.rms_decay * self.square[name] + (1.0 - c.rms_decay) * step**2
                step = step / (np.sqrt(self.square[name]) + 1e-8)
            w += c.learning_rate * step

    def replay(self, log: list[tuple[Any, ...]]) -> None:
        c, advantages = self.config, np.zeros(3)
        for event, *values in log:
            if event == "reset":
                self.rest()
                advantages = self.forward(values[0])
                continue
            action, reward, terminated, truncated, observation = values
            value, chosen = advantages.max(), advantages[action]
            cut = chosen < value
            self.exploratory += bool(cut)
            gradient = self.gradient(action)
            self.e = {k: (0.0 if cut else c.gamma * c.lambda_) * e + gradient[k] for k, e in self.e.items()}
            after = np.zeros(3) if terminated else self.forward(observation)
            self.learn(value + (reward + c.gamma * after.max() - value) / c.kappa - chosen)
            advantages = after


@pytest.mark.parametrize("step_rule", ["sgd", "rms"])
def test_compiled_rule_equals_the_equations(step_rule: Any) -> None:
    config = Config(
        learning_rate=0.003,
        gamma=0.9,
        lambda_=0.7,
        kappa=0.3,
        step_rule=step_rule,
        rms_decay=0.99,
        exploration="epsilon",
        epsilon=0.3,
        normalize_observations=False,
        precision="float64",
    )
    env = RandomTape()
    model = AdvantageLearning("LstmPolicy", env, config, policy_kwargs={"topology": TOPOLOGY}, seed=1)
    weights = [w.detach().numpy() for w in (model.policy.hidden_weights, model.policy.output_weights)]
    plain = Plain(config, *(w.copy() for w in weights))
    initial = weights[0].copy()
    model.learn(600)
    log = env.log[:-1] if env.log[-1][0] == "reset" else env.log
    plain.replay(log)
    for name in plain.names:
        np.testing.assert_allclose(weights[0][:, plain.columns[name]], plain.w[name], rtol=0, atol=1e-10)
    np.testing.assert_allclose(weights[1], plain.output, rtol=0, atol=1e-10)
    assert np.abs(weights[0] - initial).max() > 0.01  # it did learn,
    assert plain.exploratory > 50  # with trace cuts,
    ends = [entry for entry in log if entry[0] == "step" and (entry[3] or entry[4])]
    assert any(entry[3] for entry in ends) and any(
        entry[4] and not entry[3] for entry in ends
    )  # and both kinds of ends

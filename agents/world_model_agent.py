"""What controller and world model are made of, for compiled code; the algorithm is in `lstm_rl.agents.world_model`.

Dimensions: n streams, O numbers of an observation, I inputs of C, A numbers of an action, Q parameters of C, W of M,
S_C and S_M numbers of state.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.world_model_config import WorldModelConfig
from lstm_rl.kernels import sensitivity
from lstm_rl.kernels.sensitivity import IDENTITY, LOGISTIC, LSTM, SQUASHED, Net, make_net, parameter_count


class Constants(NamedTuple):
    """Numbers of the configuration and of the spaces for compiled code."""

    ticks: int
    discrete: bool
    adam: bool
    critic: bool
    local: bool  # C's gradient is that of the present step's pain or value alone
    published: bool  # logistic units, whose first ones are the outputs
    clip: float
    slope_floor: float
    discount: float
    trace_decay: float
    value_unit: float  # largest values that the critic is to learn, as a reward
    low: NDArray[np.float64]  # (A,) bounds of Box actions
    high: NDArray[np.float64]  # (A,)
    shift: NDArray[np.float64]  # (O,) observations are seen as (o - shift) * scale
    scale: NDArray[np.float64]  # (O,)
    rewards: NDArray[np.float64]  # (2,) least and largest reward


class Forces(NamedTuple):
    """Pending actions as vectors of the environment's Box."""

    values: NDArray[np.float64]  # (n, A), numbers that 32 bits hold


class Moves(NamedTuple):
    """Pending actions as numbers."""

    values: NDArray[np.int64]  # (n,)


class Agent(NamedTuple):
    """Everything that learning changes."""

    constants: Constants
    model: Net
    controller: Net
    x: NDArray[np.float64]  # (n, I) what is seen now
    u: NDArray[np.float64]  # (n, A) the pending action in [-1, 1], or one-hot
    errors: NDArray[np.float64]  # (n, O + 1) of M's last prediction
    pending: Any  # `Forces` or `Moves`: the same for the environment
    p_controller: NDArray[np.float64]  # (n, S_C, Q)
    p_model: NDArray[np.float64]  # (n, S_M, Q)
    p_inputs: NDArray[np.float64]  # (n, I + A, Q) of M's inputs
    p_next: NDArray[np.float64]  # (I, Q) scratch
    p_own: NDArray[np.float64]  # (n, S_M, W) of M by its own weights
    scratch: NDArray[np.float64]  # (R + 4, Q)
    own_scratch: NDArray[np.float64]  # (R + 4, W)
    controller_gradient: NDArray[np.float64]  # (Q,)
    model_gradient: NDArray[np.float64]  # (W,)
    row: NDArray[np.float64]  # (W,) scratch
    trace: NDArray[np.float64]  # (n, W) of the critic
    value: NDArray[np.float64]  # (n, 3) of the critic: Q and reward of the step before, whether there was one
    moments: tuple[NDArray[np.float64], ...]  # Adam's means and squares of C (Q,), of M (W,), and its counts (2,)
    episode: NDArray[np.float64]  # (n, 2) return and length of the running episodes
    generator: NDArray[np.uint64]  # (n,)
    sums: NDArray[np.float64]  # (4,) see STEPS ..


class Stage(NamedTuple):
    """Rates of learning and of exploration for some steps."""

    model_rate: float  # 0: M does not learn
    controller_rate: float  # 0: C does not learn
    noise: float  # standard deviation, in units of half the actions' range
    random_share: float  # probability of a random action


class Shape(NamedTuple):
    """Sizes of both nets for an environment of O numbers and A actions."""

    kind: int
    controller_inputs: int  # I, and with a critic the state of M
    model_outputs: int  # O + 1, and with a critic Q
    controller_units: int
    model_units: int
    controller: int  # Q
    model: int  # W


def shape(config: WorldModelConfig, observed: int, actions: int) -> Shape:
    """The sizes that a configuration gives.

    Raises:
        ValueError: Logistic units are fewer than their outputs, or a critic is asked of them.
    """
    kind = LSTM if config.units == "lstm" else LOGISTIC
    seen, outputs = observed + config.pain_input, observed + 1 + config.critic
    inputs = seen + actions
    if kind == LOGISTIC:
        if config.critic:
            raise ValueError("units must be 'lstm' with critic, got 'recurrent'")
        for name, needed in (("model_units", outputs), ("controller_units", actions)):
            if getattr(config, name) < needed:
                raise ValueError(f"{name} must be >= {needed}, one for each output, got {getattr(config, name)}")
    states = sensitivity.sizes(kind, inputs, config.model_units)[2]
    own_kind, own_inputs = (LOGISTIC, seen + states) if config.critic else (kind, seen)
    return Shape(
        own_kind,
        own_inputs,
        outputs,
        config.controller_units,
        config.model_units,
        parameter_count(own_kind, own_inputs, config.controller_units, actions),
        parameter_count(kind, inputs, config.model_units, outputs),
    )


def initial_parameters(
    config: WorldModelConfig, observed: int, actions: int, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Parameters of both nets by name. LSTM models begin with the prediction that nothing changes."""
    s, kind = shape(config, observed, actions), LSTM if config.units == "lstm" else LOGISTIC
    model = rng.uniform(-config.model_range, config.model_range, s.model)
    controller = rng.uniform(-config.controller_range, config.controller_range, s.controller)
    nets = {
        "model": (model, kind, observed + config.pain_input + actions, s.model_units, s.model_outputs),
        "controller": (controller, s.kind, s.controller_inputs, s.controller_units, actions),
    }
    for name, (values, own, inputs, units, outputs) in nets.items():
        rows, sources, _ = sensitivity.sizes(own, inputs, units)
        weights = values.reshape(rows + outputs, sources)
        if own == LSTM:
            weights[:units, -1] += config.input_bias
            weights[units : 2 * units, -1] += config.forget_bias
        if config.units == "recurrent":
            weights[rows:] = np.eye(outputs, sources, inputs)
        elif name == "model":
            weights[rows:] = 0.0
            weights[rows:, :observed] = np.eye(outputs, observed)
            weights[rows:, inputs:-1] = rng.uniform(-config.model_range, config.model_range, (outputs, units))
    return {"model": model, "controller": controller}


def make_agent(
    config: WorldModelConfig,
    constants: Constants,
    parameters: dict[str, Any],
    moments: tuple[NDArray[np.float64], ...],
    n: int,
    rng: np.random.Generator,
) -> Agent:
    """``n`` streams at rest around the parameters, which are changed in place."""
    observed, actions = len(constants.shift), len(constants.low)
    s, seen = shape(config, observed, actions), observed + config.pain_input
    kind = LSTM if config.units == "lstm" else LOGISTIC
    truncated, outer = config.gradient == "truncated", IDENTITY if config.units == "recurrent" else SQUASHED
    squash = IDENTITY if constants.discrete else outer
    model = make_net(kind, truncated, IDENTITY, seen + actions, s.model_units, s.model_outputs, n, parameters["model"])
    arguments = s.controller_inputs, s.controller_units, actions, n, parameters["controller"]
    controller = make_net(s.kind, truncated, squash, *arguments)
    rows = max(s.model_units, s.controller_units) + 4
    p_inputs = np.zeros((n, seen + actions, s.controller))
    return Agent(
        constants=constants,
        model=model,
        controller=controller,
        x=np.zeros((n, seen)),
        u=np.zeros((n, actions)),
        errors=np.zeros((n, observed + 1)),
        pending=Moves(np.zeros(n, np.int64)) if constants.discrete else Forces(np.zeros((n, actions))),
        p_controller=np.zeros((n, controller.state.shape[1], s.controller)),
        p_model=np.zeros((n, model.state.shape[1], s.controller)),
        p_inputs=p_inputs,
        p_next=np.zeros((seen, s.controller)),
        p_own=np.zeros((n, model.state.shape[1], s.model)),
        scratch=np.zeros((rows, s.controller)),
        own_scratch=np.zeros((rows, s.model)),
        controller_gradient=np.zeros(s.controller),
        model_gradient=np.zeros(s.model),
        row=np.zeros(s.model),
        trace=np.zeros((n, s.model)),
        value=np.zeros((n, 3)),
        moments=moments,
        episode=np.zeros((n, 2)),
        generator=rng.integers(2**63, size=n).astype(np.uint64),
        sums=np.zeros(4),
    )


def make_moments(config: WorldModelConfig, observed: int, actions: int) -> tuple[NDArray[np.float64], ...]:
    """Adam's means and squares, all 0; see `Agent.moments`."""
    s = shape(config, observed, actions)
    return np.zeros(s.controller), np.zeros(s.controller), np.zeros(s.model), np.zeros(s.model), np.zeros(2)


def stage(config: WorldModelConfig, done: int, remaining: float, n: int = 1) -> tuple[Stage, int]:
    """What the steps after the first ``done`` are for, and how many of them there are before that changes (0: all)."""
    factor = remaining if config.schedule == "linear" else 1.0
    model, controller = config.model_rate * factor, config.controller_rate * factor
    if done < config.model_first:
        return Stage(model, 0.0, config.noise, 1.0), -(-(config.model_first - done) // n)
    if config.regime == "sequential":
        return Stage(0.0, controller, config.noise, 0.0), 0
    return Stage(model, controller, config.noise, config.random_share), 0


GREEDY = Stage(0.0, 0.0, 0.0, 0.0)
"""Neither learning nor exploration."""

"""Named settings: the paper's own, and the ones that work best here. Values the paper does not give are marked (ours).

A preset depends on the environment only through the `family` that its world names (see
`lstm_rl.agents.defaults`), never through its length: constants that a length asks for follow
from the horizon (see `Config`).
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lstm_rl.agents.config import Config, Rule
from lstm_rl.agents.defaults import TMAZE, default_config

PresetName = Literal["default", "bakker2001"]
PolicyName = Literal["LstmPolicy", "ElmanPolicy", "GruPolicy", "SlstmPolicy", "MemoryBitsPolicy"]


@dataclass(frozen=True)
class Preset:
    """A learner's settings, the environment's arguments that go with them, and a budget: fields of `Settings`."""

    config: Config = field(default_factory=Config)
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    timesteps: int = 500_000
    eval_episodes: int = 200
    attempt_steps: int | None = None
    stop_when_solved: bool = False
    n_envs: int = 1
    replay: dict[str, Any] = field(default_factory=dict)


REPLAY_ENVS = 8
"""Environments side by side from which replay learners collect: acting costs as much for eight as for one."""
REPLAY_STEPS, REPLAY_BYTES = 100_000, 2.5e8
"""Steps of a replay buffer, or fewer of large images: each checkpoint of a run writes it."""
_REPLAY: dict[str, Any] = {
    "reward_scale": "auto",
    "integer_codes": True,
    "schedule": "linear",
    "averaging": 300,
    "burn_in": 8,
    "sequence_length": 32,
    "period": 12,
    "horizon": 16,
}
_REPLAY_OF: dict[str, dict[str, Any]] = {
    "recurrent-dqn": {
        "n_steps": 10,
        "lambda_": 0.8,
        "target_update_interval": 80,
        "exploration_fraction": 0.1,
        "exploration_final_eps": 0.3,
        "exploration_spread": 5.0,
        "exploration_duration": 30.0,
        "exploration_returns": 3,
    },
    "recurrent-td3": {"n_steps": 3, "gamma": 0.98, "tau": 0.01, "gradient_steps": 2},
}
"""Defaults of the command line, found on the environments of docs/default-agent.md; those of the classes are older."""


def replay_preset(algo: str, n_envs: int | None = None, step_bytes: int = 1) -> Preset:
    """The settings of a learner that replays.

    Of eight steps about one update is made (TD3: two), whatever the number of environments; exactly so where 8 is a
    multiple of it or it of 8.

    Args:
        algo: "recurrent-dqn" or "recurrent-td3".
        n_envs: Environments side by side, >= 1; ``None``: `REPLAY_ENVS`.
        step_bytes: Bytes of an observation in the buffer, >= 1.
    """
    n = n_envs or REPLAY_ENVS
    least = n * 2 * (_REPLAY["sequence_length"] + _REPLAY["period"])  # steps: rings that hold a sequence
    own: dict[str, Any] = {
        "train_freq": max(1, REPLAY_ENVS // n),
        "buffer_size": max(least, min(REPLAY_STEPS, int(REPLAY_BYTES / step_bytes))),
    }
    if n >= 2 * REPLAY_ENVS:
        own["gradient_steps"] = _REPLAY_OF[algo].get("gradient_steps", 1) * (n // REPLAY_ENVS)
    if algo == "recurrent-dqn" and n == 1:
        own |= {"exploration_final_eps": 0.02, "exploration_spread": 0.0}  # nobody to explore beside a greedy one
    replay = _REPLAY | _REPLAY_OF[algo] | own
    return Preset(timesteps=100_000, eval_episodes=20, n_envs=n, replay=replay)


_SEARCH = {"exploration_duration", "exploration_returns"}
_OTHER_AIDS = {"duration_exponent", "exploration_visits", "exploring_starts", "novelty_bonus"}


def add_replay(default: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Settings of replay: those that are given, and of the default's all others.

    The default's search for something to learn is left out where another aid to exploration is switched on, which it
    would override.
    """
    left_out = _SEARCH if any(given.get(name) for name in _OTHER_AIDS) else set()
    return {name: value for name, value in default.items() if name not in left_out} | given


_BAKKER_TMAZE = replace(
    TMAZE,
    learning_rate=2e-4,
    gamma=0.98,
    lambda_=0.8,
    kappa=0.1,
    optimizer="sgd",
    rms_memory=0,
    averaging=0.0,
    normalize_observations=False,
    exploration="directed",
    temperature=0.05,  # (ours), and so are all numbers of the explorer network
    temperature_scale=0.1,
    beta=0.5,
    hidden=12,
    cells=3,
    recurrent=True,
    cell_bias=True,
    input_range=0.1,  # (ours), and so are all initial weights and biases
    forget_range=None,
    recurrent_range=0.1,
    output_range=0.1,
    bias_range=0.1,
    input_gate_bias=0.0,
    forget_gate_bias=3.0,
    output_gate_bias=0.0,
)
_BAKKER_POLE = replace(
    _BAKKER_TMAZE,
    learning_rate=2e-3,
    gamma=0.95,
    lambda_=0.6,
    kappa=0.2,
    exploration="boltzmann",  # (ours): the paper says only that exploration is not directed
    temperature=0.1,
    hidden=14,
    cells=6,
)
_LEARNING_RATES = {  # of the paper's other learners
    ("ElmanPolicy", False): 1e-3,
    ("ElmanPolicy", True): 2e-3,
    ("MemoryBitsPolicy", False): 1e-2,
    ("MemoryBitsPolicy", True): 1e-2,  # (ours): the paper has no memory bits on the pole
}


def preset(
    name: PresetName,
    env_id: str,
    policy: PolicyName = "LstmPolicy",
    env_kwargs: dict[str, Any] | None = None,
    rule: Rule | None = None,
) -> Preset:
    """The preset ``name`` for an environment and a policy; "bakker2001" exists for the paper's environments only.

    Args:
        name: Which.
        env_id: An id that Gymnasium knows.
        policy: Which.
        env_kwargs: Arguments without which the environment cannot be made.
        rule: What somebody asked for, see `Config.rule`.

    Raises:
        ValueError: There is no such environment, or no such preset for it.
    """
    from lstm_rl.make import family, is_ours  # the command line's help needs neither

    known, continuous = family(env_id, env_kwargs or {})
    pole = known == "pole"
    if name == "bakker2001" and known not in ("pole", "tmaze"):
        raise ValueError(f"preset must be default for {env_id}, got {name}: the paper has T-mazes and the pole only")
    if name == "bakker2001" and policy in ("GruPolicy", "SlstmPolicy"):
        raise ValueError(f"preset must be default for {policy}, got {name}: the paper has no such network")
    if name == "bakker2001" and rule == "actor_critic":
        raise ValueError("preset must be default for the rule actor_critic, got bakker2001: the paper has no such rule")
    config, chosen = default_config(known, rule, continuous), dict[str, Any]()
    if name == "bakker2001":
        config, chosen = _BAKKER_TMAZE, {"max_steps": None}
    if pole:
        config, chosen = (config, {"max_steps": 500}) if name == "default" else (_BAKKER_POLE, {"max_steps": 10_000})
    if not is_ours(env_id):  # another world has arguments of its own
        chosen = {}
    if policy == "ElmanPolicy":  # 16 hidden and 16 context units, which are hidden(t-1); initial weights (ours)
        config = replace(config, hidden=16, cells=0, input_range=2.0, recurrent_range=2.0, bias_range=2.0)
    if policy in ("GruPolicy", "SlstmPolicy"):  # Torch takes near a millisecond for a step
        config = replace(config, bptt_depth=20, chunk_size=256)
    if policy == "MemoryBitsPolicy":
        config = replace(config, normalize_observations=False)
    if policy != "LstmPolicy" and name == "bakker2001":
        config = replace(config, learning_rate=_LEARNING_RATES[policy, pole])
    if pole and name == "default":  # of ten runs one starts over
        return Preset(config, chosen, 20_000_000, 40, attempt_steps=5_000_000, stop_when_solved=True)
    if pole:
        return Preset(config, chosen, 10_000_000, 40, stop_when_solved=True)
    return Preset(config, chosen, 5_000_000 if name == "bakker2001" else 500_000)

"""What settings would cost, estimated from their numbers alone before anything is made."""

import math
import warnings
from typing import Any

import gymnasium as gym

from lstm_rl.agents.config import Config
from lstm_rl.agents.spaces import input_size, make_action_decoder
from lstm_rl.machine_memory import memory
from lstm_rl.settings import Settings

NS_PER_WEIGHT = 3.0  # time of a step, about
WARN_SECONDS = 10.0  # s without a word that need a warning
AHEAD = 1000  # steps of noise that evaluation draws ahead


def check_memory(settings: Settings, env: gym.Env[Any, Any]) -> None:
    """Refuse what cannot fit into memory; warn of what will be slow.

    Raises:
        ValueError: Weights, streams or episodes need more than this machine has.
    """
    config, n, episodes = settings.config, settings.n_envs, settings.eval_episodes
    decoder = make_action_decoder(env.action_space)
    actions = decoder.size + (config.rule_for(decoder.dimensions > 0) == "actor_critic")  # which has the value besides
    weights, traces, history = _floats(settings.policy, config, input_size(env.observation_space), actions)
    noise = getattr(getattr(env.unwrapped, "world", None), "noise_size", 0)
    chunk = min(config.chunk_size, settings.timesteps)
    stream, need, have = traces + history, 0.0, memory()
    for name, floats in (
        (_sizes(settings), 2.0 * weights + traces),
        (f"bptt_depth={config.bptt_depth}", history),
        (f"n_envs={n}", (n - 1.0) * stream),
        (f"chunk_size={chunk}", 2.0 * n * chunk * noise),
        (f"eval_episodes={episodes}", episodes * (stream + 2.0 * AHEAD * noise)),
    ):
        need += (8.0 if config.precision == "float64" else 4.0) * floats
        if need > have:
            raise ValueError(
                f"{name.partition('=')[0]} must be so low that the run fits into {have / 1e9:.3g} GB of memory, got "
                f"{name}, with which it needs about {need / 1e9:.3g} GB"
            )
    seconds = NS_PER_WEIGHT * 1e-9 * weights * n * chunk
    if seconds > WARN_SECONDS:
        warnings.warn(
            f"a chunk of {chunk} steps with {weights:.2g} weights takes some {seconds:.0f} s, in which nothing is "
            "shown and no signal is heard: a lower --chunk-size lets this happen more often",
            stacklevel=2,
        )


def _sizes(settings: Settings) -> str:
    config = settings.config
    if settings.policy == "MemoryBitsPolicy":
        return f"memory_bits={config.memory_bits} with regions={config.regions}"
    return f"{'cells' if config.cells >= config.hidden else 'hidden'}={max(config.cells, config.hidden)}"


def _floats(policy: str, config: Config, inputs: int, actions: int) -> tuple[float, float, float]:
    """Numbers of weights, and of what each stream carries: traces and all forward derivatives, and the past."""
    cells, hidden = float(config.cells), float(config.hidden)
    if policy == "MemoryBitsPolicy":
        exponent = inputs * math.log(config.regions) + 2.0 * config.memory_bits * math.log(2.0)
        weights = 2.0 * actions * math.exp(min(exponent, 600.0))
        return weights, weights, 0.0
    units = hidden + 4.0 * cells
    recurrent = config.recurrent or policy != "LstmPolicy"
    weights = (inputs + 1.0 + recurrent * (hidden + cells)) * units + (1.0 + hidden + cells) * actions
    weights += config.explorer_hidden * (inputs + 2.0) * (config.exploration == "directed")
    if config.gradient == "rtrl" and policy in ("LstmPolicy", "ElmanPolicy"):  # units and cell states, and scratch
        return weights, weights * (2.0 * hidden + 9.0 * cells), 0.0
    if config.gradient == "bptt" or policy != "LstmPolicy":
        return weights, weights, config.bptt_depth * (inputs + 4.0 * units)
    return weights, 3.0 * weights, 0.0

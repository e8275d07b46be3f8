"""Facts about environments, read through all of SB3's and Gymnasium's wrappers: time scale, step limit, state.

The state of an environment is that of every layer around it as well. Known layers are listed here with the attributes
that the future depends on; any other takes part if its class has ``get_state`` and ``set_state``. An environment with a
layer that is neither has no state that could be saved: nothing is passed by.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import wrappers
from gymnasium.vector import SyncVectorEnv, VectorWrapper
from stable_baselines3.common import vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

from lstm_rl.envs import wrappers as envs_wrappers
from lstm_rl.envs.checked import CheckedEnv
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.rows import plain_world
from lstm_rl.envs.sb3 import TIME_LIMIT, GymnasiumVecEnv, is_time_limit
from lstm_rl.envs.vector import WorldVectorEnv

LIMITS = ("_max_episode_steps", "max_episode_steps", "max_steps", "max_episode_length")
"""What TimeLimit, MiniGrid, POPGym and others call the steps after which they truncate an episode."""

_Table = dict[type[Any], tuple[str, ...]]


def _listed(module: Any, stateful: dict[str, tuple[str, ...]], stateless: str = "") -> _Table:
    """Classes of a module by name; those that the installed version lacks are left out."""
    named = stateful | dict.fromkeys(stateless.split(), ())
    return {getattr(module, name): parts for name, parts in named.items() if hasattr(module, name)}


_RECORDERS: _Table = {  # what they count reaches logs only
    Monitor: ("rewards", "needs_reset", "total_steps", "current_reset_info"),
    **_listed(vec_env, {"VecMonitor": ("episode_returns", "episode_lengths", "episode_count")}),
    **_listed(wrappers, {"RecordEpisodeStatistics": ("episode_returns", "episode_lengths", "episode_count")}),
    **_listed(
        wrappers.vector,
        {"RecordEpisodeStatistics": ("episode_returns", "episode_lengths", "episode_count", "prev_dones")},
    ),
}
_LAYERS: _Table = _RECORDERS | {  # functions given to the Transform wrappers are taken to be without memory
    **_listed(
        vec_env,
        {
            "VecFrameStack": ("stacked_obs",),
            "VecNormalize": ("obs_rms", "ret_rms", "returns", "old_obs", "old_reward"),
        },
        "VecTransposeImage VecExtractDictObs VecCheckNan VecVideoRecorder",
    ),
    **_listed(
        wrappers,
        {
            "Autoreset": ("autoreset",),
            "DelayObservation": ("observation_queue",),
            "FrameStackObservation": ("obs_queue", "padding_value"),
            "MaxAndSkipObservation": ("_obs_buffer",),
            "NormalizeObservation": ("obs_rms",),
            "TimeAwareObservation": ("timesteps",),
            "StickyAction": ("last_action", "is_sticky_actions", "num_repeats", "repeats_taken"),
            "NormalizeReward": ("return_rms", "discounted_reward"),
        },
        "OrderEnforcing PassiveEnvChecker AddRenderObservation AddWhiteNoise ClipAction ClipReward DiscretizeAction "
        "DiscretizeObservation DtypeObservation FilterObservation FlattenObservation GrayscaleObservation "
        "HumanRendering ObstructView RecordVideo RenderCollection RepeatAction RescaleAction RescaleObservation "
        "ReshapeObservation ResizeObservation TransformAction TransformObservation TransformReward",
    ),
    **_listed(
        wrappers.vector,
        {"NormalizeReward": ("return_rms", "accumulated_reward", "_prev_dones")},
        "ClipAction ClipReward DictInfoToList HumanRendering RecordVideo RescaleAction TransformAction TransformReward "
        "VectorizeTransformAction VectorizeTransformReward",  # those of observations refuse to reset in the same step
    ),
    **_listed(envs_wrappers, {}, "PreviousAction PreviousReward FirstStepFlag HideEntries"),
    CheckedEnv: (),
    TIME_LIMIT: ("_elapsed_steps",),
}

_TRANSPARENT: _Table = _RECORDERS | {
    **_listed(vec_env, {}, "VecTransposeImage VecCheckNan VecVideoRecorder"),
    **_listed(wrappers.vector, {}, "HumanRendering RecordVideo"),
}
_LEARNING: _Table = _listed(wrappers, {}, "NormalizeObservation NormalizeReward")  # statistics over episodes


# --- numbers ---------------------------------------------------------------------------------------------------------


UNKNOWN_HORIZON = 100
"""Steps, of environments that do not tell theirs."""


def environment_horizon(env: VecEnv) -> int | None:
    """The environment's own time scale: ``metadata["horizon"]``, as our worlds tell it, else the step limit.

    A limit is no lag that memory has to bridge: it counts for `UNKNOWN_HORIZON` at most.
    """
    horizon, limit = (_attribute(env, "metadata") or {}).get("horizon"), step_limit(env)
    return _count(horizon) or (limit and min(limit, UNKNOWN_HORIZON))


def environment_family(env: VecEnv) -> str | None:
    """The `family` of the environments' world; ``None`` if they are no worlds, or of no family."""
    family: str | None = getattr(_attribute(env, "world"), "family", None)
    return family


def step_limit(env: VecEnv) -> int | None:
    """Steps after which an episode of row 0 is truncated, as far as wrappers or the environment tell; see `LIMITS`."""
    limits = [_count(_attribute(env, name)) for name in LIMITS]
    return min((limit for limit in limits if limit is not None), default=None)


def _attribute(env: VecEnv, name: str) -> Any:
    """Row 0's attribute, through all wrappers and into other processes; ``None`` if it has none."""
    return env.get_attr(name, 0)[0] if env.has_attr(name) else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, np.integer)) and value is not True and value >= 1 else None


# --- an environment of one's own -------------------------------------------------------------------------------------


def make_like(env: VecEnv) -> gym.Env[Any, Any]:
    """A new scalar environment that shows what the rows of ``env`` show.

    Raises:
        ValueError: There can be none; the message says why.
    """
    around, *rows = _stacks(env)
    for layer in [*around, *(rows[0] if rows else [])]:
        kind = type(layer)
        if (isinstance(layer, (VecEnvWrapper, VectorWrapper)) and kind not in _TRANSPARENT) or kind in _LEARNING:
            raise ValueError(f"{kind.__name__} changes what is seen, and its state belongs to training")
    world = around[-1].world if around and isinstance(around[-1], WorldVectorEnv) else None
    world, spec = (plain_world(rows[0][0]), rows[0][0].spec) if rows else (world, None)
    if world is not None:
        own = WorldEnv(world)
        own.spec = spec
        return own
    if spec is None:
        raise ValueError("the environments of training are in other processes, or do not say how they were made")
    unseen = ("Monitor", "CheckedEnv")  # they change nothing
    wrappers = tuple(wrapper for wrapper in spec.additional_wrappers if wrapper.name not in unseen)
    for wrapper in wrappers:
        if wrapper.kwargs is None:
            raise ValueError(f"{wrapper.name} does not say how it was made")
    silent = {"render_mode": None} if spec.kwargs.get("render_mode") else {}
    return gym.make(replace(spec, additional_wrappers=wrappers), disable_env_checker=True, **silent)


# --- states ----------------------------------------------------------------------------------------------------------


def environment_states(env: VecEnv) -> dict[str, Any] | None:
    """The state of every layer by name, as copies; ``None`` if a layer gives no access to its own."""
    return None if layers_without_state(env) else {name: _state(layer) for name, layer in _named_layers(env)}


def layers_without_state(env: VecEnv) -> list[str]:
    """Names of the classes whose state can neither be read nor set."""
    kinds = {_kind(layer) for _, layer in _named_layers(env)}
    return sorted(kind.__name__ for kind in kinds if kind not in _LAYERS and not _has_access(kind))


def layout(states: dict[str, Any] | None) -> Any:
    """What has to agree for one environment to take another's states; recorders may come and go."""
    if states is None:
        return None
    recorders, listed = ({kind.__name__ for kind in table} for table in (_RECORDERS, _LAYERS))
    kinds = {name: name.split()[-1] for name in states}
    return {
        name: sorted(state) if kinds[name] in listed else _shape(state)
        for name, state in states.items()
        if kinds[name] not in recorders
    }


def restore_environments(env: VecEnv, states: dict[str, Any]) -> None:
    """Undo `environment_states`, on environments that have been reset."""
    for name, layer in _named_layers(env):
        if name not in states:
            continue
        if _has_access(type(layer)):
            layer.set_state(states[name])
        else:
            vars(layer).update(deepcopy(states[name]))


def _kind(layer: Any) -> type[Any]:
    """The class that a layer is listed by."""
    return TIME_LIMIT if is_time_limit(layer) else type(layer)


def _has_access(kind: type[Any]) -> bool:
    return hasattr(kind, "get_state") and hasattr(kind, "set_state")


def _state(layer: Any) -> Any:
    if _has_access(type(layer)):
        return layer.get_state()
    own = vars(layer)
    return {name: deepcopy(own[name]) for name in _LAYERS[_kind(layer)] if name in own}


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    return value.shape if isinstance(value, np.ndarray) else None


def _named_layers(env: VecEnv) -> Iterator[tuple[str, Any]]:
    """All layers with something to save, or unknown: "(row) (place) (class)" -> layer."""
    for row, stack in enumerate(_stacks(env)):
        layers = [layer for layer in stack if _LAYERS.get(_kind(layer), ("?",))]
        names = [_kind(layer).__name__ for layer in layers]
        for place, (name, layer) in enumerate(zip(names, layers, strict=True)):
            yield f"{row} {names[:place].count(name)} {name}", layer


def _stacks(env: VecEnv) -> list[list[Any]]:
    """The layers around all rows, then those of each row if its environment lives in this process."""
    around: list[Any] = []
    while isinstance(env, VecEnvWrapper):
        around.append(env)
        env = env.venv
    inner: Any = env
    if isinstance(env, GymnasiumVecEnv):
        inner = env.env
        while isinstance(inner, VectorWrapper):
            around.append(inner)
            inner = inner.env
    if type(inner) not in (DummyVecEnv, SyncVectorEnv):
        return [[*around, inner]]
    return [around, *(_wrapped(row) for row in inner.envs)]


def _wrapped(env: gym.Env[Any, Any]) -> list[Any]:
    layers: list[Any] = [env]
    while isinstance(layers[-1], gym.Wrapper):
        layers.append(layers[-1].env)
    return layers

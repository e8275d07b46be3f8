"""Replay learners by their names on the command line and in the zoo."""

from dataclasses import fields
from typing import Any, Literal

from lstm_rl.agents.recurrent_dqn import RecurrentDQN
from lstm_rl.agents.recurrent_replay import RecurrentReplay
from lstm_rl.agents.recurrent_td3 import RecurrentTD3

REPLAY: dict[str, type[RecurrentReplay]] = {"recurrent-dqn": RecurrentDQN, "recurrent-td3": RecurrentTD3}
"""Learners from replayed sequences, by name."""


def make_replay(
    algo: Literal["recurrent-dqn", "recurrent-td3"],
    policy: str,
    env: Any,
    settings: dict[str, Any],
    *,
    seed: int | None = None,
    device: str = "cpu",
) -> RecurrentReplay:
    """A new model.

    Args:
        algo: Name of the learner.
        policy: Name of the policy, such as "LstmPolicy".
        env: An environment, its id, or a VecEnv.
        settings: Fields of its configuration, and arguments of its policy, by name.
        seed: Of weights, exploration, sampling and environments.
        device: "cpu", "cuda" or "auto".

    Raises:
        ValueError: A setting has no such name, or does not fit.
    """
    kind = REPLAY[algo]
    names = {field.name for field in fields(kind.config_class)}
    own = {name: value for name, value in settings.items() if name in names}
    of_policy = {name: value for name, value in settings.items() if name not in names}
    try:
        return kind(policy, env, policy_kwargs=of_policy, seed=seed, device=device, **own)
    except TypeError as error:
        said = str(error).rpartition("unexpected keyword argument ")[2]
        raise ValueError(
            f"replay must hold settings of {algo}, {', '.join(sorted(names))}, or of its policy, got {said}"
        ) from error

"""Which learner `lstm-rl train` uses where nobody says it: ``algo="auto"``, resolved here and nowhere else.

Where the environment is compiled, steps cost next to nothing: the step-by-step learner takes a million in seconds.
Where it is Python, as most environments of others are, a step costs as much as learning from it several times: there
sequences are replayed. Settings that were given for one of the two kinds of learners say which one is meant.
"""

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from lstm_rl.agents.config import Config

if TYPE_CHECKING:
    import gymnasium as gym

AlgoName = Literal["auto", "advantage", "recurrent-dqn", "recurrent-td3"]

OF_ADVANTAGE = tuple(each.name for each in fields(Config))
"""Options of the command line that set the step-by-step learner. Those of replay learners are given with --replay, also
where their names are the same."""
REPLAY_ALGOS = ("recurrent-dqn", "recurrent-td3")
REPLAY_POLICIES = ("LstmPolicy", "GruPolicy", "SlstmPolicy")
"""Policies of `lstm_rl.presets.PolicyName` that replay learners have, too."""


def choose_algo(env: "gym.Env[Any, Any]", of_advantage: bool = False, of_replay: bool = False) -> AlgoName:
    """The learner for an environment.

    Args:
        env: Read through its wrappers: under any but plain ones a world is no longer stepped in compiled code.
        of_advantage: Whether settings of the step-by-step learner were given.
        of_replay: Whether settings of replay learners were given.
    """
    from gymnasium.spaces import Box

    from lstm_rl.envs.rows import plain_world

    if of_advantage or (plain_world(env) is not None and not of_replay):
        return "advantage"
    return "recurrent-td3" if isinstance(env.action_space, Box) else "recurrent-dqn"


def step_bytes(env: "gym.Env[Any, Any]") -> int:
    """Bytes of an observation in a replay buffer, >= 1: one per number of an image, four per other number.

    Raises:
        ValueError: Observations are of a kind that no learner takes.
    """
    from lstm_rl.agents.spaces import make_encoder

    encoder = make_encoder(env.observation_space)
    return encoder.size * (1 if len(encoder.parts) == 1 and encoder.parts[0].image else 4)


def reason(algo: AlgoName, env: "gym.Env[Any, Any]") -> str:
    """Why this learner is used in this environment."""
    from lstm_rl.envs.rows import plain_world

    compiled, replays = plain_world(env) is not None, algo in REPLAY_ALGOS
    if compiled == replays:
        return "as its settings ask"
    return "the environment is not compiled: steps are replayed" if replays else "the environment is compiled"


def typed(arguments: list[str], names: tuple[str, ...] = OF_ADVANTAGE) -> list[str]:
    """Those of the settings ``names`` that a command line gives, whatever their values."""
    words = {word.partition("=")[0][2:].replace("-", "_") for word in arguments if word.startswith("--")}
    return [name for name in names if {name, name.strip("_"), f"no_{name}"} & words]

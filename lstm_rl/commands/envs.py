"""`lstm-rl envs`: the environments that come with the package."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Envs:
    """List the environments, one line each."""


def envs(_: Envs) -> int:
    """`lstm-rl envs`."""
    from lstm_rl.envs import SEQUENCES, WORLDS

    for env_id, (_world, line) in WORLDS.items():
        print(f"{env_id:36} {line}")
    print(f"{SEQUENCES:36} a classical sequence task, a question at a time; task=NAME, e.g. hs1997-adding")
    return 0

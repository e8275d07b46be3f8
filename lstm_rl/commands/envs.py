"""`lstm-rl envs`: the environments that come with the package."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Envs:
    """List the environments, one line each."""


def envs(_: Envs) -> int:
    """`lstm-rl envs`."""
    from lstm_rl.envs import OTHERS, WORLDS

    for env_id, (_world, line) in (WORLDS | OTHERS).items():
        print(f"{env_id:36} {line}")
    return 0

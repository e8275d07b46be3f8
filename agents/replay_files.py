"""Buffers of sequences as files."""

from typing import Any

from stable_baselines3.common.save_util import load_from_pkl

from lstm_rl.agents.sequence_buffer import SequenceBuffer


def load_buffer(path: Any, own: SequenceBuffer, verbose: int) -> SequenceBuffer:
    """What `save_replay_buffer` has saved.

    Args:
        path: Of the file, as SB3's.
        own: The buffer in whose place it is to be used.
        verbose: Of the algorithm.

    Raises:
        ValueError: It is no such buffer, or of other spaces, networks or sequences.
    """
    buffer: Any = load_from_pkl(path, verbose)
    if not isinstance(buffer, SequenceBuffer):
        raise ValueError(f"{path} must be a replay buffer of sequences, got {type(buffer).__name__}")
    for name in ("spec", "n_envs", "length", "period"):
        if getattr(buffer, name) != getattr(own, name):
            raise ValueError(
                f"{path} must be a replay buffer of these spaces, networks and sequences, with {name} "
                f"{getattr(own, name)}, got {getattr(buffer, name)}"
            )
    return buffer

"""Buffers of sequences as files."""

from typing import Any

from stable_baselines3.common.save_util import load_from_pkl

from lstm_rl.agents.sequence_buffer import SequenceBuffer


def load_buffer(path: Any, own: SequenceBuffer, verbose: int) -> SequenceBuffer:
    """Load the buffer that `save_replay_buffer` has written.

    Args:
        path: File, with or without the suffix .pkl.
        own: The buffer that it is to replace.
        verbose: See SB3's `load_from_pkl`.

    Raises:
        ValueError: The file holds no such buffer, or one of other spaces, networks or sequences.
    """
    buffer: Any = load_from_pkl(path, verbose)
    if not isinstance(buffer, SequenceBuffer):
        raise ValueError(f"{path} must be a replay buffer of sequences, got {type(buffer).__name__}")
    for name in ("spec", "n_envs", "length", "period", "counted"):
        if getattr(buffer, name) != getattr(own, name):
            raise ValueError(
                f"{path} must be a replay buffer of these spaces, networks and sequences, with {name} "
                f"{getattr(own, name)}, got {getattr(buffer, name)}"
            )
    return buffer

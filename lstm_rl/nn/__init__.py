"""The Torch execution of a `Topology`: batched, resets inside the unroll, autograd."""

from lstm_rl.nn.lstm import LstmNetwork, LstmState

__all__ = ["LstmNetwork", "LstmState"]

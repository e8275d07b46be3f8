"""Networks in Torch: batched, the state explicit, resets inside the unroll."""

from lstm_rl.nn.loop import LstmState
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.nn.network import Network

__all__ = ["LstmNetwork", "LstmState", "Network"]

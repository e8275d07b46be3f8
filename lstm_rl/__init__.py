"""lstm_rl: reinforcement learning with memory, after the line of work that began with LSTM.

Importing the package registers its environments with Gymnasium; learners are in `lstm_rl.agents`.
"""

import lstm_rl.envs  # noqa: F401  registers the environments

__version__ = "0.1.0"

"""lstm_rl: reinforcement learning with memory, after the line of work that began with LSTM.

Importing the package registers its environments with Gymnasium; learners are in `lstm_rl.agents`.
"""

import sys as _sys
from pathlib import Path as _Path

try:
    import lstm_rl.envs  # noqa: F401  registers the environments
except KeyboardInterrupt:
    if _Path(_sys.argv[0]).name not in ("lstm-rl", "-m"):  # names of the command while its package is imported
        raise
    _sys.exit(130)

__version__ = "0.1.0"

"""Train from the command line: `python scripts/train.py lstm_rl/NoisyTMaze-v0 ...` equals `lstm-rl train ...`."""

import sys

from lstm_rl.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))

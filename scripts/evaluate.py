"""Evaluate from the command line: `python scripts/evaluate.py RUN ...` equals `lstm-rl evaluate RUN ...`."""

import sys

from lstm_rl.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))

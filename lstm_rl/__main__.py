"""`python -m lstm_rl` equals `lstm-rl`."""

import os
import sys


def main() -> int:
    """The command line, whose imports may be interrupted, too."""
    if not sys.flags.safe_path and not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, os.getcwd())  # as `python -m` does: environments of one's own are found here
    try:
        from lstm_rl.cli import main
    except KeyboardInterrupt:
        print("lstm-rl: interrupted", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(main())

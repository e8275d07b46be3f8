"""`python -m lstm_rl` equals `lstm-rl`."""

import sys


def main() -> int:
    """The command line, whose imports may be interrupted, too."""
    try:
        from lstm_rl.cli import main
    except KeyboardInterrupt:
        print("lstm-rl: interrupted", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(main())

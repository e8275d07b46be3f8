"""Run every suite of sequence tasks at its full size into docs/results: start it and leave it, it goes on where it was.

    python scripts/suites.py [--workers 2] [--out FOLDER] [--only NAME ...]

Suites come in the order of their cost, all of them some hours of two cores. Ctrl-C loses the runs that are under way.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from lstm_rl.cli import main as lstm_rl
from lstm_rl.suites.commands import LINES, STORED, Table, table

ORDER = ("parity", "hmm", "chunker", *(name for name in LINES if name.startswith("hs1997")))


@dataclass
class Arguments:
    """Run suites."""

    workers: int = 1
    """Runs side by side."""
    out: Path = STORED
    """Folder of the suites' folders."""
    only: tuple[str, ...] = ORDER
    """Suites to run."""


def main(arguments: Arguments) -> int:
    """Run them, then write the table of 1997 beside them."""
    for name in arguments.only:
        code = lstm_rl(["suite", "run", name, "--workers", str(arguments.workers), "--out", str(arguments.out)])
        if code:
            return code
    (arguments.out / "hs1997.md").write_text(table(Table("hs1997", arguments.out)) + "\n")
    (arguments.out / "hs1997.csv").write_text(table(Table("hs1997", arguments.out, csv=True)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__.split("\n")[0] if __doc__ else None)))

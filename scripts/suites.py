"""Run every suite of sequence tasks at its full size into docs/results: start it and leave it, it goes on where it was.

    python scripts/suites.py [--workers 2] [--out FOLDER] [--only NAME ...]

Suites come in the order of their cost, all of them some hours of two cores. Ctrl-C loses the runs that are under way.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from lstm_rl.cli import main as lstm_rl
from lstm_rl.diagnostics.figures import save
from lstm_rl.studies.engine import read_rows
from lstm_rl.suites.commands import STORED, Table, table
from lstm_rl.suites.hs1997 import LINES as HS1997
from lstm_rl.suites.table import figures

ORDER = ("parity", "hmm", "chunker", *HS1997)


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
    """Run them, then put the experiments of 1997 together."""
    for name in arguments.only:
        code = lstm_rl(["suite", "run", name, "--workers", str(arguments.workers), "--out", str(arguments.out)])
        if code:
            return code
    summarise(arguments.out)
    return 0


def summarise(out: Path) -> None:
    """The experiments of 1997 as one table, and a picture of the LSTM rows."""
    (out / "hs1997.md").write_text(table(Table("hs1997", out)) + "\n")
    (out / "hs1997.csv").write_text(table(Table("hs1997", out, csv=True)) + "\n")
    rows = [row for name in HS1997 for row in read_rows(out / name / "results.csv")]
    lstm = [row for row in rows if row["gradient"] == "truncated" and row["network"] != "elman"]
    save(figures(lstm)["sequences"], out / "hs1997.png")


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__.split("\n")[0] if __doc__ else None)))

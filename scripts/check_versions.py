"""Install the lowest, or the newest, versions that pyproject.toml allows into a fresh environment, and train there.

python scripts/check_versions.py lowest
python scripts/check_versions.py newest --keep torch

``--extras music robot series``: these as well, and what needs them is run.

Downloads of Torch are large: ``--keep torch`` takes the version of constraints.txt instead. A floor that is not checked
is a guess: run this after every change of dependencies in pyproject.toml.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TRAIN = "train lstm_rl/NoisyTMaze-v0 --timesteps 20000 --eval-freq 5000 --eval-episodes 50 --no-progress"


EXTRAS = {  # what needs an extra, for Python
    "music": (
        ("-m", "lstm_rl", "music", "train", "--updates", "5", "--out", "blues", "--no-progress"),
        ("-m", "lstm_rl", "music", "play", "blues", "--choruses", "1", "--midi", "blues.mid", "--wav", "blues.ogg"),
    ),
    "robot": (("-c", "import gymnasium, lstm_rl.envs; gymnasium.make('lstm_rl/RobotTMaze-v0').reset()"),),
    "series": (
        ("-m", "lstm_rl", "reproduce", "series-laser", "--rows", "state", "--runs", "1", "--no-progress")
        + ("--out", "laser"),
    ),
}


def requirements(which: str, keep: list[str], extras: list[str]) -> list[str]:
    """One line for pip per direct dependency: ``name==floor``, or the name alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pairs = [word.split("==") for word in (ROOT / "constraints.txt").read_text().split() if "==" in word]
    pins = {canonicalize_name(name): version for name, version in pairs}
    lines = []
    optional = [line for extra in extras for line in project["optional-dependencies"][extra]]
    for requirement in map(Requirement, project["dependencies"] + optional):
        floor = next(part.version for part in requirement.specifier if part.operator == ">=")
        version = (
            pins[canonicalize_name(requirement.name)]
            if requirement.name in keep
            else floor
            if which == "lowest"
            else None
        )
        lines.append(f"{requirement.name}=={version}" if version else str(requirement))
    return lines


def main() -> None:
    """Exit with the first command that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=("lowest", "newest"))
    parser.add_argument("--keep", nargs="*", default=[], metavar="NAME", help="as in constraints.txt")
    parser.add_argument("--extras", nargs="*", default=[], choices=EXTRAS, help="check these, too")
    arguments = parser.parse_args()
    lines = requirements(arguments.which, arguments.keep, arguments.extras)
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))

        def run(*words: str) -> None:
            subprocess.run([python, *words], cwd=folder, check=True)

        run("-m", "pip", "install", "--quiet", *lines)
        run("-m", "pip", "install", "--quiet", "--no-deps", str(ROOT))
        run("-m", "pip", "check")
        run("-m", "lstm_rl", *TRAIN.split(), "--log-dir", folder, "--run-name", "maze")
        run("-m", "lstm_rl", "evaluate", str(Path(folder) / "maze"), "--episodes", "200", "--seed", "1")
        for command in (each for extra in arguments.extras for each in EXTRAS[extra]):
            run(*command)
    print(f"the {arguments.which} versions install, train and evaluate")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd[1:5])} ... failed with the versions above")

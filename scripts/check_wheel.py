"""Check a built wheel: only `lstm_rl` inside, every package there, and importable away from the checkout.

python scripts/check_wheel.py FOLDER
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NEEDED = (
    "lstm_rl/cli.py",
    "lstm_rl/envs/tmaze.py",
    "lstm_rl/agents/advantage_learning.py",
    "lstm_rl/experiments/results/hs1997-adding.csv",
    "lstm_rl/pretrained/noisy-tmaze-70.safetensors",
    "lstm_rl/py.typed",
)


def main(folder: str) -> None:
    """Fail with a sentence if something is wrong."""
    (wheel,) = Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        tops = {name.split("/")[0] for name in names}
        extra = {top for top in tops if top != "lstm_rl" and not top.endswith(".dist-info")}
        missing = [name for name in NEEDED if name not in names]
        if extra or missing:
            sys.exit(f"wheel must hold lstm_rl and nothing else; extra: {sorted(extra)}, missing: {missing}")
        with tempfile.TemporaryDirectory() as target:
            archive.extractall(target)
            code = (
                f"import sys; sys.path.insert(0, {target!r}); import gymnasium, lstm_rl;"
                f"assert lstm_rl.__file__.startswith({target!r}), lstm_rl.__file__;"
                "env = gymnasium.make('lstm_rl/NoisyTMaze-v0', corridor_length=3); env.reset(seed=0); env.step(1);"
                "from lstm_rl.agents import AdvantageLearning; AdvantageLearning('LstmPolicy', env).learn(100);"
                "from lstm_rl.cli import main; assert main(['table', 'hs1997']) == 0;"
                "assert main(['evaluate', 'model:noisy-tmaze-70', '--episodes', '10']) == 0"
            )
            subprocess.run([sys.executable, "-P", "-c", code], cwd=target, check=True)
    print(f"{wheel.name}: {len(names)} files, works away from the checkout")


if __name__ == "__main__":
    main(sys.argv[1])

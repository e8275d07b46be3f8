"""Train the models that come with the package, by the commands of the package, and write lstm_rl/pretrained.

    python scripts/pretrained.py [--only NAME ...]

All of them take some minutes. Each is tried in 1,000 fresh episodes; one that does not reach its score is left out, an
older one of its name removed, and the script ends with 1.
"""

import json
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from lstm_rl import __version__
from lstm_rl.atomic import atomic_write
from lstm_rl.cli import main
from lstm_rl.cli_types import parse_kwargs
from lstm_rl.commands.models import describe
from lstm_rl.evaluation import evaluate, load
from lstm_rl.intervals import mean_interval, success_interval
from lstm_rl.pretrained import FOLDER, cards

EPISODES, SEED = 1000, 2_000_000_000  # of the final trial; training tries its models on seeds below its steps
MAZE, POLE = "lstm_rl/NoisyTMaze-v0", "lstm_rl/MultimodePole-v0"


@dataclass(frozen=True)
class Recipe:
    """How one model is trained, and what it has to reach."""

    description: str
    train: str
    """Arguments of `lstm-rl train`."""
    measure: str
    """"success_rate" or "mean_reward"."""
    least: float
    env_kwargs: str = ""
    """Of the trial and of `lstm-rl watch`, as key=value; "": those of training."""


RECIPES = {
    "noisy-tmaze-70": Recipe(
        "a cue, 70 steps of noise, a turn",
        f"{MAZE} --env-kwargs corridor_length=70 --stop-when-solved",
        "success_rate",
        0.99,
    ),
    "noisy-tmaze-1000": Recipe(
        "a cue, 1,000 steps of noise, a turn",
        f"{MAZE} --env-kwargs corridor_length=1000 --timesteps 5e6 --schedule linear",
        "success_rate",
        0.99,
    ),
    "multimode-pole": Recipe(
        "a pole on a cart; what the actions mean is drawn anew, and shown in the first second only",
        POLE,
        "success_rate",
        0.99,
        "max_steps=10000",
    ),
    "memory-chain-256": Recipe(
        "bsuite: a bit that is asked for after 256 steps",
        "lstm_rl/MemoryChain-v0 --env-kwargs length=256 --timesteps 3e6",
        "success_rate",
        0.99,
    ),
    "repeat-first-easy": Recipe(
        "POPGym: name the suit of the first of 52 cards at every step",
        "lstm_rl/RepeatFirst-v0 --env-kwargs difficulty=easy --timesteps 3e6",
        "mean_reward",
        0.95,
    ),
    "repeat-previous-easy": Recipe(
        "POPGym: name the suit of the card of four steps ago",
        "lstm_rl/RepeatPrevious-v0 --env-kwargs difficulty=easy --timesteps 3e6",
        "mean_reward",
        0.98,
    ),
    "position-only-cart-pole-easy": Recipe(
        "POPGym: a cart pole without velocities",
        "lstm_rl/PositionOnlyCartPole-v0 --env-kwargs difficulty=easy --timesteps 3e6",
        "mean_reward",
        0.98,
    ),
    "two-armed-bandit": Recipe(
        "two arms that pay with p and 1 - p, 100 pulls; the Bayes optimum is 73.8, without memory 66.5",
        "lstm_rl/TwoArmedBandit-v0 --timesteps 6e6 --schedule linear --eval-episodes 2000",
        "mean_reward",
        72.5,
    ),
}


@dataclass(frozen=True)
class Arguments:
    """Which models."""

    only: tuple[str, ...] = ()
    """Names; default: all."""


def train(name: str, recipe: Recipe) -> str | None:
    """Train, try and write one model; return what is wrong with it, if anything."""
    arguments = ["train", *shlex.split(recipe.train), "--seed", "0"]
    command = shlex.join(["lstm-rl", *arguments])
    print(f"{name}: {command}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if main([*arguments, "--log-dir", folder, "--run-name", name, "--no-pictures"]):
            return "training failed"
        model, env_id, env_kwargs = load(Path(folder) / name)
    if recipe.env_kwargs:
        env_kwargs = parse_kwargs(shlex.split(recipe.env_kwargs))
    score = measure(evaluate(model, env_id, env_kwargs, EPISODES, SEED), recipe.measure)
    if score["value"] < recipe.least:
        write_card(name, None)
        return f"{recipe.measure} must be {recipe.least:g} at least, got {score['value']:.4g}"
    model.save(FOLDER / f"{name}.safetensors")
    card: dict[str, Any] = {
        "description": recipe.description,
        "env": env_id,
        "env_kwargs": env_kwargs,
        "command": command,
    }
    card |= {"seed": 0, "steps": model.num_timesteps, "version": __version__, "score": score}
    write_card(name, card)
    print(f"{name}: {describe(score)}, {(FOLDER / f'{name}.safetensors').stat().st_size:,} bytes", flush=True)
    return None


def measure(result: dict[str, Any], what: str) -> dict[str, Any]:
    """A score of an evaluation with its 95 % interval."""
    value, n = result[what], result["episodes"]
    if what == "success_rate":
        low, high = success_interval(round(value * n), n)
    else:
        low, high = mean_interval(value, result["std_reward"], n)
    return {"measure": what, "value": value, "low": low, "high": high, "episodes": n, "seed": result["seed"]}


def write_card(name: str, card: dict[str, Any] | None) -> None:
    """Put a card into cards.json, in the order of `RECIPES`; ``None``: take it out, and remove the model."""
    cards.cache_clear()
    if card is None:
        (FOLDER / f"{name}.safetensors").unlink(missing_ok=True)
    known = (cards() if (FOLDER / "cards.json").is_file() else {}) | {name: card}
    with atomic_write(FOLDER / "cards.json") as part:
        ordered = {each: known[each] for each in RECIPES if known.get(each)}
        part.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    cards.cache_clear()


def run(arguments: Arguments) -> int:
    """Train all that are asked for; 1 if one is not as it should be."""
    if unknown := set(arguments.only) - RECIPES.keys():
        raise SystemExit(f"only must be names out of {', '.join(RECIPES)}, got {', '.join(sorted(unknown))}")
    failures = {name: train(name, recipe) for name, recipe in RECIPES.items() if name in (arguments.only or RECIPES)}
    for name, reason in failures.items():
        if reason:
            print(f"{name}: left out: {reason}", file=sys.stderr)
    return int(any(failures.values()))


if __name__ == "__main__":
    sys.exit(run(tyro.cli(Arguments, description=__doc__)))

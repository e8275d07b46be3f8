"""`lstm-rl models`: the trained models that come with the package."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Models:
    """List the trained models that come with the package: name, environment, score, size."""


def models(_: Models) -> int:
    """`lstm-rl models`."""
    from lstm_rl.cli_types import format_kwargs
    from lstm_rl.pretrained import cards, model_file

    for name, card in cards().items():
        env = " ".join([card["env"], *format_kwargs(card["env_kwargs"])])
        print(f"{name:28} {env:54} {describe(card['score']):34} {model_file(name).stat().st_size / 1000:5.1f} kB")
    print("lstm-rl watch model:NAME, lstm-rl evaluate model:NAME, or AdvantageLearning.from_pretrained(NAME)")
    return 0


def describe(score: dict[str, Any]) -> str:
    """A score with its interval, for people."""
    if score["measure"] == "success_rate":
        return "success {value:.1%} ({low:.1%} to {high:.1%})".format(**score)
    return "return {value:.4g} ({low:.4g} to {high:.4g})".format(**score)

"""Past the paper: the default preset on the multi-mode pole, balanced in both modes for 2,000 simulated seconds."""

from dataclasses import dataclass

from lstm_rl.cli_types import Steps
from lstm_rl.presets import PresetName
from lstm_rl.studies import bakker2001_pole
from lstm_rl.studies.bakker2001_pole import BakkerPole
from lstm_rl.studies.engine import Study
from lstm_rl.studies.mazes import Learner


@dataclass(frozen=True)
class MultimodePole(BakkerPole):
    """The multi-mode pole with the default preset."""

    learners: tuple[Learner, ...] = ("lstm",)
    """Who takes part."""
    preset: PresetName = "default"
    """Settings of the learners."""
    max_steps: Steps = 20_000_000
    """Budget of a run."""
    attempt_steps: Steps | None = 5_000_000
    """Steps after which a run starts over with new weights; the learning rate falls over them."""


def study(options: MultimodePole) -> Study:
    """The study that the options describe."""
    return bakker2001_pole.study(options, "multimode-pole")

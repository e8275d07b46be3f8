"""The command line: commands, which lstm_rl/commands/ has, errors in one sentence, and exit codes."""

import os
import sys
import warnings
from typing import Annotated, Any

import tyro

from lstm_rl import __version__
from lstm_rl.commands.diagnose import Diagnose, diagnose
from lstm_rl.commands.envs import Envs, envs
from lstm_rl.commands.evaluate import Evaluate, Watch, evaluate, watch
from lstm_rl.commands.experiments import Experiments, Reproduce, Table, experiments, reproduce, table
from lstm_rl.commands.export import Export, export
from lstm_rl.commands.models import Models, models
from lstm_rl.commands.music import Music, music
from lstm_rl.commands.plot import Plot, plot
from lstm_rl.commands.train import Train, parse_train, train
from lstm_rl.commands.tune import Tune, tune
from lstm_rl.commands.world_model import WorldModel, parse_world_model, world_model
from lstm_rl.envs.checked import place_of
from lstm_rl.messages import sentence_of, show_warning
from lstm_rl.parser import parse
from lstm_rl.signals import describe, forget_signals, raised_signal, signal_of, terminate_on_signals

Command = (
    Annotated[Envs, tyro.conf.subcommand("envs")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Tune, tyro.conf.subcommand("tune")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Watch, tyro.conf.subcommand("watch")]
    | Annotated[Plot, tyro.conf.subcommand("plot")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Models, tyro.conf.subcommand("models")]
    | Annotated[Experiments, tyro.conf.subcommand("experiments")]
    | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
    | Annotated[Table, tyro.conf.subcommand("table")]
    | Annotated[WorldModel, tyro.conf.subcommand("world-model")]
    | Annotated[Diagnose, tyro.conf.subcommand("diagnose")]
    | Annotated[Music, tyro.conf.subcommand("music")]
)


def _parse(arguments: list[str]) -> Any:
    """Parse a command.

    Raises:
        ValueError: The arguments do not fit.
    """
    if arguments[:1] == ["train"]:  # what its fields have by default depends on the environment, a file and a run
        return parse_train(arguments[1:])
    if arguments[:1] == ["world-model"]:  # those of a run to resume on the run
        return parse_world_model(arguments[1:])
    return parse(Command, prog="lstm-rl", args=arguments, description="Reinforcement learning with memory.")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0, 1 for a failed run, 2 for bad input, 128 + n for signal n."""
    actions: dict[type, Any] = {
        Envs: envs,
        Train: train,
        Tune: tune,
        Evaluate: evaluate,
        Watch: watch,
        Plot: plot,
        Export: export,
        Models: models,
        Experiments: experiments,
        Reproduce: reproduce,
        Table: table,
        WorldModel: world_model,
        Diagnose: diagnose,
        Music: music,
    }
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(f"lstm-rl {__version__}")
        return 0
    forget_signals()
    try:
        with warnings.catch_warnings(), terminate_on_signals():
            warnings.showwarning = show_warning
            command = _parse(arguments)
            result: int = actions[type(command)](command)
        sys.stdout.flush()
        return result
    except KeyboardInterrupt as error:
        print(f"lstm-rl: {describe(signal_of(error))}", file=sys.stderr)
        return 128 + signal_of(error)
    except Exception as error:
        number = raised_signal()
        if number is not None:  # in a callback of a compiler, say, which swallows it and then fails
            print(f"lstm-rl: {describe(number)}", file=sys.stderr)
            return 128 + number
        if isinstance(error, BrokenPipeError) and place_of(error) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        said = sentence_of(error)
        if said is None:
            raise
        print(f"lstm-rl: {said[0]}", file=sys.stderr)
        return said[1]

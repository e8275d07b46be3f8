"""rl_zoo3 with our algorithms: ``python -m lstm_rl.zoo train --algo advantage --env CartPole-v1``.

train (with ``-optimize``: a study), enjoy and record_video are the zoo's own programs and take its options. Algorithms
are ``advantage``, ``actor_critic``, ``recurrent_dqn`` and ``recurrent_td3``; their settings are in
``lstm_rl/hyperparams/*.yml``, in whose place ``--conf-file`` puts others, and ``-optimize`` searches
`lstm_rl.agents.search_space`.
"""

import argparse
import runpy
import sys
from importlib.resources import files

import gymnasium as gym

from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.algorithms import REPLAY as LEARNERS
from lstm_rl.agents.config import Rule
from lstm_rl.agents.defaults import default_config
from lstm_rl.agents.search_space import REPLAY_SPACE, search_space, suggest
from lstm_rl.checks import nearest, needs_extra
from lstm_rl.make import family  # which registers our environments, too

ALGORITHMS: tuple[Rule, ...] = ("advantage", "actor_critic")
REPLAY = {name.replace("-", "_"): kind for name, kind in LEARNERS.items()}
PROGRAMS = ("train", "enjoy", "record_video")


def register(env_id: str | None = None) -> None:
    """Make the algorithms known to the zoo, for programs of one's own too.

    Args:
        env_id: Whose default settings ``-optimize`` searches around; ``None``: any environment's.

    Raises:
        ValueError: rl_zoo3 is not installed.
    """
    try:
        from rl_zoo3 import ALGOS
        from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER
    except ImportError as error:
        raise ValueError(needs_extra("the zoo", f"rl_zoo3 ({error})", "zoo")) from None
    known = family(env_id, {})[0] if env_id in gym.registry else None
    for rule in ALGORITHMS:
        space = search_space(default_config(known, rule), rule)
        ALGOS[rule] = AdvantageLearning
        HYPERPARAMS_SAMPLER[rule] = lambda trial, *_, space=space: suggest(trial, space)
        HYPERPARAMS_CONVERTER[rule] = lambda sampled_params: sampled_params
    for name, kind in REPLAY.items():
        ALGOS[name] = kind
        HYPERPARAMS_SAMPLER[name] = lambda trial, *_: suggest(trial, REPLAY_SPACE)
        HYPERPARAMS_CONVERTER[name] = lambda sampled_params: sampled_params


def main(arguments: list[str] | None = None) -> int:
    """Run one of the zoo's programs; return the exit code: 0, 1 for a failed run, 2 for bad input."""
    program, *options = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if program in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        if program not in PROGRAMS:
            raise ValueError(
                f"program must be train, enjoy or record_video, got {program}: {nearest(program, PROGRAMS)}"
            )
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for names in (("--algo",), ("--env",), ("-conf", "--conf-file")):
            parser.add_argument(*names)
        chosen = parser.parse_known_args(options)[0]
        register(chosen.env)
        if program == "train" and chosen.algo in (*ALGORITHMS, *REPLAY) and chosen.conf_file is None:
            options += ["--conf-file", str(files("lstm_rl") / "hyperparams" / f"{chosen.algo}.yml")]
        _run(program, options)
    except (ValueError, AssertionError) as error:  # the zoo asserts what is asked of it
        print(f"lstm_rl.zoo: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, OSError) as error:
        print(f"lstm_rl.zoo: {error}", file=sys.stderr)
        return 1
    return 0


def _run(program: str, options: list[str]) -> None:
    """The zoo's program as it is."""
    before, sys.argv = sys.argv, [f"rl_zoo3.{program}", *options]
    try:
        runpy.run_module(f"rl_zoo3.{program}", run_name="__main__", alter_sys=True)
    finally:
        sys.argv = before


if __name__ == "__main__":
    sys.exit(main())

"""The settings of a run: one dataclass is the command line of `lstm-rl train`, config.json and the call of `run`.

A field that is out of its range raises ``ValueError``.
"""

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from lstm_rl.agents.config import Config, Rule
from lstm_rl.checks import check_choice, check_int
from lstm_rl.cli_types import Kwargs, Steps, format_kwargs
from lstm_rl.learner_choice import REPLAY_ALGOS, REPLAY_POLICIES, AlgoName, choose_algo, step_bytes
from lstm_rl.presets import PolicyName, PresetName, add_replay, preset, replay_preset

MOST = {"n_envs": 10_000, "eval_episodes": 100_000, "seed": 2**31 - 1, "timesteps": 10**15, "eval_freq": 10**15}
"""Upper bounds of numbers."""
NOT_RECORDED = ("log_dir", "run_name", "overwrite", "resume", "progress", "pictures", "video")
"""Fields that say where and how a run is done; its numbers do not depend on them, and config.json leaves them out."""


@dataclass(frozen=True)
class Settings:
    """The settings of one run."""

    env: tyro.conf.Positional[str]
    """Environment id, as in `lstm-rl envs`, or any Gymnasium id."""
    env_kwargs: Kwargs = field(default_factory=dict)
    """Arguments of the environment, as key=value."""
    preset: PresetName = "default"
    """Settings to start from; fields given here override them."""
    policy: PolicyName = "LstmPolicy"
    """LSTM, Elman net by BPTT, GRU or sLSTM in Torch, or a table with memory bits."""
    seed: int = 0
    """Of weights, exploration and environments."""
    timesteps: Steps = 500_000
    """Environment steps in all."""
    n_envs: int = 1
    """Environments that learn side by side into the same weights."""
    eval_freq: Steps | None = None
    """Steps between evaluations; default: a 25th of the timesteps; where surviving is success, 25,000 at most; of
    replay learners 2,500 at least."""
    eval_episodes: int = 200
    """Greedy episodes per evaluation."""
    stop_when_solved: bool = False
    """Stop at the second evaluation in a row without a failure; where surviving is success, at the first to the end of
    its last stage."""
    attempt_steps: Steps | None = None
    """Start over with new weights after so many steps without a solution; a linear schedule runs over them."""
    log_dir: Path = Path("runs")
    """Folder of run folders."""
    run_name: str | None = None
    """Name of the run folder; default: made from environment, preset and seed."""
    overwrite: bool = False
    """Delete a run folder of this name first."""
    resume: bool = False
    """Go on with the interrupted run of this name, exactly as if it had not been interrupted where the
    environment gives access to its state, else with new episodes."""
    progress: bool = True
    """Show a progress bar."""
    pictures: bool = True
    """Draw the learning curve and, for TensorBoard, an episode, at the end; --no-pictures saves some seconds."""
    video: bool = False
    """Show, at the end, an episode of the best model as a moving picture in TensorBoard."""
    algo: AlgoName = "auto"
    """Advantage(lambda) or an actor-critic, step by step; Q-learning or, for Box actions, TD3 from replayed sequences.
    auto: advantage where the environment is compiled, as ours are, and steps cost nothing, or where settings of it are
    given; everywhere else recurrent-dqn or recurrent-td3, which learn from each step many times."""
    replay: Kwargs = field(default_factory=dict)
    """Of recurrent-dqn and recurrent-td3: fields of `DqnConfig` and `Td3Config` and arguments of `ReplayPolicy`, as
    key=value. The others are the preset's with `lstm-rl train`, `from_preset` and algo auto, elsewhere the class's."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Of recurrent-dqn and recurrent-td3: where the networks are."""
    config: tyro.conf.OmitArgPrefixes[Config] = field(default_factory=Config)

    def __post_init__(self) -> None:
        for name in ("timesteps", "n_envs", "eval_episodes", "seed"):
            check_int(name, getattr(self, name), 0 if name == "seed" else 1, MOST[name])
        for name in ("eval_freq", "attempt_steps"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 1, MOST["eval_freq"])
        if self.run_name is not None and Path(self.run_name).name != self.run_name:  # --overwrite deletes what it names
            raise ValueError(f"run_name must be a folder's name without a path, got {self.run_name!r}; see log_dir")
        check_choice("algo", self.algo, AlgoName.__args__)  # type: ignore[attr-defined]
        check_choice("device", self.device, ("cpu", "cuda", "auto"))
        if self.algo == "advantage" and self.of_replay:
            name, value = ("replay", self.replay) if self.replay else ("device", self.device)
            raise ValueError(f"{name} must be left alone with algo advantage, got {value!r}")
        if self.algo in REPLAY_ALGOS:
            if self.preset != "default":
                raise ValueError(f"preset must be default with algo {self.algo}, got {self.preset}")
            for each in fields(Config):
                if (value := getattr(self.config, each.name)) != each.default:
                    raise ValueError(not_of_replay(self.algo, each.name, value))
        check_choice("preset", self.preset, PresetName.__args__)  # type: ignore[attr-defined]
        check_choice("policy", self.policy, PolicyName.__args__)  # type: ignore[attr-defined]

    @property
    def of_replay(self) -> bool:
        """Whether there are settings that replay learners alone have."""
        return bool(self.replay) or self.device != "cpu"

    @property
    def of_advantage(self) -> bool:
        """Whether there are settings that the step-by-step learner alone has."""
        return self.config != Config() or self.preset != "default" or self.policy not in REPLAY_POLICIES

    def resolved(self) -> "Settings":
        """The same settings with a learner in place of ``algo="auto"``, and its settings of replay.

        The number of steps and of environments stay as they are.

        Raises:
            ValueError: The environment cannot be made, or settings of both kinds of learners are given.
        """
        if self.algo != "auto":
            return self
        from lstm_rl.make import make_env

        env = make_env(self.env, self.env_kwargs)
        algo = choose_algo(env, self.of_advantage, self.of_replay)
        env.close()
        if algo == "advantage":
            return replace(self, algo=algo)
        settings = add_replay(replay_preset(algo, self.n_envs, step_bytes(env)).replay, self.replay)
        return replace(self, algo=algo, replay=settings)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.group if self.run_name else self.group.with_name(f"{self.group.name}_seed={self.seed}")

    @property
    def group(self) -> Path:
        """The folder around the run folders of many seeds, see `of_seed`."""
        if self.run_name:
            return self.log_dir / self.run_name
        names = self.algo, self.preset, self.policy
        parts = [self.env.split(":")[-1].split("/")[-1], *format_kwargs(self.env_kwargs)]
        parts += [name for name in names if name not in ("auto", "advantage", "default", "LstmPolicy")]
        text = "_".join(parts)
        return self.log_dir / "".join(letter if letter.isalnum() or letter in "=.-_" else "-" for letter in text)

    def of_seed(self, seed: int) -> "Settings":
        """The same run with another seed, in a folder of its own in `group`.

        Raises:
            ValueError: ``seed`` is out of its range.
        """
        return replace(self, seed=seed, log_dir=self.group, run_name=f"seed={seed}")

    def recorded(self) -> dict[str, Any]:
        """What config.json holds: all fields but those of `NOT_RECORDED`, and of learners the one that is used."""
        values = {name: value for name, value in asdict(self).items() if name not in NOT_RECORDED}
        return values | {"config": {}} if self.algo in REPLAY_ALGOS else values


def not_of_replay(algo: AlgoName, name: str, value: Any = None) -> str:
    """That a setting of the step-by-step learner was given to a learner that replays."""
    got = "" if value is None else f", got {value!r}"
    return f"{name} must be left alone with algo {algo}{got}: it is of algo advantage; see replay for those of {algo}"


def from_preset(
    env: str,
    preset_name: PresetName = "default",
    policy: PolicyName = "LstmPolicy",
    env_kwargs: dict[str, Any] | None = None,
    rule: Rule | None = None,
    algo: AlgoName = "advantage",
    n_envs: int | None = None,
) -> Settings:
    """A preset's settings for an environment, which may need arguments to be made, a policy and a learning rule.

    Of a learner that replays, ``algo``, they depend on the number of environments instead; ``None``: its default.

    Raises:
        ValueError: There is no such preset for this environment.
    """
    if algo in REPLAY_ALGOS:
        from lstm_rl.make import make_env

        made = make_env(env, env_kwargs or {})
        made.close()
        chosen = replay_preset(algo, n_envs, step_bytes(made))
    else:
        chosen = preset(preset_name, env, policy, env_kwargs, rule)
    values = {each.name: getattr(chosen, each.name) for each in fields(chosen)}
    return Settings(env, preset=preset_name, policy=policy, algo=algo, **values)

"""A sequence task as an environment: each input is an observation, each answer an action.

Description:
    At step t of a sequence the agent sees the task's input x_t and answers. Where the task has a target at t, the
    answer is right or wrong; elsewhere it does not matter. Answers do not change what is seen next: all that is asked
    for is memory.

Action Space:

    | task                                              | space            | an action is                   |
    |---------------------------------------------------|------------------|--------------------------------|
    | hs1997-reber, hs1997-lag-a, -b                    | Discrete(I)      | the number of the next symbol  |
    | gers2000-cerg, gers2001-anbn, -anbncn, -anbmbmam  | Discrete(I)      | the number of a legal symbol   |
    | hs1997-lag-c, hs1997-temporal-order-3, -4         | Discrete(K)      | the number of a class          |
    | gers2000-nto, gers2000-cnto                       | Discrete(K)      | the number of a class          |
    | hs1997-two-sequence-a, -b, -c; parity             | Discrete(2)      | 1 for a target above .5        |
    | gers2002-gts                                      | Discrete(2)      | 1 for a spike                  |
    | gers2002-msd, gers2002-nmsd                       | Discrete(n)      | I(n), 0 .. its largest value   |
    | hs1997-adding, hs1997-multiplication, gers2002-pfg | Box(-1, 1, (1,)) | the number (1 + action) / 2    |

Observation Space: ``Box(low, high, (I,), float32)``: one-hot symbols in [0, 1], those of gers2001 in
    [-1, 1], pairs (value, marker) in [-1, 1], spikes and intervals of gers2002 in [0, 10], or one number in [-5, 5]
    (else), which is more than the noise of `lstm_rl.rng` can reach. After a sequence's last answer zeros are seen.

Rewards: 1 for a right answer, 0 for any other and at steps without a target. Right is the target's symbol, the class,
    or a number less than .04 from the target, `tolerance` in gers2002-pfg. Where several next symbols are legal (Reber
    strings) or all are (the middle of hs1997-lag-b), the one that was drawn is the target, so that even the best agent
    misses some; in gers2000-cerg and gers2001 all legal ones are right, and ``target`` is the first of them. In
    hs1997-two-sequence-c the noise on the target turns one class in six into the other, unless ``exact_targets``.

Starting State: a new sequence.

Episode End: terminated by the sequence's last answer; never truncated.

Info: at steps with a target, ``target``, the action that was right, and ``correct``; with the last one also
    ``is_success``, whether all answers of the episode were right (hs1997-lag-b: the last one, as in the paper).

Arguments: ``task``, a name of `lstm_rl.tasks.names.TASKS`, and the fields of its class, e.g. ``T=100``.

Source: Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9 (1997), experiments 1 to 6; questions to
    an agent instead of a supervised network, and rewards, are ours.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_options
from lstm_rl.tasks.languages import FormalLanguage
from lstm_rl.tasks.names import TASKS, make_task
from lstm_rl.tasks.parity import Parity
from lstm_rl.tasks.signals import TwoSequenceProblem
from lstm_rl.tasks.task import Task
from lstm_rl.tasks.timing import LARGEST, Timing


def _classes(task: Task) -> int:
    """How many answers there are to a task of one output; 0: they are numbers."""
    if isinstance(task, Timing):
        return task.classes
    return 2 if isinstance(task, TwoSequenceProblem | Parity) else 0


class SequenceEnv(gym.Env[NDArray[np.float32], Any]):
    """A task's sequences, one per episode; the module describes spaces and rewards.

    Args:
        task: A name of `lstm_rl.tasks.names.TASKS`.
        render_mode: None or "ansi", a line of input>action for each step, with + or - where it was right or wrong.
        settings: Fields of the task's class which its name leaves open.

    Raises:
        ValueError: There is no such task, setting or mode, or a setting is out of its range.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(self, task: str = "hs1997-temporal-order-3", render_mode: str | None = None, **settings: Any) -> None:
        if render_mode is not None:
            check_choice("render_mode", render_mode, ("ansi",))
        self.render_mode = render_mode
        self.task = make_task(check_choice("task", task, tuple(TASKS)), **settings)
        symbols, classes = self.task.outputs > 1, _classes(self.task)
        symbol = -1.0 if isinstance(self.task, FormalLanguage) else 0.0  # where a symbol is not
        low, high = (symbol, 1.0) if symbols else (-5.0, 5.0) if classes else (-1.0, 1.0)
        if isinstance(self.task, Timing):
            low, high = 0.0, float(LARGEST)
        self.observation_space = Box(low, high, (self.task.inputs,), np.float32)
        self.action_space = (
            Discrete(self.task.outputs)
            if symbols
            else Discrete(classes)
            if classes
            else Box(-1.0, 1.0, (1,), np.float32)
        )
        self._t = self._length = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw a sequence; see `gymnasium.Env.reset`. There are no ``options``."""
        check_options(options)
        super().reset(seed=seed)
        x, targets, self._has_target = self.task.batch(1, self.np_random)  # (T, 1, I), (T, 1, K), (T, 1)
        self._x, self._targets = x[:, 0].astype(np.float32), targets[:, 0]
        self._t, self._length, self._success, self._line = 0, len(x), True, ""
        return self._x[0].copy(), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Answer; see `gymnasium.Env.step`.

        Raises:
            ValueError: The action is not in the action space.
            ResetNeeded: The sequence is over.
        """
        if not self.action_space.contains(action):
            raise ValueError(f"action must be in {self.action_space}, got {action!r}")
        if self._t == self._length:
            raise ResetNeeded("reset must be called before the first step and after the last one of a sequence")
        t, protocol, mark = self._t, self.task.protocol, ""
        info: dict[str, Any] = {}
        self._t += 1
        terminated = self._t == self._length
        if self._has_target[t]:
            target = self._right_action(t)
            if self.task.outputs > 1:
                correct = bool(self._targets[t, action] == 1.0)
            elif isinstance(self.action_space, Discrete):
                correct = int(action) == target
            else:
                correct = bool(abs(float(action[0]) - target) < 2.0 * protocol.tolerance)
            info, mark = {"target": target, "correct": correct}, "+" if correct else "-"
            self._success &= correct or (protocol.at_end and not terminated)
        if terminated:
            info["is_success"] = self._success
        if self.render_mode == "ansi":
            self._line += f"{self._shown(t)}>{action}{mark} "
        observation = np.zeros_like(self._x[t]) if terminated else self._x[self._t].copy()
        return observation, float(info.get("correct", False)), terminated, False, info

    def _right_action(self, t: int) -> int | float:
        """What step t asks for."""
        if self.task.outputs > 1:
            return int(self._targets[t].argmax())
        target = float(self._targets[t, 0])
        if isinstance(self.action_space, Discrete):
            return int(target > 0.5) if self.action_space.n == 2 else round(target)
        return 2.0 * target - 1.0

    def _shown(self, t: int) -> str:
        """Step t's input for people: a symbol's number, or the numbers."""
        return str(self._x[t].argmax()) if self.task.outputs > 1 else ",".join(f"{value:.2g}" for value in self._x[t])

    def render(self) -> Any:
        """Return inputs, actions and marks so far, and the input to be answered."""
        if self.render_mode is None:
            raise ValueError("render_mode must be given to gym.make: ansi")
        return self._line + (self._shown(self._t) if self._t < self._length else "")

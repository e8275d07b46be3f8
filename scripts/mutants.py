"""Mistakes put into the code one at a time, to see whether the tests notice: `python scripts/mutants.py`.

Each edit is one that a person could make: a sign, a missing factor, an index, a state that is not reset. It is put into
a copy of the tree, and the tests that should notice run there until the first failure. The result is one line per edit,
written as it comes: killed, survived, or hung. An edit whose text is not found exactly once is an error: the code has
moved on, and the list has to follow.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PATIENCE = 1800  # seconds of one run of tests


class Edit(NamedTuple):
    """A mistake."""

    file: str
    old: str
    new: str
    tests: str  # names of test files without "test_" and ".py", the likeliest first; or file::test


KERNELS, AGENTS, ENVS = "lstm_rl/kernels/", "agents/", "envs/"
MODEL, FORWARD = "gradients kernels reference", "kernels gradients reference"  # the likeliest first
EDITS = [
    # one step forward
    Edit(KERNELS + "forward.py", "z3 * w[m + 3, i])", "z3 * w[m + 2, i])", FORWARD),
    Edit(KERNELS + "forward.py", "or z2 != 0.0 or z3 != 0.0:", "or z2 != 0.0:", FORWARD + " sequence_learning"),
    Edit(KERNELS + "forward.py", "min(block + BLOCK, stop)", "min(block + BLOCK - 1, stop)", FORWARD + " cells"),
    Edit(
        KERNELS + "forward.py",
        "s_tm1[v] = s[v]\n        s[v] = y_f * s[v] + y_in * y[net.cells + v]",
        "s[v] = y_f * s[v] + y_in * y[net.cells + v]\n        s_tm1[v] = s[v]",
        FORWARD,
    ),
    Edit(KERNELS + "forward.py", "s[v] * w[net.row_state_t + v", "s_tm1[v] * w[net.row_state_t + v", FORWARD),
    Edit(KERNELS + "squashing.py", "80.0 if v > 80.0", "8.0 if v > 8.0", FORWARD),
    Edit(KERNELS + "squashing.py", "f.rate * d * (f.scale - d)", "d * (f.scale - d)", FORWARD),
    Edit(KERNELS + "squashing.py", "Squashing(2.0, 2.0, -1.0, 1.0)", "Squashing(2.0, 2.0, -1.0, 0.5)", FORWARD),
    # steps of weights
    Edit(KERNELS + "updates.py", "rising if g * g > square[j] else falling", "rising", "kernels"),
    Edit("lstm_rl/nn/streams.py", "max(rising, update.optimizer.falling)", "rising", "network_policies kernels"),
    # records
    Edit(KERNELS + "layout.py", "streams.h, streams.y_cells):", "streams.h):", MODEL),
    Edit(KERNELS + "layout.py", "    streams.output_traces[i] = 0.0\n", "", MODEL),
    Edit(KERNELS + "layout.py", "[not row.all() for row in t.mask]", "[False for row in t.mask]", MODEL),
    Edit(KERNELS + "layout.py", "rate=rate,", "rate=scale,", MODEL),
    # errors back through a step
    Edit(KERNELS + "backward.py", "traces[m, k] += rate * u[m]", "traces[m, k] += u[m]", MODEL),
    Edit(KERNELS + "backward.py", "w.output[net.out_inputs :]  #", "w.output[net.out_hiddens :]  #", MODEL),
    Edit(KERNELS + "backward.py", "q[net.out_inputs + net.out_hiddens + v]", "q[net.out_hiddens + v]", MODEL),
    Edit(KERNELS + "backward.py", "delta[gate] += d_v * h[v]", "delta[gate] = d_v * h[v]", MODEL),
    Edit(KERNELS + "backward.py", "states[v] * s_tm1[v]", "states[v] * h[v]", MODEL),
    Edit(KERNELS + "backward.py", "states[v] *= y[net.forget_gate", "states[v] *= y[net.input_gate", MODEL),
    Edit(KERNELS + "backward.py", "sources[net.row_gate - net.row_hidden + m]", "sources[m]", MODEL),
    # the truncated gradient
    Edit(KERNELS + "truncated.py", "b[slot, net.forget_gate + block]", "b[0, net.forget_gate + block]", MODEL),
    Edit(KERNELS + "truncated.py", "c[0, net.output_gate + block] +=", "c[0, net.output_gate + block] =", MODEL),
    Edit(
        KERNELS + "truncated.py",
        "a[slot, net.input_gate + block] = y_f",
        "a[slot, net.input_gate + block] = 1.0",
        MODEL,
    ),
    Edit(
        KERNELS + "truncated.py", "if idle_rows or z.shape[0]", "if z.shape[0]", MODEL + " cells sequence_learning dekf"
    ),
    Edit(KERNELS + "truncated.py", "q[net.out_inputs + j] * slope", "q[j] * slope", MODEL),
    Edit(
        KERNELS + "truncated.py",
        "decay * e[j] + gradient[j]\n        mask_row(net, traces, m)",
        "decay * e[j] + gradient[j]",
        MODEL + " learner",
    ),
    Edit(
        KERNELS + "truncated.py",
        "    for m in range(traces.shape[0]):\n        mask_row(net, traces, m)\n",
        "",
        MODEL + " learner",
    ),
    Edit(
        KERNELS + "truncated.py",
        "    step_weights(weights.output, weights.output_square, streams.output_traces[i], update, decay)\n"
        "    output_gradient(net, weights, streams, i, k, approximator.q)\n",
        "    output_gradient(net, weights, streams, i, k, approximator.q)\n"
        "    step_weights(weights.output, weights.output_square, streams.output_traces[i], update, decay)\n",
        MODEL,
    ),
    # the complete gradient
    Edit(KERNELS + "bptt.py", "min(history.age[i], length), (", "min(history.age[i], length - 1), (", MODEL),
    Edit(KERNELS + "bptt.py", "    approximator.history.age[i] = 0\n", "", MODEL),
    Edit(KERNELS + "bptt.py", "z[(newest - 3) % length]", "z[(newest - 2) % length]", MODEL),
    Edit(KERNELS + "bptt.py", "    errors.states[:] = 0.0\n", "", MODEL),
    Edit(KERNELS + "bptt.py", "(newest - b) % length", "(newest - b - 1) % length", MODEL),
    Edit(KERNELS + "bptt.py", "np.finfo(deltas.dtype).eps", "1e-3", MODEL),
    Edit(KERNELS + "rtrl.py", "    sensitivities.states[i] = 0.0\n", "", MODEL),
    Edit(KERNELS + "rtrl.py", "_add(states[v], s_tm1[v], units[gate])", "_add(states[v], h[v], units[gate])", MODEL),
    Edit(
        KERNELS + "rtrl.py",
        "    advance(approximator, i)  # by the weights that made the step\n"
        "    update_weights(approximator, i, update, decay)\n",
        "    update_weights(approximator, i, update, decay)\n    advance(approximator, i)\n",
        MODEL,
    ),
    Edit(KERNELS + "rtrl.py", "units[net.input_gate + m])", "units[m])", MODEL),
    # batches, other approximators
    Edit(KERNELS + "batch.py", "newest - bptt_depth + 1)", "newest - bptt_depth)", "lstm_network kernels"),
    Edit(KERNELS + "batch.py", "        states[:] = 0.0\n    else", "    else", "lstm_network kernels"),
    Edit(KERNELS + "batch.py", "                y_cells[:] = 0.0\n", "", "lstm_network kernels"),
    Edit(KERNELS + "callback.py", "    approximator.errors[:] = 0.0\n", "", "network_policies learner"),
    Edit(KERNELS + "exact.py", "    approximator.streams.x[i] = 0.0\n", "", "cells"),
    Edit(KERNELS + "exact.py", "        x[first:] = 0.0\n", "", "cells"),
    Edit(KERNELS + "min_gru.py", "(c[j] - state[j]) * z[j] * a", "c[j] * z[j] * a", "cells"),
    Edit(KERNELS + "self_lstm.py", "through_gates * (one - h[j] * h[j])", "through_gates", "cells"),
    Edit(KERNELS + "rtu.py", "s_1[j] - d[j] * s_2[j]) + dn * net[j]", "s_1[j] - d[j] * s_2[j])", "cells"),
    Edit(KERNELS + "table.py", "table.regions - 1)", "table.regions)", "table"),
    Edit(KERNELS + "table.py", "    approximator.traces[i] = 0.0\n", "", "table"),
    Edit(KERNELS + "kalman.py", "for n in range(m + 1):", "for n in range(m):", "dekf"),
    Edit(KERNELS + "kalman.py", "product[j, other])", "product[j, k])", "dekf"),
    Edit(KERNELS + "supervised.py", "if not error <= largest:", "if error > largest:", "sequence_learning"),
    Edit(KERNELS + "supervised.py", "0.0 and not each_step:", "0.0:", "sequence_learning recurrent_networks"),
    # optimizers
    Edit(
        KERNELS + "updates.py",
        "    square[j] = v\n    w[j] += learning_rate * g / (np.sqrt(v) + epsilon)",
        "    w[j] += learning_rate * g / (np.sqrt(square[j]) + epsilon)\n    square[j] = v",
        MODEL,
    ),
    Edit(
        KERNELS + "updates.py",
        "w.hidden_square, streams.traces[i], update, decay)",
        "w.hidden_square, streams.traces[i], update, 0.0)",
        MODEL,
    ),
    # the learning rule
    Edit(AGENTS + "advantage_lambda.py", "/ kappa - chosen_tm1", "/ kappa - v_tm1", "reference"),
    Edit(
        AGENTS + "advantage_lambda.py",
        "new_episode == 1 or not terminated:",
        "new_episode == 1 or not begins:",
        "reference",
    ),
    Edit(AGENTS + "exploration.py", "repeated[i] = 0\n    if", "repeated[i, 0] = 0\n    if", "reference exploration"),
    Edit(AGENTS + "advantage_lambda.py", "exploratory = chosen < value", "exploratory = chosen <= value", "reference"),
    Edit(AGENTS + "advantage_lambda.py", "if exploratory and rule.cut_traces", "if exploratory", "reference"),
    Edit(AGENTS + "advantage_lambda.py", "learner.x, error, terminated)", "learner.x, error, begins)", "reference"),
    Edit(
        AGENTS + "advantage_lambda.py",
        "            if not starting:\n"
        "                update_weights(approximator, i, Update(rule.optimizer, learning_rate, error), 0.0)\n"
        "            reset(approximator, i)\n",
        "            reset(approximator, i)\n"
        "            if not starting:\n"
        "                update_weights(approximator, i, Update(rule.optimizer, learning_rate, error), 0.0)\n",
        "reference",
    ),
    Edit(AGENTS + "actor_critic.py", " - rule.entropy_weight * rule.log_pi[i]", "", "actor_critic"),
    Edit(
        AGENTS + "actor_critic.py", "0.0 if terminated else rule.gamma", "0.0 if begins else rule.gamma", "actor_critic"
    ),
    Edit(
        AGENTS + "actor_critic.py", "rule.errors[last] = rule.value_weight", "rule.errors[last] = 1.0", "actor_critic"
    ),
    Edit(AGENTS + "actor_critic.py", "error), rule.gamma * rule.lambda_)", "error), rule.lambda_)", "actor_critic"),
    Edit(AGENTS + "distributions.py", "(z * z - 1.0)", "z * z", "actor_critic"),
    Edit(AGENTS + "distributions.py", " + log_slope(vector[j])", "", "actor_critic"),
    Edit(AGENTS + "distributions.py", "uniform(explorer.generator, i) * _total", "0.5 * _total", "actor_critic"),
    Edit(AGENTS + "spaces.py", "(1.0 - share) * low", "share * low", "spaces"),
    Edit(
        AGENTS + "learner.py", "deviation * (observation[m] - statistics.mean[m])", "deviation * deviation", "reference"
    ),
    Edit(AGENTS + "learner.py", "max(normaliser.seen[0], 1.0)", "max(normaliser.seen[0] - 1.0, 1.0)", "reference"),
    Edit(
        AGENTS + "learner.py",
        "min(max((observation[m] - normaliser.mean[m]) / np.sqrt(variance + 1e-8), -clip), clip)",
        "min((observation[m] - normaliser.mean[m]) / np.sqrt(variance + 1e-8), clip)",
        "reference",
    ),
    # exploration
    Edit(
        AGENTS + "exploration.py", "exploration.max_repeat)) - 1", "exploration.max_repeat))", "exploration reference"
    ),
    Edit(
        AGENTS + "exploration.py",
        "if uniform(explorer.generator, i) >= ",
        "if uniform(explorer.generator, 0) >= ",
        "exploration reference",
    ),
    Edit(
        AGENTS + "exploration.py",
        "values[k] > values[best]",
        "values[k] >= values[best]",
        "exploration reference learner",
    ),
    Edit(
        AGENTS + "exploration.py",
        "draw -= math.exp((advantages[k] - highest) / t)",
        "draw -= math.exp((advantages[k] - highest) / exploration.temperature)",
        "exploration reference",
    ),
    Edit(
        AGENTS + "exploration.py",
        "        delta = step * explorer.output[g] * y_hidden[g] * (1.0 - y_hidden[g])\n"
        "        explorer.output[g] += step * y_hidden[g]\n",
        "        explorer.output[g] += step * y_hidden[g]\n"
        "        delta = step * explorer.output[g] * y_hidden[g] * (1.0 - y_hidden[g])\n",
        "exploration reference",
    ),
    Edit(
        AGENTS + "exploration.py",
        "repeat_horizons * horizon, 1.0)",
        "repeat_horizons * horizon, 2.0)",
        "exploration reference",
    ),
    # the loop around environments
    Edit(AGENTS + "loop.py", "worlds.position[i] + 2 >", "worlds.position[i] + 1 >", "paths"),
    Edit(
        AGENTS + "loop.py",
        "terminated[i] or transition.truncated[i]:\n            episode",
        "terminated[i]:\n            episode",
        "paths",
    ),
    Edit(AGENTS + "loop.py", "(truncated and worlds.survival_is_success)", "worlds.survival_is_success", "paths sb3"),
    Edit(AGENTS + "loop.py", "np.isfinite(transition.first[i, m]) and ", "", "learner sb3"),
    Edit(
        AGENTS + "loop.py",
        "        worlds.position[i] += 1\n        reset_row",
        "        reset_row",
        "paths",
    ),
    # spaces and schedules
    Edit(AGENTS + "spaces.py", "index >= self.counts", "index > self.counts", "spaces"),
    Edit(AGENTS + "spaces.py", "axis=-1) + self.start", "axis=-1)", "spaces"),
    Edit(AGENTS + "spaces.py", "shape[1:] != one or shape[0] == 0", "shape[1:] != one", "spaces learner"),
    Edit(AGENTS + "schedule.py", "self.end + (1.0 - self.end) * progress", "self.end + progress", "learner sb3"),
    Edit(AGENTS + "schedule.py", "(rates >= 0.0)", "(rates > 0.0)", "learner sb3"),
    # worlds
    Edit(ENVS + "dynamics.py", "elapsed[i] >= max_steps", "elapsed[i] > max_steps", "envs vector"),
    Edit(ENVS + "dynamics.py", "outcome == CONTINUES and max_steps > 0", "max_steps > 0", "envs vector"),
    Edit(
        ENVS + "dynamics.py",
        'before[name] for name in ("has_uint32", "uinteger")',
        "0 for name in ()",
        "vector paths envs",
    ),
    Edit(ENVS + "dynamics.py", "self.max_steps <= steps else", "self.max_steps >= steps else", "envs vector"),
    Edit(ENVS + "dynamics.py", "int(self.position.max())", "int(self.position.min())", "vector paths rollouts"),
    Edit(ENVS + "tmaze.py", "state[MOVED] == 0.0 or params", "state[MOVED] == 0.0 and params", "envs"),
    Edit(ENVS + "tmaze.py", "(action == WEST and position == 0)", "(action == WEST and position == 1)", "envs"),
    Edit(ENVS + "tmaze.py", "observation[2] = noise[1]", "observation[2] = noise[0]", "envs"),
    Edit(ENVS + "tmaze.py", "50 * (length + 1)", "50 * length", "envs"),
    Edit(
        "lstm_rl/experiments/protocols/maze_run.py",
        "np.mean(last) > settings.share",
        "np.mean(last) >= settings.share",
        "experiments::test_a_maze_run_needs_more_than_its_share",
    ),
]


def copy_tree(to: Path) -> None:
    """Copy all files that git knows or would, links as links."""
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name, follow_symlinks=False)


def run_tests(tree: Path, names: str, cache: Path) -> str:
    """Run test files until the first failure: the failing test, "" if there is none, or "hung"."""
    parts = [name.partition("::") for name in names.split()]
    files = [f"tests/test_{file}.py{mark}{test}" for file, mark, test in parts]
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",  # an edit of the same size within a second would be taken for none
        "NUMBA_CACHE_DIR": str(cache),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *files]
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "hung"
    if done.returncode == 0:
        return ""
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0] if failed else f"exit code {done.returncode}"


def main() -> int:
    """Run the edits; return 1 if one survived."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="text that file, old or new must contain")
    parser.add_argument("--numbers", type=int, nargs="*", default=[], help="of edits, as an earlier run printed them")
    parser.add_argument("--out", type=Path, default=Path("mutants.txt"), help="file that gets a line per edit")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without an edit first")
    options = parser.parse_args()
    edits = {i: edit for i, edit in enumerate(EDITS, 1) if any(options.only in text for text in edit[:3])}
    if options.numbers:
        edits = {i: edit for i, edit in edits.items() if i in options.numbers}
    wrong = [edit for edit in edits.values() if (ROOT / edit.file).read_text().count(edit.old) != 1]
    for edit in wrong:
        print(f"{edit.file} must hold once: {edit.old}", file=sys.stderr)
    if wrong:
        return 2
    survived = 0
    with tempfile.TemporaryDirectory() as folder, options.out.open("w") as out:
        tree, cache = Path(folder) / "tree", Path(folder) / "cache"
        copy_tree(tree)
        every = " ".join(sorted({name for edit in edits.values() for name in edit.tests.split()}))
        failed = "" if options.trust else run_tests(tree, every, cache)
        if failed:
            print(f"the tests must pass without an edit, but {failed}", file=sys.stderr)
            return 2
        for i, (file, old, new, tests) in edits.items():
            path = tree / file
            text = path.read_text()
            path.write_text(text.replace(old, new))
            by = run_tests(tree, tests, cache)
            path.write_text(text)
            survived += not by
            line = f"{i:3} {'killed' if by else 'SURVIVED':9}{file}: {old!r} -> {new!r} {by}"
            print(line, flush=True)
            out.write(line + "\n")
            out.flush()
    print(f"{len(edits) - survived} of {len(edits)} killed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())

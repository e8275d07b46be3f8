"""A page for each registered environment, from its docstring, with a picture: written when the site is built."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import gymnasium as gym
from docstring_parser import parse
from PIL import Image

from lstm_rl.envs import SEQUENCES, WORLDS

STEPS = 6  # before the picture
SECTION = re.compile(r"^([A-Z][A-Za-z ]+):(?:\s+|$)(.*)", re.MULTILINE | re.DOTALL)
INDEX = """# Environments

Each has a page: what is seen and done, what is rewarded, the best return with memory and without. `lstm-rl envs` lists
them, and [the worlds side by side](../worlds.md) compares them.

| | id | |
|---|---|---|
{rows}

:::{{toctree}}
:hidden:

{names}
:::
"""
PAGE = """# {name}

{summary}

{picture}

| | |
|---|---|
| make | `{make}` |
| actions | `{env.action_space}` |
| observations | `{env.observation_space}` |
| best return | {best} |
| without memory | {memoryless} |

{sections}

## Train on it

```
lstm-rl train {env_id} --seed 0 --log-dir runs
```
"""


def sections(doc: str) -> Iterator[tuple[str, str]]:
    """The parts of a docstring by their titles, as Markdown; the text before the first title has none."""
    paragraphs = re.split(r"\n\n(?=[A-Z])|(?<=\.) (?=Best Return Without Memory:)", doc)
    for paragraph in paragraphs:
        title = SECTION.match(paragraph)
        first, _, rest = (title[2] if title else paragraph).partition("\n")
        begun = re.sub(r"^(a|[a-z]{2,})\b", lambda word: word[0].capitalize(), first)  # a word, not a symbol
        text = f"{begun}\n{dedent(rest)}".strip()
        yield (title[1] if title else ""), re.sub(r"(?<!`)`(?!`)", "``", text)


def arguments(maker: Any) -> str:
    """A function's arguments as a table; where they are another one's, the sentence that says so."""
    doc, known = parse(inspect.getdoc(maker) or ""), inspect.signature(maker).parameters
    if not doc.params:
        return doc.short_description or ""
    lines = ["| argument | default | |", "|---|---|---|"]
    for each in doc.params:
        default = known[each.arg_name].default if each.arg_name in known else inspect.Parameter.empty
        shown = "" if default is inspect.Parameter.empty else f"`{default!r}`"
        lines.append(f"| `{each.arg_name}` | {shown} | {' '.join((each.description or '').split())} |")
    return "\n".join(lines)


def picture(env_id: str, path: Path) -> bool:
    """Write what the environment looks like after some steps; return whether it can be seen."""
    env = gym.make(env_id)
    mode = next((mode for mode in ("rgb_array", "ansi") if mode in env.metadata["render_modes"]), None)
    env = gym.make(env_id, render_mode=mode)
    env.action_space.seed(1)
    env.reset(seed=1)
    for _ in range(STEPS):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
    if mode == "rgb_array":
        image = Image.fromarray(env.render())  # type: ignore[arg-type]
        image.thumbnail((600, 400))
        image.save(path)
    env.close()
    return mode == "rgb_array"


def _number(value: Any) -> str:
    return "not known" if value is None else f"{value:.4g}" if isinstance(value, int | float) else str(value)


def write_pages(folder: Path) -> None:
    """Write a page and a picture per environment, and their index."""
    folder.mkdir(exist_ok=True)
    rows, names = [], []
    lines = {env_id: (home, line) for env_id, (home, line) in WORLDS.items()}
    lines[SEQUENCES] = ("lstm_rl.tasks.env:SequenceEnv", "a classical sequence task, a question at a time")
    for env_id, (home, line) in lines.items():
        module, _, maker = home.partition(":")
        name = env_id.removeprefix("lstm_rl/").rpartition("-")[0]
        env = gym.make(env_id).unwrapped
        (_, summary), *parts = sections(inspect.getdoc(import_module(module)) or "")
        said = [body for title, body in parts if title == "Arguments"]
        parts = [part for part in parts if part[0] != "Arguments"]
        parts.append(("Arguments", "\n\n".join([*said, arguments(getattr(import_module(module), maker))])))
        seen = picture(env_id, folder / f"{name}.png")
        image = f"![{name} after some steps]({name}.png)"
        text = PAGE.format(
            name=name,
            env_id=env_id,
            env=env,
            summary=summary,
            picture=image if seen else "",
            make=f'gymnasium.make("lstm_rl:{env_id}")',
            best=_number(env.metadata.get("optimal_return")),
            memoryless=_number(env.metadata.get("memoryless_return")),
            sections="\n\n".join(f"## {title}\n\n{body}" if title else body for title, body in parts),
        )
        _update(folder / f"{name}.md", text)
        small = f'<a href="{name}.html"><img src="../_images/{name}.png" width="140" alt="{name}"></a>' if seen else ""
        rows.append(f"| {small} | [{env_id}]({name}.md) | {line} |")
        names.append(name)
    _update(folder / "index.md", INDEX.format(rows="\n".join(rows), names="\n".join(names)))


def _update(path: Path, text: str) -> None:
    """Write what is new; Sphinx reads again what was written."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "environments"))
    return {"parallel_read_safe": True}

"""README and documentation are executed: Python blocks run, commands of ours parse, and short ones run."""

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest

from lstm_rl.cli import _parse, main
from lstm_rl.runs import write_config
from lstm_rl.settings import from_preset

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
BLOCKS = [
    (f"{page.name}-{i}", kind, text)
    for page in PAGES
    for i, (kind, text) in enumerate(re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
]
FEWER = {"learn": 2_000}
"""Numbers of steps that readers want and a test does not."""


class _Shorter(ast.NodeTransformer):
    """Cap the steps of ``learn`` and leave out the progress bar; nothing else changes."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in FEWER:
            node.args = [ast.Constant(FEWER[node.func.attr]), *node.args[1:]]
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "progress_bar"]
        return node


@pytest.mark.filterwarnings("default")  # an example may meet a warning of a library, as its reader would
@pytest.mark.parametrize("source", [pytest.param(text, id=name) for name, kind, text in BLOCKS if kind == "python"])
def test_python_examples_run(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "example.py"  # rules of a world are compiled from a file
    module.write_text(ast.unparse(ast.fix_missing_locations(_Shorter().visit(ast.parse(source)))))
    exec(compile(module.read_text(), str(module), "exec"), {"__name__": "example"})


COMMANDS = sorted(
    {
        command.partition("  #")[0].strip()
        for _, kind, text in BLOCKS
        if kind in ("", "sh", "bash")
        for command in text.splitlines()
        if command.startswith("lstm-rl ")
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text(next(text for _, kind, text in BLOCKS if kind == "toml"))
    write_config(tmp_path / "runs" / "run", from_preset("lstm_rl/NoisyTMaze-v0"))
    words = [word for word in shlex.split(re.sub(r"\[(.*?)\]", r"\1", command))[1:]]
    for word in words:
        if word.endswith("/my.toml"):  # that of a study
            (tmp_path / word).parent.mkdir(parents=True)
            shutil.copy(tmp_path / "my.toml", tmp_path / word)
    assert _parse([word.replace("<run>", "run") for word in words]) is not None


def test_there_are_examples() -> None:
    assert len(COMMANDS) > 5 and sum(kind == "python" for _, kind, _ in BLOCKS) >= 3


@pytest.mark.parametrize("command", [words for words in ("envs", "experiments") if f"lstm-rl {words}" in COMMANDS])
def test_lists_are_printed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 3

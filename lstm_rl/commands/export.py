"""`lstm-rl export`: a trained model as a file for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class Export:
    """Write a trained model as a file for other programs; loading .onnx and .safetensors runs no code."""

    run: tyro.conf.Positional[Path]
    """Run folder, or model:NAME as in `lstm-rl models`."""
    onnx: Path | None = None
    """Write an .onnx file: greedy actions with their state, for onnxruntime; needs the extra "export"."""
    safetensors: Path | None = None
    """Write a .safetensors file: the whole model, to act and to train on, for `AdvantageLearning.load`."""
    torch: Path | None = None
    """Write a .pt2 file: as onnx, for `torch.export.load`."""
    which: Literal["best", "last"] = "best"
    """The best checkpoint or the last."""


def export(command: Export) -> int:
    """`lstm-rl export`."""
    wanted = {
        suffix: path
        for suffix, path in ((".onnx", command.onnx), (".safetensors", command.safetensors), (".pt2", command.torch))
        if path is not None
    }
    if not wanted:
        raise ValueError(
            "export needs a file to write: --onnx FILE.onnx, --safetensors FILE.safetensors, --torch FILE.pt2"
        )
    for suffix, path in wanted.items():
        if path.suffix != suffix:
            name = {".pt2": "torch"}.get(suffix, suffix[1:])
            raise ValueError(f"{name} must be a {suffix} file, got {path}")
        if path.is_dir():
            raise ValueError(f"{path} must be a file to write, but is a folder")

    from lstm_rl.evaluation import load
    from lstm_rl.export import write_onnx, write_torch

    model, _, _ = load(command.run, command.which, "export")
    for suffix, path in wanted.items():
        if suffix == ".safetensors":
            model.save(path)
            use = f'AdvantageLearning.load("{path}")'
        elif suffix == ".onnx":
            write_onnx(model.policy, path)
            use = f'onnxruntime.InferenceSession("{path}")'
        else:
            write_torch(model.policy, path)
            use = f'torch.export.load("{path}")'
        print(f"{path}: {path.stat().st_size:,} bytes, of {command.run} after {model.num_timesteps:,} steps; {use}")
    return 0

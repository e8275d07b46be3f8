"""What people are told when something goes wrong: one sentence, without a place in the code."""

import re
import sys

from lstm_rl.checks import one_line


def sentence_of(error: Exception) -> tuple[str, int] | None:
    """An error in one sentence and its exit code: 2 for bad input, 1 for a failed run; None: a mistake of ours."""
    from lstm_rl.envs.checked import place_of  # which makes use of this module

    place = place_of(error)
    if place is not None:  # an environment's own mistake, whatever it is
        said = one_line(error)
        return f"{place}: {type(error).__name__}{': ' if said else ''}{said}", 1
    if isinstance(error, (ValueError, TypeError, OverflowError)):
        return str(error), 2
    if isinstance(error, OSError) and error.strerror and error.filename:  # a full disk, a folder that cannot be made
        return f"{error.filename}: {error.strerror}", 1
    if isinstance(error, (RuntimeError, OSError, MemoryError)):  # a run that diverged
        return str(error), 1
    return None


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as a sentence, without a place in the code and without the colours of Gymnasium's."""
    text = re.sub(r"\x1b\[\d*m", "", str(message)).removeprefix("WARN: ").strip()
    print(f"lstm-rl: {text}", file=sys.stderr)

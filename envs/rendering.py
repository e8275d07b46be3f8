"""What the pictures of all worlds share: a canvas with smooth edges, and a window.

Lengths are in pixels of the finished picture, x to the right and y downwards.
"""

import math
import os
import warnings
from functools import cache, lru_cache
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lstm_rl.checks import needs_extra

PAPER, INK, GREY, LINE, PALE = "#ffffff", "#1f2933", "#5f6b7a", "#b4bdc8", "#e3e8ee"
BLUE, ORANGE, SKY, SAND = "#0072b2", "#c45200", "#d3e8f5", "#fbe3cf"  # tell apart without red and green
FINE = 3  # drawn this many times finer than shown; averaging over FINE x FINE then smooths the edges

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
_font = cache(ImageFont.load_default)


@lru_cache(1000)
def _stamp(words: str, size: int) -> Image.Image:
    """The opacity of words; kept, since drawing letters takes longer than all the rest of a picture."""
    font = _font(size=size * FINE)
    stamp = Image.new("L", (math.ceil(font.getlength(words) / FINE) * FINE, 2 * size * FINE))
    ImageDraw.Draw(stamp).text((0, size * FINE), words, 255, font, "lm")
    return stamp.reduce(FINE)


class Canvas:
    """A white picture of ``width`` by ``height`` pixels to draw on; words lie above everything else."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width * FINE, height * FINE), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._stamps: list[tuple[Image.Image, tuple[int, int], str]] = []  # opacity, left and top, colour

    def box(self, box: Box, fill: str, edge: str = "", radius: float = 0) -> None:
        """A filled rectangle; ``edge`` is the colour of its outline, ``radius`` rounds its corners."""
        corners = [round(v * FINE) - end for v, end in zip(box, (0, 0, 1, 1), strict=True)]
        self._draw.rounded_rectangle(corners, radius * FINE, fill, edge or None, 2 * FINE if edge else 0)

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        """A filled circle around (x, y)."""
        self._draw.circle((x * FINE, y * FINE), radius * FINE, fill)

    def line(self, start: Point, end: Point, color: str, width: float = 2) -> None:
        """A straight line."""
        self._draw.line([(x * FINE, y * FINE) for x, y in (start, end)], color, round(width * FINE))

    def polygon(self, points: list[Point], fill: str) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * FINE, y * FINE) for x, y in points], fill)

    def arrow(self, x: float, y: float, direction: Point, length: float, color: str) -> None:
        """An arrow centred at (x, y); ``direction`` has length 1."""
        (dx, dy), half, head = direction, length / 2, length * 0.42
        neck = x + dx * (half - head), y + dy * (half - head)
        sides: list[Point] = [(neck[0] + s * dy * head, neck[1] - s * dx * head) for s in (1, -1)]
        self.line((x - dx * half, y - dy * half), neck, color, length / 6)
        self.polygon([(x + dx * half, y + dy * half), *sides], color)

    def words(self, x: float, y: float, words: str, color: str = INK, size: int = 16, anchor: str = "l") -> None:
        """Text whose left end, middle or right end (``anchor`` l, m or r) lies at (x, y)."""
        stamp = _stamp(words, size)
        left = x - stamp.width * {"l": 0.0, "m": 0.5, "r": 1.0}[anchor]
        self._stamps.append((stamp, (round(left), round(y - stamp.height / 2)), color))

    def badge(self, box: Box, words: str, fill: str, color: str) -> None:
        """Words on a coloured ground."""
        left, top, right, bottom = box
        self.box(box, fill, radius=6)
        self.words((left + right) / 2, (top + bottom) / 2, words, color, anchor="m")

    def inputs(self, x: float, y: float, names: tuple[str, ...], values: Any, space: gym.spaces.Box) -> None:
        """What the agent sees: a square per input (I,), black at its lower bound (or -3), white at its upper (or 3)."""
        self.words(x, y, "the agent sees", GREY)
        low, high = (np.where(np.isfinite(b), b, end) for b, end in ((space.low, -3.0), (space.high, 3.0)))
        shades = np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1) * 255
        for i, (name, value, shade) in enumerate(zip(names, values, shades.astype(int), strict=True)):
            left = x + i * 68
            self.box((left, y + 16, left + 56, y + 64), f"#{shade:02x}{shade:02x}{shade:02x}", GREY, radius=4)
            self.words(left + 28, y + 80, number(value), size=18, anchor="m")
            self.words(left + 28, y + 100, name, GREY, 13, "m")

    def pixels(self) -> NDArray[np.uint8]:
        """The finished picture, (H, W, 3)."""
        image = self._image.reduce(FINE)
        for stamp, corner, color in self._stamps:
            image.paste(color, corner, stamp)
        return np.array(image)


def number(value: float) -> str:
    """Two decimals, and no minus before a zero."""
    return f"{round(float(value), 2) + 0.0:.2f}"


def step_count(elapsed: int, max_steps: int | None) -> str:
    """The step counter in words."""
    return f"step {elapsed}" + (f" of {max_steps}" if max_steps else "")


class Window:
    """A window for pictures of ``width`` by ``height`` pixels, at most ``fps`` of them per second.

    Raises:
        ImportError: pygame is not installed.
    """

    def __init__(self, width: int, height: int, fps: int) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pygame imports the deprecated pkg_resources
                import pygame
        except ImportError as error:
            raise ImportError(needs_extra("render_mode='human'", "pygame", "human")) from error
        self._pygame: Any = pygame
        pygame.display.init()
        pygame.display.set_caption("lstm_rl")
        self._screen = pygame.display.set_mode((width, height))
        self._clock = pygame.time.Clock()
        self._fps = fps

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show a picture (H, W, 3) and wait until it is time for the next one."""
        height, width, _ = picture.shape
        frame = self._pygame.image.frombuffer(picture.tobytes(), (width, height), "RGB")
        self._screen.blit(frame, (0, 0))
        self._pygame.event.pump()  # the system calls a window that never looks at its events frozen
        self._pygame.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window; once is enough, twice does no harm."""
        self._pygame.display.quit()

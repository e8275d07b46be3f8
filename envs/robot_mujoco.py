"""The robot's T-maze in MuJoCo: `lstm_rl.envs.robot` with real physics and range finders in the place of its twin.

MuJoCo moves the robot and measures distances; behaviours, noise, lamps, rewards, ends and events are the twin's own
code on the twin's own state, so that one agent plays both. The body is a cylinder on two slides and a hinge, driven by
velocity servos as its wheels would drive it: v = (l + r) / 2, rate = (r - l) / 53 mm. Walls are boxes. Five steps of
0.02 s are one control step.

    gymnasium.make("lstm_rl/RobotTMaze-v0")                    sensors, a decision per control step
    gymnasium.make("lstm_rl/RobotTMaze-v0", events=True)       events, as lstm_rl/RobotTMazeEvents-v0
"""

import math
from typing import Any
from xml.etree import ElementTree

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_options, needs_extra, one_line
from lstm_rl.envs.dynamics import SUCCEEDED, World
from lstm_rl.envs.robot import robot_tmaze, robot_tmaze_events
from lstm_rl.envs.robot_body import (
    ANGLES,
    HEADING,
    JUNCTIONS,
    MASS,
    RANGES,
    SENSORS,
    SERVO,
    STEM,
    SUBSTEP,
    SUBSTEPS,
    X,
    Y,
    robot_after,
    robot_aim,
    robot_begin,
    robot_drive,
    robot_first,
    robot_show,
)
from lstm_rl.envs.robot_maze import RADIUS, Maze, make_maze

HEIGHT, THICKNESS = 0.03, 0.01  # metres
INERTIA = MASS * RADIUS**2 / 2  # kg m^2, about the vertical
RENDER_MODES = ("rgb_array", "ansi", "camera")


def _mujoco() -> Any:
    try:
        import mujoco
    except ImportError as error:
        raise ValueError(needs_extra("lstm_rl/RobotTMaze-v0", "mujoco", "robot")) from error
    return mujoco


def mjcf(maze: Maze) -> str:
    """The robot between the walls of a maze, as MJCF."""
    root = ElementTree.Element("mujoco", model="robot T-maze")

    def add(parent: Any, kind: str, **attributes: Any) -> Any:
        texts = {name: value if isinstance(value, str) else _text(value) for name, value in attributes.items()}
        return ElementTree.SubElement(parent, kind, texts)

    add(root, "option", timestep=SUBSTEP, gravity=(0, 0, 0), integrator="implicitfast")
    add(add(root, "visual"), "global", offwidth="640", offheight="480")
    world = add(root, "worldbody")
    low, high = maze.corridors[:, :2].min(0), maze.corridors[:, 2:].max(0)
    middle, size = (low + high) / 2, float(max(high - low))
    add(world, "light", pos=(*middle, 2.0), dir=(0, 0, -1), diffuse=(0.8, 0.8, 0.8))
    add(
        world,
        "geom",
        type="plane",
        size=(size, size, 0.1),
        pos=(*middle, 0),
        rgba=(0.9, 0.9, 0.88, 1),
        contype="0",
        conaffinity="0",
    )
    add(world, "camera", name="above", pos=(*middle, 1.3 * size), fovy="45")
    for axis, c, start, end in maze.walls:
        side = THICKNESS / 2 * _outwards(maze, axis, c, (start + end) / 2)
        along, across = ((end - start) / 2, (start + end) / 2), (THICKNESS / 2, c + side)
        sizes, place = zip(*((along, across) if axis == 0 else (across, along)), strict=True)
        box = {"size": (*sizes, HEIGHT), "pos": (*place, HEIGHT), "rgba": (0.35, 0.45, 0.6, 1)}
        add(world, "geom", type="box", **box)
    body = add(world, "body", name="robot", pos=(0, 0, HEIGHT / 2))
    for name, kind, axes in (("x", "slide", (1, 0, 0)), ("y", "slide", (0, 1, 0)), ("turn", "hinge", (0, 0, 1))):
        add(body, "joint", name=name, type=kind, axis=axes)
    add(body, "geom", type="cylinder", size=(RADIUS, HEIGHT / 2), mass=MASS, friction=(0, 0, 0), rgba="0.8 0.3 0.1 1")
    front = {"size": (0.004, 0.004, 0.002), "pos": (RADIUS * 0.7, 0, HEIGHT / 2), "rgba": (1, 1, 1, 1)}
    add(body, "geom", type="box", mass="0", contype="0", conaffinity="0", **front)
    for i, degrees in enumerate(ANGLES):
        way = (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), 0.0)
        add(body, "site", name=f"ir{i}", pos=tuple(RADIUS * each for each in way), zaxis=way, size="0.002")
    sensors, actuators = add(root, "sensor"), add(root, "actuator")
    for i in range(SENSORS):
        add(sensors, "rangefinder", site=f"ir{i}")
    for name, gain in (("x", SERVO), ("y", SERVO), ("turn", SERVO * INERTIA / MASS)):
        add(actuators, "velocity", joint=name, kv=gain)
    return ElementTree.tostring(root, encoding="unicode")


def _text(value: Any) -> str:
    return " ".join(f"{each:.9g}" for each in np.atleast_1d(value))


def _outwards(maze: Maze, axis: float, c: float, middle: float) -> float:
    """On which side of a wall there is no floor: 1 or -1."""
    point = np.array([middle, c + 1e-6] if axis == 0 else [c + 1e-6, middle])
    inside = np.all((maze.corridors[:, :2] < point) & (point < maze.corridors[:, 2:]), axis=1)
    return -1.0 if inside.any() else 1.0


class MujocoRobot(gym.Env[NDArray[np.float32], np.int64]):
    """A `World` of `lstm_rl.envs.robot` whose body and walls are MuJoCo's.

    Args:
        world: Of `robot_tmaze` or `robot_tmaze_events`.
        render_mode: "rgb_array" and "ansi" as the twin's; "camera": MuJoCo's own picture from above.

    Raises:
        ValueError: MuJoCo is not installed, or the render mode is unknown.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 10}

    def __init__(self, world: World, render_mode: str | None = None) -> None:
        if render_mode is not None:
            check_choice("render_mode", render_mode, RENDER_MODES)
        self._mujoco = _mujoco()
        self.world, self.render_mode = world, render_mode
        self.observation_space = world.observation_space  # type: ignore[assignment]
        self.action_space = world.action_space
        self.metadata = type(self).metadata | {
            "optimal_return": world.optimal_return,
            "memoryless_return": world.memoryless_return,
            "horizon": world.horizon,
        }
        maze = make_maze(float(world.params[STEM]), int(world.params[JUNCTIONS]))
        self.model = self._mujoco.MjModel.from_xml_string(mjcf(maze))
        self.data = self._mujoco.MjData(self.model)
        self._state, self._running, self._elapsed = np.zeros(len(world.state_names)), False, 0
        self._renderer: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; see `gymnasium.Env.reset`. There are no ``options``."""
        check_options(options)
        super().reset(seed=seed)
        noise, state = self.np_random.random(self.world.noise_size), self._state
        robot_begin(self.world.params, noise, state)
        self._mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = state[X], state[Y], state[HEADING]
        self._mujoco.mj_forward(self.model, self.data)
        self._read()
        robot_first(self.world.params, noise[7], state)
        self._running, self._elapsed = True, 0
        return self._observe(), {"state": state.copy()}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Let a behaviour drive until the decision is over; see `gymnasium.Env.step`.

        Raises:
            ValueError: The action is not in the action space.
            ResetNeeded: No episode is running.
        """
        if not self._running:
            raise ResetNeeded("reset must be called before the first step and after the last one of an episode")
        if not self.action_space.contains(action):
            raise ValueError(f"action must be in {self.action_space}, got {action!r}")
        noise, params, state = self.np_random.random(self.world.noise_size), self.world.params, self._state
        total, outcome, over, k = 0.0, 0, False, 0
        while not over:
            robot_drive(params, int(action), state)
            self._move()
            self._read()
            reward, outcome, over = robot_after(params, noise[7], k, state)
            total, k = total + reward, k + 1
        self._elapsed += 1
        limit = self.world.max_steps
        truncated = not outcome and limit is not None and self._elapsed >= limit
        info: dict[str, Any] = {"state": state.copy()}
        if outcome or truncated:
            self._running = False
            info["is_success"] = outcome == SUCCEEDED
        return self._observe(), total, bool(outcome), truncated, info

    def _move(self) -> None:
        """One control step of MuJoCo with the speeds of the wheels in the state."""
        self.data.ctrl[:] = robot_aim(self._state)
        self._mujoco.mj_step(self.model, self.data, SUBSTEPS)

    def _read(self) -> None:
        """Place and distances into the twin's state; the range finder says -1 where it sees nothing."""
        self._mujoco.mj_kinematics(self.model, self.data)
        self.model.opt.disableflags = 0
        self._mujoco.mj_sensorPos(self.model, self.data)
        self.model.opt.disableflags = self._mujoco.mjtDisableBit.mjDSBL_SENSOR  # eight rays per step of physics
        self._state[[X, Y, HEADING]] = self.data.qpos
        ranges = self.data.sensordata[:SENSORS]
        self._state[RANGES : RANGES + SENSORS] = np.where(ranges < 0.0, np.inf, ranges)

    def _observe(self) -> NDArray[np.float32]:
        observation = np.zeros(self.world.observation_space.shape, np.float32)
        robot_show(self.world.params, self._state, observation)
        return observation

    def render(self) -> Any:
        """A picture (H, W, 3) uint8 or a line of text, as ``render_mode`` says.

        Raises:
            ValueError: There is no render mode, or none of MuJoCo's back ends can draw here.
        """
        if self.render_mode is None:
            raise ValueError(f"render_mode must be given to gym.make, one of {', '.join(RENDER_MODES)}")
        if self.render_mode == "camera":
            return self._camera()
        drawing = self.world.load_renderer()
        moment = (self.world, self._state, None, self._elapsed)
        return drawing.text(*moment) if self.render_mode == "ansi" else drawing.picture(*moment)

    def _camera(self) -> NDArray[np.uint8]:
        try:
            if self._renderer is None:
                self._renderer = self._mujoco.Renderer(self.model, 480, 640)
            self._renderer.update_scene(self.data, "above")
            picture: NDArray[np.uint8] = self._renderer.render()
        except Exception as error:  # what it is depends on the back end
            raise ValueError(
                "render_mode must be rgb_array or ansi where MuJoCo finds no back end to draw with "
                f"(try MUJOCO_GL=egl), got camera: {one_line(error)}"
            ) from error
        return picture

    def close(self) -> None:
        """Free MuJoCo's renderer, if there is one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def make_robot(events: bool = False, render_mode: str | None = None, **arguments: Any) -> MujocoRobot:
    """Entry point of ``lstm_rl/RobotTMaze-v0``.

    Args:
        events: Whether a step lasts until the next event; vectors are those of the twin with the same arguments.
        render_mode: See `MujocoRobot`.
        **arguments: Of `lstm_rl.envs.robot.robot_tmaze`, or of `robot_tmaze_events`.
    """
    _mujoco()
    return MujocoRobot((robot_tmaze_events if events else robot_tmaze)(**arguments), render_mode)

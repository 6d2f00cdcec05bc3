"""Draw the layers of the package and the way of an observation through them, for docs/architecture.md.

    python scripts/draw_architecture.py [docs/images/architecture.png]
"""
import os
import sys

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import FancyBboxPatch  # noqa: E402

# from the top: name of the layer, its rooms
LAYERS = [
    ("7  the package", ["stable_baselines"]),
    ("6  commands, and what\n    stands on algorithms", ["run_atari, run_mujoco, ...", "gail, her"]),
    ("5  algorithms", ["ppo2", "a2c, acer,\nacktr", "ppo1,\ntrpo_mpi", "deepq, sac,\ntd3, ddpg"]),
    ("4  the base of\n    all algorithms", ["models", "runners", "base_class"]),
    ("3  what meets a model\n    without its class", ["policies, nets", "callbacks", "evaluation",
                                                    "env_checker,\ncmd_util"]),
    ("2  blocks", ["graph, tf_util", "tf_layers, input,\ndistributions, losses", "vec_env",
                   "bench,\natari_wrappers, ..."]),
    ("1  NumPy only", ["returns", "schedules", "save_util, files", "math_util, ..."]),
    ("0  knows of nothing else", ["logger", "gym_compat", "mpi_util"]),
]
COLOURS = ["#e8eef7", "#dfe9f5", "#d5e4f3", "#c9ddf0", "#bed6ed", "#b1ceea", "#a4c6e7", "#97bee4"]


def draw(path: str) -> None:
    """Write the picture."""
    figure, axes = plt.subplots(figsize=(11, 8.2))
    for row, ((name, rooms), colour) in enumerate(zip(LAYERS, COLOURS)):
        bottom = len(LAYERS) - 1 - row
        axes.add_patch(FancyBboxPatch((0, bottom + .06), 12, .82, boxstyle="round,pad=0,rounding_size=.08",
                                      facecolor=colour, edgecolor="none"))
        axes.text(.15, bottom + .47, name, va="center", fontsize=10.5, weight="bold", color="#1f2d3d")
        width = 8.5 / len(rooms)
        for column, room in enumerate(rooms):
            left = 3.4 + column * width
            axes.add_patch(FancyBboxPatch((left, bottom + .17), width - .12, .6,
                                          boxstyle="round,pad=0,rounding_size=.06", facecolor="white",
                                          edgecolor="#7f93ab"))
            axes.text(left + (width - .12) / 2, bottom + .47, room, ha="center", va="center", fontsize=9,
                      color="#1f2d3d")
    axes.annotate("imports point down only", xy=(12.35, .1), xytext=(12.35, 7.9), rotation=-90, ha="center",
                  va="top", fontsize=10, color="#45586f",
                  arrowprops=dict(arrowstyle="-|>", color="#45586f", shrinkA=2, shrinkB=2))
    axes.set_xlim(-.1, 12.7)
    axes.set_ylim(-.05, len(LAYERS))
    axes.axis("off")
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    draw(sys.argv[1] if len(sys.argv) > 1 else os.path.join("docs", "images", "architecture.png"))

"""Draw the networks of the policies, for docs/guide/custom_policies.md.

    python scripts/draw_networks.py [docs/images]

The sizes are the defaults.
"""
import os
import sys

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import FancyBboxPatch  # noqa: E402

INPUT, LAYER, MEMORY, OUTPUT = "#e9edf2", "#c9ddf0", "#f3dfb8", "#cfe6cf"
INK = "#1f2d3d"
HEIGHT = .62  # of a box; rows are 1 apart

# A network: title, and its boxes as (column, row, width, text, colour, columns and rows that arrows come from).
MLP = ("MlpPolicy", [
    (0, .5, 1.5, "observation", INPUT, []),
    (2, 0, 2.2, "64 tanh, 64 tanh\npi_fc0, pi_fc1", LAYER, [(0, .5)]),
    (2, 1, 2.2, "64 tanh, 64 tanh\nvf_fc0, vf_fc1", LAYER, [(0, .5)]),
    (4.7, 0, 2.1, "distribution of\nactions: pi", OUTPUT, [(2, 0)]),
    (4.7, 1, 2.1, "value: vf\n(ACER: q)", OUTPUT, [(2, 1)])])
CNN = ("CnnPolicy", [
    (0, .5, 1.5, "image / 255", INPUT, []),
    (2, .5, 2.2, "relu, 32 filters 8x8 / 4,\n64 4x4 / 2, 64 3x3 / 1", LAYER, [(0, .5)]),
    (4.7, .5, 2.1, "512 relu\nfc1", LAYER, [(2, .5)]),
    (7.3, 0, 2.1, "distribution of\nactions: pi", OUTPUT, [(4.7, .5)]),
    (7.3, 1, 2.1, "value: vf\n(ACER: q)", OUTPUT, [(4.7, .5)])])
LSTM = ("MlpLstmPolicy (CnnLstmPolicy: convolutions instead of 64, 64)", [
    (0, .5, 1.5, "observation", INPUT, []),
    (2, .5, 2.2, "64 tanh, 64 tanh\npi_fc0, pi_fc1", LAYER, [(0, .5)]),
    (2, 1.5, 2.2, "state of the last step,\n0 at an episode's start", MEMORY, []),
    (4.7, .5, 2.1, "LSTM, 256 cells\nlstm1", MEMORY, [(2, .5), (2, 1.5)]),
    (7.3, 0, 2.1, "distribution of\nactions: pi", OUTPUT, [(4.7, .5)]),
    (7.3, 1, 2.1, "value: vf", OUTPUT, [(4.7, .5)]),
    (7.3, 2, 2.1, "state for the next step", MEMORY, [(4.7, .5)])])
DQN_MLP = ("DQN, MlpPolicy, dueling", [
    (0, .5, 1.5, "observation", INPUT, []),
    (2, 0, 2.2, "64 relu, 64 relu", LAYER, [(0, .5)]),
    (2, 1, 2.2, "64 relu, 64 relu", LAYER, [(0, .5)]),
    (4.7, 0, 2.1, "advantage of\neach action", LAYER, [(2, 0)]),
    (4.7, 1, 2.1, "value of the state", LAYER, [(2, 1)]),
    (7.3, .5, 2.1, "Q = value + advantage\n$-$ mean advantage", OUTPUT, [(4.7, 0), (4.7, 1)])])
DQN_CNN = ("DQN, CnnPolicy, dueling", [
    (0, .5, 1.5, "image / 255", INPUT, []),
    (2, .5, 2.2, "the three convolutions\nand 512 relu", LAYER, [(0, .5)]),
    (4.7, 0, 2.1, "advantage of\neach action", LAYER, [(2, .5)]),
    (4.7, 1, 2.1, "64 relu, 64 relu,\nvalue of the state", LAYER, [(2, .5)]),
    (7.3, .5, 2.1, "Q = value + advantage\n$-$ mean advantage", OUTPUT, [(4.7, 0), (4.7, 1)])])
SAC = ("SAC (target network: of V)", [
    (0, 0, 1.5, "observation", INPUT, []),
    (2, 0, 2.2, "64 relu, 64 relu", LAYER, [(0, 0)]),
    (4.7, 0, 2.1, "mean, log std", LAYER, [(2, 0)]),
    (7.3, 0, 2.1, "tanh of a sample:\naction in [-1, 1]", OUTPUT, [(4.7, 0)]),
    (0, 1.5, 1.5, "observation,\naction", INPUT, []),
    (2, 1, 2.2, "64 relu, 64 relu", LAYER, [(0, 1.5)]),
    (4.7, 1, 2.1, "Q1", OUTPUT, [(2, 1)]),
    (2, 2, 2.2, "64 relu, 64 relu", LAYER, [(0, 1.5)]),
    (4.7, 2, 2.1, "Q2", OUTPUT, [(2, 2)]),
    (0, 3, 1.5, "observation", INPUT, []),
    (2, 3, 2.2, "64 relu, 64 relu", LAYER, [(0, 3)]),
    (4.7, 3, 2.1, "V", OUTPUT, [(2, 3)])])
TD3 = ("TD3 (target networks: of all three)", [
    (0, 0, 1.5, "observation", INPUT, []),
    (2, 0, 2.2, "64 relu, 64 relu", LAYER, [(0, 0)]),
    (4.7, 0, 2.1, "tanh:\naction in [-1, 1]", OUTPUT, [(2, 0)]),
    (0, 1.5, 1.5, "observation,\naction", INPUT, []),
    (2, 1, 2.2, "64 relu, 64 relu", LAYER, [(0, 1.5)]),
    (4.7, 1, 2.1, "Q1", OUTPUT, [(2, 1)]),
    (2, 2, 2.2, "64 relu, 64 relu", LAYER, [(0, 1.5)]),
    (4.7, 2, 2.1, "Q2", OUTPUT, [(2, 2)])])
DDPG = ("DDPG (target networks: of both)", [
    (0, 0, 1.5, "observation", INPUT, []),
    (2, 0, 2.2, "64 relu, 64 relu", LAYER, [(0, 0)]),
    (4.7, 0, 2.1, "tanh:\naction in [-1, 1]", OUTPUT, [(2, 0)]),
    (0, 1, 1.5, "observation", INPUT, []),
    (2, 1, 2.2, "64 relu", LAYER, [(0, 1)]),
    (2, 2, 2.2, "action", INPUT, []),
    (4.7, 1, 2.1, "64 relu", LAYER, [(2, 1), (2, 2)]),
    (7.3, 1, 2.1, "Q", OUTPUT, [(4.7, 1)])])


def draw_network(axes, top, title, boxes):
    """Draw one network below the height ``top``; return the height below it."""
    axes.text(0, -top, title, fontsize=11.5, weight="bold", color=INK, va="center")
    middle = {(column, row): (column + width, -top - .75 - row) for column, row, width, *_ in boxes}
    for column, row, width, text, colour, sources in boxes:
        height = -top - .75 - row
        axes.add_patch(FancyBboxPatch((column, height - HEIGHT / 2), width, HEIGHT, facecolor=colour,
                                      edgecolor="#7f93ab", boxstyle="round,pad=0,rounding_size=.06"))
        axes.text(column + width / 2, height, text, ha="center", va="center", fontsize=8.5, color=INK)
        for source in sources:
            axes.annotate("", xy=(column, height), xytext=middle[source],
                          arrowprops=dict(arrowstyle="-|>", color="#45586f", shrinkA=1, shrinkB=1))
    return top + max(row for _, row, *_ in boxes) + 1.8


def draw(path, networks):
    """Write a picture of networks, one below the other."""
    figure, axes = plt.subplots()
    bottom = 0.
    for title, boxes in networks:
        bottom = draw_network(axes, bottom, title, boxes)
    axes.set_xlim(-.1, 9.6)
    axes.set_ylim(-bottom + .55, .4)
    axes.axis("off")
    figure.set_size_inches(9.7 * .95, bottom * .95 * .78)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join("docs", "images")
    draw(os.path.join(folder, "networks_actor_critic.png"), [MLP, CNN, LSTM])
    draw(os.path.join(folder, "networks_replay.png"), [DQN_MLP, DQN_CNN, SAC, TD3, DDPG])

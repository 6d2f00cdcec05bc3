"""Train PPO2 for a few seconds and draw what its monitors recorded, for docs/guide/monitor.md.

    python scripts/draw_monitor_curve.py [docs/images/monitor_curve.png]
"""
import os
import sys
import tempfile

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from stable_baselines import PPO2  # noqa: E402
from stable_baselines.bench import load_results  # noqa: E402
from stable_baselines.common import make_vec_env  # noqa: E402
from stable_baselines.results_plotter import ts2xy, window_func  # noqa: E402


def main(path: str) -> None:
    """Train, and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        env = make_vec_env("CartPole-v1", n_envs=4, seed=0, monitor_dir=folder)
        PPO2("MlpPolicy", env, n_steps=64, seed=0, n_cpu_tf_sess=1).learn(20000)
        env.close()
        x, y = ts2xy(load_results(folder), "timesteps")
    figure, axes = plt.subplots(figsize=(7, 3.2))
    axes.plot(x, y, ".", markersize=3, color="#b1c6dd", label="episodes")
    axes.plot(*window_func(x, y, 20, np.mean), color="#1f5a96", label="mean of 20")
    axes.set(xlabel="timesteps", ylabel="reward of an episode")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join("docs", "images", "monitor_curve.png"))

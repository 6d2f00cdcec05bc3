"""
Train on an Atari game for a short while and draw the learning curve, beside the scores of a player who acts at random.

The monitors' files stay in the output folder; ``--draw-only`` draws them again.
"""
import argparse
import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

import stable_baselines  # noqa: E402
from stable_baselines import logger  # noqa: E402
from stable_baselines.common.callbacks import ProgressBarCallback  # noqa: E402
from stable_baselines.common.cmd_util import make_atari_env  # noqa: E402
from stable_baselines.common.vec_env import VecFrameStack  # noqa: E402
from stable_baselines.results_plotter import X_TIMESTEPS, load_results, ts2xy, window_func  # noqa: E402

RANDOM_GAMES = 200
WINDOW = 100  # games

# The number of environments, and what differs from the defaults. So that a step costs less time: fewer replays (ACER),
# rarer decompositions (ACKTR). For ACER the learning rate of the reference's zoo, and an entropy bonus, which has no
# effect with a trust region; it is a sum over the batch, 1e-4 is about 0.01 of the mean.
SETTINGS = {
    "A2C": (16, {}),
    "ACER": (4, dict(replay_ratio=2, lr_schedule="constant", trust_region=False, ent_coef=1e-4)),
    "ACKTR": (16, dict(kfac_update=10)),
}


def make_env(env_id, folder, n_envs, seed):
    """Make environments as ``run_atari`` does; their monitors write into the folder, which is emptied first."""
    shutil.rmtree(str(folder), ignore_errors=True)
    logger.configure(str(folder), format_strs=["csv"])
    return VecFrameStack(make_atari_env(env_id, n_envs, seed), 4)


def play_at_random(env, folder):
    """Play until RANDOM_GAMES have ended."""
    env.action_space.seed(0)
    env.reset()
    while len(load_results(str(folder))) < RANDOM_GAMES:
        for _ in range(100):
            env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))
    env.close()


def train(algorithm, env, n_steps, seed):
    """Train, with a progress bar."""
    model = getattr(stable_baselines, algorithm)("CnnPolicy", env, seed=seed, n_cpu_tf_sess=1, **SETTINGS[algorithm][1])
    model.learn(n_steps, callback=ProgressBarCallback())
    env.close()


def draw(title, training, chance, path):
    """Draw the true scores of all games, their running mean and the mean of chance."""
    steps, scores = ts2xy(load_results(str(training)), X_TIMESTEPS)
    random_scores = load_results(str(chance)).r[:RANDOM_GAMES]
    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=110)
    axes.scatter(steps, scores, s=3, color="tab:blue", alpha=0.2, label="game")
    axes.plot(*window_func(steps, scores, WINDOW, np.mean), color="tab:blue", label=f"mean of {WINDOW} games")
    axes.axhline(random_scores.mean(), color="gray", linestyle="--", label=f"chance, mean of {RANDOM_GAMES} games")
    axes.set(title=title, xlabel="environment steps, of four frames each", ylabel="score")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    figure.tight_layout()
    figure.savefig(str(path))
    plt.close(figure)
    for name, part in (("first", scores[:WINDOW]), ("last", scores[-WINDOW:]), ("chance", random_scores)):
        print(f"{name + ':':7} {part.mean():.2f} +- {part.std():.2f} over {len(part)} games")
    print(f"drawn in {path}")


def main():
    """Play at random, train, draw."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("algorithm", choices=sorted(SETTINGS))
    parser.add_argument("--env", default="BreakoutNoFrameskip-v4")
    parser.add_argument("--steps", type=int, default=400000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("atari_curve"), help="folder for what is made")
    parser.add_argument("--draw-only", action="store_true", help="draw what an earlier run has left there")
    args = parser.parse_args()
    training, chance = args.output / args.algorithm, args.output / (args.algorithm + "_chance")
    if not args.draw_only:
        n_envs = SETTINGS[args.algorithm][0]
        play_at_random(make_env(args.env, chance, n_envs, args.seed), chance)
        train(args.algorithm, make_env(args.env, training, n_envs, args.seed), args.steps, args.seed)
    draw(f"{args.algorithm} on {args.env}", training, chance, args.output / (args.algorithm.lower() + ".png"))


if __name__ == "__main__":
    main()

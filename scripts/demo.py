"""Train PPO2 on CartPole-v1, save it, load it, evaluate it, draw the learning curve: what ``make demo`` runs.

Everything that is made lies in demo_output/ (or in the directory given with --output) and is replaced by the next run.
"""
import argparse
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt  # noqa: E402

from stable_baselines import PPO2  # noqa: E402
from stable_baselines.bench import Monitor  # noqa: E402
from stable_baselines.common.callbacks import CallbackList, EvalCallback, ProgressBarCallback  # noqa: E402
from stable_baselines.common.evaluation import evaluate_policy  # noqa: E402
from stable_baselines.common.gym_compat import make  # noqa: E402
from stable_baselines.common.vec_env import DummyVecEnv  # noqa: E402
from stable_baselines.results_plotter import X_TIMESTEPS, load_results, ts2xy, window_func  # noqa: E402

ENV_ID = "CartPole-v1"
N_ENVS = 8
TOTAL_TIMESTEPS = 100000
EVAL_EVERY = 8192     # steps, over all environments
EVAL_EPISODES = 10
SOLVED = 475          # mean episode reward of 500
CURVE_WINDOW = 20     # episodes

# The tuned values of the reference's zoo. "progress" falls from 1 to 0 over the training.
HYPERPARAMETERS = dict(
    n_steps=32, nminibatches=1, noptepochs=20, lam=0.8, gamma=0.98, ent_coef=0.0,
    learning_rate=lambda progress: 1e-3 * progress,
    cliprange=lambda progress: 0.2 * progress,
)


def make_vec_env(log_dir):
    """Build the training environments; each writes its episodes to a monitor file in ``log_dir``."""
    def make_env(rank):
        return lambda: Monitor(make(ENV_ID), str(log_dir / str(rank)))

    return DummyVecEnv([make_env(rank) for rank in range(N_ENVS)])


def train(log_dir, seed):
    """Train, and evaluate now and then; return the model and the callback with the evaluations.

    One thread, and a seed for everything that draws: then the same seed gives the same model, to the last bit.
    """
    model = PPO2("MlpPolicy", make_vec_env(log_dir), seed=seed, n_cpu_tf_sess=1, **HYPERPARAMETERS)
    eval_env = make(ENV_ID)
    eval_env.seed(seed)
    evaluation = EvalCallback(eval_env, n_eval_episodes=EVAL_EPISODES, eval_freq=EVAL_EVERY // N_ENVS,
                              log_path=str(log_dir), verbose=0)
    model.learn(TOTAL_TIMESTEPS, callback=CallbackList([ProgressBarCallback(), evaluation]))
    return model, evaluation


def evaluate(model, seed):
    """Evaluate on the same EVAL_EPISODES starts whenever the seed is the same."""
    env = make(ENV_ID)
    env.seed(seed)
    return evaluate_policy(model, env, n_eval_episodes=EVAL_EPISODES, deterministic=True)


def draw_learning_curve(log_dir, evaluation, path):
    """Draw the rewards of the training episodes, their running mean and the evaluations into a PNG."""
    steps, rewards = ts2xy(load_results(str(log_dir)), X_TIMESTEPS)
    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=110)
    axes.scatter(steps, rewards, s=4, color="tab:blue", alpha=0.3, label="training episode")
    if len(steps) > CURVE_WINDOW:
        axes.plot(*window_func(steps, rewards, CURVE_WINDOW, lambda window, axis: window.mean(axis)),
                  color="tab:blue", label=f"mean of {CURVE_WINDOW} episodes")
    axes.plot(evaluation.evaluations_timesteps, [sum(run) / len(run) for run in evaluation.evaluations_results],
              "o-", color="tab:orange", label=f"evaluation, {EVAL_EPISODES} episodes, deterministic")
    axes.axhline(SOLVED, color="gray", linestyle="--", linewidth=1, label=f"solved: {SOLVED}")
    axes.set(title="PPO2 on " + ENV_ID, xlabel="environment steps", ylabel="episode reward", ylim=(0, 520))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(str(path))
    plt.close(figure)


def main():
    """Run the demo; exit with 1 if the task is not solved."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="directory for what is made")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    log_dir, model_path, curve_path = args.output / "log", args.output / "ppo2_cartpole.zip", args.output / "curve.png"
    shutil.rmtree(str(log_dir), ignore_errors=True)
    log_dir.mkdir(parents=True)

    print(f"Training PPO2 on {ENV_ID} for {TOTAL_TIMESTEPS} steps ...")
    start = time.time()
    model, evaluation = train(log_dir, args.seed)
    print(f"Trained for {model.num_timesteps} steps in {time.time() - start:.0f} s.")

    trained = evaluate(model, args.seed)
    model.save(str(model_path))
    loaded = evaluate(PPO2.load(str(model_path)), args.seed)
    for name, (mean, std) in (("trained", trained), ("saved and loaded", loaded)):
        print(f"{name + ':':17} {mean:6.1f} +- {std:.1f} over {EVAL_EPISODES} episodes")
    draw_learning_curve(log_dir, evaluation, curve_path)
    print(f"model:            {model_path.resolve()}")
    print(f"learning curve:   {curve_path.resolve()}")
    print(f"episodes:         {log_dir.resolve()}/*.monitor.csv")

    if loaded != trained:
        sys.exit("error: the loaded model does not act as the saved one did")
    if trained[0] < SOLVED:
        sys.exit(f"error: {trained[0]:.1f} of the {SOLVED} that count as solved; try another --seed")


if __name__ == "__main__":
    main()

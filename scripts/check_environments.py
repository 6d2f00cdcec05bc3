"""Train PPO2 for a short while on an environment of every supported library and simulator, and print what happened.

    python scripts/check_environments.py                  all that are installed; the others are named
    python scripts/check_environments.py atari bullet     only these

It checks that environments work, from the first frame to the restored model; it is too short to make good agents.
"""
import argparse
import os
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402

from stable_baselines import PPO2, logger  # noqa: E402
from stable_baselines.bench import load_results  # noqa: E402
from stable_baselines.common import make_vec_env  # noqa: E402
from stable_baselines.common.cmd_util import make_atari_env  # noqa: E402
from stable_baselines.common.extras import pip_install  # noqa: E402
from stable_baselines.common.gym_compat import spaces  # noqa: E402
from stable_baselines.common.vec_env import VecFrameStack, VecNormalize, sync_envs_normalization  # noqa: E402

IS_GYMNASIUM = spaces.Space.__module__.startswith("gymnasium.")
SEED = 0
REPLAY_STEPS = 200

ATARI = dict(policy="CnnPolicy", n_steps=128, nminibatches=4, noptepochs=4, learning_rate=2.5e-4, cliprange=0.1)
CARTPOLE = dict(policy="MlpPolicy", n_steps=32, nminibatches=1, noptepochs=20, lam=0.8, gamma=0.98, ent_coef=0.0,
                learning_rate=1e-3)
CONTROL = dict(policy="MlpPolicy", n_steps=1024, nminibatches=32, noptepochs=10, lam=0.95, gamma=0.99, ent_coef=0.0,
               learning_rate=3e-4)


def train(env, timesteps, folder, **hyperparameters):
    """Train PPO2 and print how the episodes changed, from what the monitors wrote into ``folder``."""
    start = time.time()
    model = PPO2(env=env, seed=SEED, **hyperparameters).learn(timesteps)
    seconds = time.time() - start
    rewards = load_results(folder).r.values
    tenth = max(1, len(rewards) // 10)
    print(f"  {model.num_timesteps} steps in {seconds:.0f} s ({model.num_timesteps / seconds:.0f} a second), "
          f"{len(rewards)} episodes; mean reward of the first {tenth}: {rewards[:tenth].mean():.1f}, "
          f"of the last {tenth}: {rewards[-tenth:].mean():.1f}")
    return model


def replay(model, env):
    """Act for some steps from a seeded start; return the sum of the rewards."""
    env.seed(SEED)
    obs, total = env.reset(), 0.0
    for _ in range(REPLAY_STEPS):
        obs, rewards, _, _ = env.step(model.predict(obs, deterministic=True)[0])
        total += float(np.sum(rewards))
    return total


def check_atari(folder):
    """Train on images of four processes, four frames stacked."""
    logger.configure(folder, [])
    env = make_atari_env("BreakoutNoFrameskip-v4", 4, SEED, use_subprocess=True)
    print(f"  BreakoutNoFrameskip-v4 in {len(env.processes)} processes")
    env = VecFrameStack(env, 4)
    try:
        train(env, 8192, folder, **ATARI)
    finally:
        env.close()
        logger.reset()


def check_normalised(env_id, folder):
    """Train behind VecNormalize, save the model and the statistics, restore both: they must act as before."""
    print(f"  {env_id}, observations and rewards normalised")
    env = VecNormalize(make_vec_env(env_id, n_envs=2, seed=SEED, monitor_dir=folder))
    model = train(env, 20480, folder, **CONTROL)
    model_path, statistics_path = os.path.join(folder, "model"), os.path.join(folder, "vecnormalize.pkl")
    # both replays on new environments: PyBullet's carry traces of earlier episodes
    replay_env = VecNormalize(make_vec_env(env_id, n_envs=2), training=False)
    sync_envs_normalization(env, replay_env)
    before = replay(model, replay_env)
    model.save(model_path)
    env.save(statistics_path)
    restored_env = VecNormalize.load(statistics_path, make_vec_env(env_id, n_envs=2))
    restored_env.training = False
    after = replay(PPO2.load(model_path), restored_env)
    print(f"  normalised reward of {REPLAY_STEPS} steps: {before:.6f} before saving, {after:.6f} restored")
    assert before == after, "the restored model does not act as before"
    for each in (env, replay_env, restored_env):
        each.close()


def check_box2d(folder):
    """Train on LunarLander."""
    env_id = "LunarLander-v3" if IS_GYMNASIUM else "LunarLander-v2"
    print("  " + env_id)
    train(make_vec_env(env_id, n_envs=4, seed=SEED, monitor_dir=folder), 20480, folder, **dict(CONTROL, n_steps=256))


def check_bullet(folder):
    """Train on PyBullet's HalfCheetah."""
    check_normalised("HalfCheetahBulletEnv-v0", folder)


def check_mujoco(folder):
    """Train on MuJoCo's HalfCheetah."""
    check_normalised("HalfCheetah-v5", folder)


def check_library(name, folder, **make_kwargs):
    """Train on CartPole as the library itself makes it."""
    library = import_module(name)
    print(f"  CartPole-v1 of {name} {library.__version__}")
    env = make_vec_env(lambda: library.make("CartPole-v1", **make_kwargs), n_envs=8, seed=SEED, monitor_dir=folder)
    train(env, 25600, folder, **CARTPOLE)


def check_gymnasium(folder):
    """Train on an environment of gymnasium."""
    check_library("gymnasium", folder)


def check_gym(folder):
    """Train on an environment of gym, old or new."""
    new = int(import_module("gym").__version__.split(".")[1]) >= 26
    check_library("gym", folder, **({"disable_env_checker": True} if new else {}))  # it fails with NumPy 2


# name -> what to check, the packages of which one must be there, and how to get it
CHECKS = {
    "gym": (check_gym, ["gym"], "pip install gym==0.26.2"),
    "gymnasium": (check_gymnasium, ["gymnasium"], "pip install gymnasium"),
    "atari": (check_atari, ["ale_py", "atari_py"], pip_install("atari")),
    "box2d": (check_box2d, ["Box2D"], pip_install("box2d")),
    "bullet": (check_bullet, ["pybullet_envs"], pip_install("bullet", (3, 7)) + " (Python 3.7)"),
    "mujoco": (check_mujoco, ["mujoco"], pip_install("mujoco", (3, 8)) + " (Python 3.8 and later)"),
}


def main():
    """Run the checks that were asked for, as far as what they need is installed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(CHECKS)} (default: all)")
    names = parser.parse_args().names or list(CHECKS)
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        parser.error(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    print(f"Python {sys.version_info[0]}.{sys.version_info[1]}, TensorFlow {tf.__version__}")
    for name in names:
        check, packages, how = CHECKS[name]
        print(f"{name}:", flush=True)
        if not any(find_spec(package) for package in packages):
            print("  left out: " + how)
            continue
        with tempfile.TemporaryDirectory() as folder:
            check(folder)


if __name__ == "__main__":
    main()

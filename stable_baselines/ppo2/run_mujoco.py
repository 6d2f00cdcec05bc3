"""Train PPO2 on a MuJoCo task: ``python -m stable_baselines.ppo2.run_mujoco --help``"""
from typing import Tuple

from stable_baselines import logger
from stable_baselines.bench import Monitor
from stable_baselines.common.cmd_util import mujoco_arg_parser
from stable_baselines.common.gym_compat import make
from stable_baselines.common.misc_util import set_global_seeds
from stable_baselines.common.policies import MlpPolicy
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines.ppo2.ppo2 import PPO2


def train(env_id: str, num_timesteps: int, seed: int) -> Tuple[PPO2, VecNormalize]:
    """
    Train PPO2 with the hyperparameters of its paper for MuJoCo tasks, on normalised observations and rewards.

    :param seed: seed of the environment, the model and the global generators
    :return: the model, and the environment with the statistics that it was trained with
    """
    env = VecNormalize(DummyVecEnv([lambda: Monitor(make(env_id), logger.get_dir(), allow_early_resets=True)]))
    set_global_seeds(seed)
    model = PPO2(MlpPolicy, env, n_steps=2048, nminibatches=32, lam=0.95, gamma=0.99, noptepochs=10, ent_coef=0.0,
                 learning_rate=3e-4, cliprange=0.2, verbose=1, seed=seed)
    return model.learn(total_timesteps=num_timesteps), env


def play(model: PPO2, env: VecNormalize) -> None:
    """Show what a model learned, until interrupted."""
    logger.log("Running trained model")
    obs = env.reset()
    while True:
        actions, _ = model.predict(obs)
        obs, _, _, _ = env.step(actions)
        env.render()


def main() -> None:
    """Read the command line, train, and with --play show the result."""
    args = mujoco_arg_parser().parse_args()
    logger.configure()
    model, env = train(args.env, args.num_timesteps, args.seed)
    if args.play:
        play(model, env)


if __name__ == '__main__':
    main()

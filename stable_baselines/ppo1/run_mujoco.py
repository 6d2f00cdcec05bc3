"""Train PPO1 on a MuJoCo task: ``mpirun -np 8 python -m stable_baselines.ppo1.run_mujoco``, see ``--help``"""
from stable_baselines.common.cmd_util import mujoco_main, train_mujoco
from stable_baselines.ppo1.pposgd_simple import PPO1


def train(env_id: str, num_timesteps: int, seed: int) -> PPO1:
    """
    Train PPO1 with the hyperparameters of its paper for MuJoCo tasks, see ``train_mujoco``.

    :param num_timesteps: number of steps, over all processes
    :param seed: seed of the first process, see ``seed_of_process``
    """
    return train_mujoco(PPO1, env_id, num_timesteps, seed, timesteps_per_actorbatch=2048, clip_param=0.2, entcoeff=0.0,
                        optim_epochs=10, optim_stepsize=3e-4, optim_batchsize=64, gamma=0.99, lam=0.95,
                        schedule='linear')


def main() -> None:
    """Read the command line and train, see ``mujoco_main``."""
    mujoco_main(train)


if __name__ == '__main__':
    main()

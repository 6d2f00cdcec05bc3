"""Train TRPO on a MuJoCo task: ``mpirun -np 8 python -m stable_baselines.trpo_mpi.run_mujoco``, see ``--help``"""
from stable_baselines.common.cmd_util import mujoco_main, train_mujoco
from stable_baselines.trpo_mpi.trpo_mpi import TRPO


def train(env_id: str, num_timesteps: int, seed: int) -> TRPO:
    """
    Train TRPO with hyperparameters for MuJoCo tasks, see ``train_mujoco``.

    :param num_timesteps: number of steps, over all processes
    :param seed: seed of the first process, see ``seed_of_process``
    """
    return train_mujoco(TRPO, env_id, num_timesteps, seed, timesteps_per_batch=1024, max_kl=0.01, cg_iters=10,
                        cg_damping=0.1, entcoeff=0.0, gamma=0.99, lam=0.98, vf_iters=5, vf_stepsize=1e-3)


def main() -> None:
    """Read the command line and train, see ``mujoco_main``."""
    mujoco_main(train)


if __name__ == '__main__':
    main()

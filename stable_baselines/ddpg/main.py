"""Train DDPG on a MuJoCo task: ``python -m stable_baselines.ddpg.main --help``"""
import os
import time
from typing import Any, Dict, Optional

import numpy as np

from stable_baselines import logger
from stable_baselines.bench import Monitor
from stable_baselines.common.cmd_util import arg_parser
from stable_baselines.common.gym_compat import make, spaces
from stable_baselines.common.misc_util import boolean_flag, set_global_seeds
from stable_baselines.common.mpi_util import mpi_rank_or_zero
from stable_baselines.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines.ddpg.ddpg import DDPG


def make_noise(noise_type: str, action_space: spaces.Box) -> Dict[str, Any]:
    """
    Make what ``--noise-type`` describes.

    :param noise_type: 'none', or one or two of 'adaptive-param_STD', 'normal_STD' and 'ou_STD', with a comma between
    :return: arguments of DDPG
    """
    noises: Dict[str, Any] = {}
    for text in noise_type.split(','):
        name, _, stddev = text.strip().partition('_')
        try:
            if name == 'adaptive-param':
                noises['param_noise'] = AdaptiveParamNoiseSpec(float(stddev), float(stddev))
            elif name in ('normal', 'ou'):
                process = NormalActionNoise if name == 'normal' else OrnsteinUhlenbeckActionNoise
                shape = action_space.shape
                noises['action_noise'] = process(np.zeros(shape), float(stddev) * np.ones(shape))
            elif text.strip() != 'none':
                raise ValueError
        except ValueError:
            raise ValueError(f"noise_type={noise_type!r}: accepted is 'none', or one or two of 'adaptive-param_0.2', "
                             "'normal_0.2' and 'ou_0.2', with a comma between") from None
    return noises


def run(env_id: str, seed: int, noise_type: str, layer_norm: bool, evaluation: bool, **kwargs) -> DDPG:
    """
    Train DDPG; in an MPI job, every process in an environment of its own.

    :param env_id: the id of the environment
    :param seed: seed of the environment, the model and the global generators; processes add different numbers to it
    :param noise_type: noise for exploration, see ``make_noise``
    :param layer_norm: whether the networks have layer normalisation
    :param evaluation: whether to evaluate, which the first process does
    :param kwargs: ``num_timesteps``, and arguments of DDPG
    :return: the model
    """
    rank = mpi_rank_or_zero()
    if rank != 0:
        logger.set_level(logger.DISABLED)
    folder = logger.get_dir()
    env = Monitor(make(env_id), folder and os.path.join(folder, str(rank)), allow_early_resets=True)
    eval_env: Optional[Monitor] = None
    if evaluation and rank == 0:
        eval_env = Monitor(make(env_id), folder and os.path.join(folder, 'gym_eval'), allow_early_resets=True)

    seed += 1000000 * rank
    logger.info(f"rank {rank}: seed={seed}, logdir={folder}")
    set_global_seeds(seed)
    num_timesteps = kwargs.pop('num_timesteps')
    start_time = time.time()
    model = DDPG('LnMlpPolicy' if layer_norm else 'MlpPolicy', env, eval_env=eval_env, buffer_size=int(1e6), verbose=1,
                 seed=seed, **make_noise(noise_type, env.action_space), **kwargs)
    model.learn(total_timesteps=num_timesteps)
    env.close()
    if eval_env is not None:
        eval_env.close()
    logger.info(f"total runtime: {time.time() - start_time:.0f}s")
    return model


def parse_args() -> Dict[str, Any]:
    """Read the command line: the arguments of ``run``."""
    parser = arg_parser()
    parser.add_argument('--env-id', type=str, default='HalfCheetah-v1')
    for name in ('render-eval', 'layer-norm', 'render', 'normalize-returns', 'normalize-observations'):
        boolean_flag(parser, name, default=name in ('layer-norm', 'normalize-observations'))
    parser.add_argument('--seed', help='RNG seed', type=int, default=0)
    parser.add_argument('--critic-l2-reg', type=float, default=1e-2)
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--actor-lr', type=float, default=1e-4)
    parser.add_argument('--critic-lr', type=float, default=1e-3)
    boolean_flag(parser, 'enable-popart', default=False)
    parser.add_argument('--gamma', type=float, default=0.99)
    parser.add_argument('--reward-scale', type=float, default=1.)
    parser.add_argument('--clip-norm', type=float, default=None)
    for name, default in (('nb-train-steps', 50), ('nb-eval-steps', 100), ('nb-rollout-steps', 100)):
        parser.add_argument('--' + name, type=int, default=default)
    parser.add_argument('--noise-type', type=str, default='adaptive-param_0.2',
                        help="'none', or one or two of 'adaptive-param_STD', 'normal_STD', 'ou_STD', with a comma")
    parser.add_argument('--num-timesteps', type=int, default=int(1e6))
    boolean_flag(parser, 'evaluation', default=False)
    return vars(parser.parse_args())


if __name__ == '__main__':
    arguments = parse_args()
    if mpi_rank_or_zero() == 0:
        logger.configure()
    run(**arguments)

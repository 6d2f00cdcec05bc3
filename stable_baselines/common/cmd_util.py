"""Environments ready for training, and what the programs ``run_atari``, ``run_mujoco`` and the like share."""
import argparse
import os
from functools import partial
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Type, Union

import numpy as np

from stable_baselines import logger
from stable_baselines.bench import Monitor
from stable_baselines.common.atari_wrappers import make_atari, wrap_deepmind
from stable_baselines.common.gym_compat import ObservationWrapper, convert_env, is_env, make, spaces
from stable_baselines.common.gym_compat.libraries import LIBRARY
from stable_baselines.common.misc_util import mpi_rank_or_zero, set_global_seeds
from stable_baselines.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack

# What the command lines call the policies. The names are those that models know, so that this needs no TensorFlow.
ATARI_POLICIES = {'cnn': 'CnnPolicy', 'lstm': 'CnnLstmPolicy', 'lnlstm': 'CnnLnLstmPolicy'}

# The same task has another version in each library: gymnasium cannot make the old one.
MUJOCO_ENV = 'Reacher-v5' if LIBRARY.__name__ == 'gymnasium' else 'Reacher-v2'


def _monitor_file(folder: Optional[str], rank: int) -> Optional[str]:
    """Return where the monitor of the environment with this rank writes, None (nowhere) if there is no folder."""
    return None if folder is None else os.path.join(folder, str(rank))


def make_vec_env(env_id: Union[str, Type, Callable[..., Any]], n_envs: int = 1, seed: Optional[int] = None,
                 start_index: int = 0, monitor_dir: Optional[str] = None,
                 wrapper_class: Optional[Callable[[Any], Any]] = None, env_kwargs: Optional[Dict[str, Any]] = None,
                 vec_env_cls: Optional[Callable[..., VecEnv]] = None,
                 vec_env_kwargs: Optional[Dict[str, Any]] = None) -> VecEnv:
    """
    Make several copies of an environment, each with a monitor, and vectorise them.

    :param env_id: the environment's id, or a class or function that makes it
    :param n_envs: how many, at least 1
    :param seed: seed of the first one, the others count up from it; None leaves them random
    :param start_index: number of the first one, added to the seed and used as the name of the monitor's file
    :param monitor_dir: folder for the monitors' files, made if needed; None writes no files
    :param wrapper_class: what else to wrap around each environment, outside of the monitor
    :param env_kwargs: arguments of the environment
    :param vec_env_cls: DummyVecEnv (the default), SubprocVecEnv, ...
    :param vec_env_kwargs: further arguments of that class
    :raises TypeError: if env_id is an environment, or cannot make one
    :raises ValueError: if n_envs is below 1, or no library knows the id
    """
    if not (isinstance(env_id, str) or callable(env_id)) or is_env(env_id):
        raise TypeError(f"env_id={env_id!r}: accepted is an id, or a class or function that makes the environment")
    if n_envs < 1:
        raise ValueError(f"n_envs={n_envs!r}: accepted is an int of at least 1")
    if monitor_dir is not None:
        os.makedirs(monitor_dir, exist_ok=True)

    def build(rank: int) -> Any:
        env = make(env_id, **env_kwargs or {}) if isinstance(env_id, str) else convert_env(env_id(**env_kwargs or {}))
        if seed is not None:
            env.seed(seed + rank)
            env.action_space.seed(seed + rank)
        env = Monitor(env, _monitor_file(monitor_dir, rank))
        return env if wrapper_class is None else wrapper_class(env)

    env_fns = [partial(build, start_index + index) for index in range(n_envs)]
    return (vec_env_cls or DummyVecEnv)(env_fns, **vec_env_kwargs or {})


def make_atari_env(env_id: str, num_env: int, seed: Optional[int], wrapper_kwargs: Optional[Dict[str, Any]] = None,
                   start_index: int = 0, allow_early_resets: bool = True, start_method: Optional[str] = None,
                   use_subprocess: bool = False) -> VecEnv:
    """
    Make several copies of an Atari game with the usual preprocessing, and vectorise them.

    Monitors record the whole games and their true scores, into the logger's folder if there is one. This also seeds
    the global generators.

    :param env_id: the game's id, such as 'BreakoutNoFrameskip-v4'
    :param num_env: how many, at least 1
    :param seed: seed of the first one, the others count up from it; None leaves them random
    :param wrapper_kwargs: arguments of ``wrap_deepmind``
    :param start_index: number of the first one, added to the seed and used as the name of the monitor's file
    :param allow_early_resets: whether a game may be reset before it is over
    :param start_method: how processes are started, see SubprocVecEnv
    :param use_subprocess: whether each of several environments gets a process
    :raises ValueError: if num_env is below 1, or ``make_atari`` does not accept the id
    """
    if num_env < 1:
        raise ValueError(f"num_env={num_env!r}: accepted is an int of at least 1")
    folder = logger.get_dir()  # asked for here, because the logger of another process would not know

    def build(rank: int) -> Any:
        env = make_atari(env_id)
        if seed is not None:
            env.seed(seed + rank)
        env = Monitor(env, _monitor_file(folder, rank), allow_early_resets=allow_early_resets)
        return wrap_deepmind(env, **wrapper_kwargs or {})

    if seed is not None:
        set_global_seeds(seed)
    env_fns = [partial(build, start_index + index) for index in range(num_env)]
    if num_env == 1 or not use_subprocess:
        return DummyVecEnv(env_fns)
    return SubprocVecEnv(env_fns, start_method=start_method)


def train_atari(model_class: Type, env_id: str, num_timesteps: int, seed: int, policy: str, n_envs: int,
                policies: Mapping[str, str] = ATARI_POLICIES, **hyperparameters) -> Any:
    """
    Train a model on an Atari game, on four stacked frames.

    :param model_class: the algorithm
    :param env_id: the game's id
    :param num_timesteps: number of steps, over all environments; each is four frames
    :param seed: seed of the environments and the model
    :param policy: one of ``policies``
    :param n_envs: number of environments
    :param policies: name on the command line -> name of the policy
    :param hyperparameters: further arguments of the model
    :return: the model, its environments closed
    :raises ValueError: for an unknown policy
    """
    if policy not in policies:
        raise ValueError(f"policy={policy!r}: accepted is one of {', '.join(policies)}")
    env = VecFrameStack(make_atari_env(env_id, n_envs, seed), 4)
    try:
        model = model_class(policies[policy], env, verbose=1, seed=seed, **hyperparameters)
        return model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()


def seed_of_process(seed: int) -> int:
    """
    Return the seed of this process of an MPI job: each has its own.

    :param seed: that of the first process
    """
    return seed + 10000 * mpi_rank_or_zero()


def make_mujoco_env(env_id: str, seed: int, allow_early_resets: bool = True) -> Monitor:
    """
    Make an environment, MuJoCo's or another, with a monitor that writes into the logger's folder.

    This also seeds the global generators. Each MPI process has a seed and a file of its own.

    :param env_id: the environment's id
    :param seed: seed of the first process
    :param allow_early_resets: whether an episode may be reset before it is over
    """
    seed = seed_of_process(seed)
    set_global_seeds(seed)
    env = Monitor(make(env_id), _monitor_file(logger.get_dir(), mpi_rank_or_zero()),
                  allow_early_resets=allow_early_resets)
    env.seed(seed)
    return env


def train_mujoco(model_class: Type, env_id: str, num_timesteps: int, seed: int, **hyperparameters) -> Any:
    """
    Train a model with an MlpPolicy on a MuJoCo task, or another; each MPI process has an environment of its own.

    :param model_class: the algorithm
    :param env_id: the environment's id
    :param num_timesteps: number of steps, over all processes
    :param seed: seed of the first process, see ``seed_of_process``
    :param hyperparameters: further arguments of the model
    :return: the model, its environment closed
    """
    env = make_mujoco_env(env_id, seed)
    try:
        model = model_class('MlpPolicy', env, verbose=1, seed=seed_of_process(seed), **hyperparameters)
        return model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()


def mujoco_main(train: Callable[[str, int, int], Any]) -> None:
    """
    Read the command line of ``run_mujoco``, train, and with --play show the result. Only the first process reports, and
    plays.

    :param train: function of the environment's id, the number of steps and the seed that returns the model
    """
    args = mujoco_arg_parser().parse_args()
    first = mpi_rank_or_zero() == 0
    if first:
        logger.configure()
    model = train(args.env, args.num_timesteps, args.seed)
    if args.play and first:
        play(model, make_mujoco_env(args.env, args.seed))


def play(model: Any, env: Any) -> None:
    """Show what a model learned in a single environment, until interrupted."""
    logger.log("Running trained model")
    obs = env.reset()
    while True:
        action, _ = model.predict(obs)
        obs, _, done, _ = env.step(action)
        env.render()
        if done:
            obs = env.reset()


class _FlattenGoal(ObservationWrapper):
    """
    Show the desired goal and the observation of an environment with goals as one vector, float32.

    :param env: the environment, with a Dict of Boxes as observation space
    """
    KEYS = ('desired_goal', 'observation')

    def __init__(self, env: Any):
        super().__init__(env)
        parts = self.observation_space.spaces
        self.observation_space = spaces.Box(low=self.observation({key: parts[key].low for key in self.KEYS}),
                                            high=self.observation({key: parts[key].high for key in self.KEYS}),
                                            dtype=np.float32)

    def observation(self, observation: Dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([np.ravel(observation[key]) for key in self.KEYS]).astype(np.float32)


def make_robotics_env(env_id: str, seed: int, rank: int = 0, allow_early_resets: bool = True) -> Monitor:
    """
    Make an environment with goals, its observation a vector, with a monitor that writes into the logger's folder.

    The vector is the desired goal, then the observation. This also seeds the global generators.

    :param env_id: the environment's id
    :param seed: seed of the environment
    :param rank: number of the environment, the name of the monitor's file
    :param allow_early_resets: whether an episode may be reset before it is over
    """
    set_global_seeds(seed)
    env = Monitor(_FlattenGoal(make(env_id)), _monitor_file(logger.get_dir(), rank),
                  info_keywords=('is_success',), allow_early_resets=allow_early_resets)
    env.seed(seed)
    return env


def arg_parser() -> argparse.ArgumentParser:
    """Create a parser without arguments whose help shows the defaults."""
    return argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def _run_parser(env_id: str, num_timesteps: int) -> argparse.ArgumentParser:
    """Create a parser for --env, --seed and --num-timesteps with these defaults."""
    parser = arg_parser()
    parser.add_argument('--env', help='environment ID', type=str, default=env_id)
    parser.add_argument('--seed', help='RNG seed', type=int, default=0)
    parser.add_argument('--num-timesteps', type=int, default=num_timesteps)
    return parser


def atari_arg_parser() -> argparse.ArgumentParser:
    """Create the parser of ``run_atari``: --env, --seed and --num-timesteps."""
    return _run_parser('BreakoutNoFrameskip-v4', int(1e7))


def atari_policy_parser(policies: Iterable[str] = ATARI_POLICIES, lr_schedule: bool = False) -> argparse.ArgumentParser:
    """Create ``atari_arg_parser()`` with --policy and, for the algorithms that have one, --lr_schedule."""
    parser = atari_arg_parser()
    parser.add_argument('--policy', choices=list(policies), default='cnn', help='Policy architecture')
    if lr_schedule:
        parser.add_argument('--lr_schedule', choices=['constant', 'linear'], default='constant',
                            help='Learning rate schedule')
    return parser


def mujoco_arg_parser() -> argparse.ArgumentParser:
    """Create the parser of ``run_mujoco``: --env, --seed, --num-timesteps and --play."""
    parser = _run_parser(MUJOCO_ENV, int(1e6))
    parser.add_argument('--play', default=False, action='store_true')
    return parser


def robotics_arg_parser() -> argparse.ArgumentParser:
    """Create the parser of ``run_robotics``: --env, --seed and --num-timesteps."""
    return _run_parser('FetchReach-v0', int(1e6))

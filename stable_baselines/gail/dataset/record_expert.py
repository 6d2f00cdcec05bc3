"""Recording of an expert."""
import contextlib
import io
import itertools
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np

from stable_baselines.common import gym_compat
from stable_baselines.common.files.atomic import write_whole
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.spaces import event_shape
from stable_baselines.common.models.base import BaseRLModel
from stable_baselines.common.models.training import check_counts
from stable_baselines.common.vec_env import DummyVecEnv, VecEnv, _vec_normalize_wrappers
from stable_baselines.common.vec_env.base_vec_env import _UnvecWrapper
from stable_baselines.gail.dataset.dataset import write_image

Row = Tuple[Union[np.ndarray, str], Any, float]  # observation or path of an image, action, reward


def generate_expert_traj(model: Union[BaseRLModel, Callable], save_path: Union[None, str, 'os.PathLike[str]'] = None,
                         env: Any = None, n_timesteps: int = 0, n_episodes: int = 100,
                         image_folder: str = 'recorded_images') -> Dict[str, np.ndarray]:
    """
    Record episodes of an expert, see ``ExpertDataset``.

    Each of several environments contributes the same number of episodes, or one more, so that short episodes are not
    favoured. With VecNormalize the data hold the normalised observations, which the expert sees, and the original
    rewards; recording does not update the statistics.

    :param model: the expert: a model, or a function from an observation to an action (for a VecEnv, from the
        observations of all environments to their actions)
    :param save_path: file to write, ``.npz`` is added; its folder is created if needed; None only returns the data
    :param env: an environment or VecEnv with Box or Discrete actions; None means the model's own
    :param n_timesteps: number of steps to train the model first
    :param n_episodes: number of episodes to record
    :param image_folder: folder for images, relative to that of the file, which holds their paths; they are written
        while the episodes run. Without a file images stay in the data
    :return: ``obs`` (absolute paths, if images were written), ``actions``, ``rewards`` and ``episode_starts`` with one
        row per step, and ``episode_returns``, (n_episodes,)
    """
    check_counts(n_episodes=n_episodes)
    if env is None and isinstance(model, BaseRLModel):
        env = model.get_env()
    if env is None:
        raise ValueError("env=None: accepted with a model that has an environment")
    if n_timesteps > 0 and not isinstance(model, BaseRLModel):
        raise ValueError(f"n_timesteps={n_timesteps}: accepted with a model, which can be trained, is a number above 0")
    vec_env, expert = _in_one_form(model, env)
    if not isinstance(vec_env.action_space, (spaces.Box, spaces.Discrete)):
        raise ValueError(f"action_space={vec_env.action_space}: accepted is Box or Discrete")
    path = None if save_path is None else os.path.abspath(os.fspath(save_path))
    folder = None if path is None else os.path.dirname(path)
    if folder is not None:
        os.makedirs(folder, exist_ok=True)  # before the work, not after it
    if n_timesteps > 0 and isinstance(model, BaseRLModel):
        model.learn(n_timesteps)

    with _true_rewards(vec_env) as rewards_of:
        episodes = _record(expert, vec_env, n_episodes, rewards_of, folder and os.path.join(folder, image_folder))
    data = _join(episodes, vec_env)
    if path is not None and folder is not None:
        _write(path if path.endswith('.npz') else path + '.npz', dict(data, obs=_relative(data['obs'], folder)))
    return data


def _in_one_form(model: Any, env: Any) -> Tuple[VecEnv, Callable]:
    """Return a VecEnv, and a function from observations, states and episode starts to actions and states."""
    is_single = not isinstance(env, VecEnv) or isinstance(env, _UnvecWrapper)
    if isinstance(env, _UnvecWrapper):
        env = env.venv
    elif is_single:
        converted = gym_compat.convert_env(env)
        env = DummyVecEnv([lambda: converted])

    def expert(obs: np.ndarray, states: Any, starts: np.ndarray) -> Tuple[np.ndarray, Any]:
        if isinstance(model, BaseRLModel):
            return model.predict(obs, state=states, mask=starts)
        return (np.array([model(obs[0])]) if is_single else np.asarray(model(obs))), None
    return env, expert


@contextlib.contextmanager
def _true_rewards(env: VecEnv) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Freeze the statistics of VecNormalize wrappers; yield a function from a step's rewards to the original ones."""
    wrappers = list(_vec_normalize_wrappers(env))
    training = [wrapper.training for wrapper in wrappers]
    for wrapper in wrappers:
        wrapper.training = False
    try:
        yield lambda rewards: wrappers[-1].get_original_reward() if wrappers else rewards
    finally:
        for wrapper, trained in zip(wrappers, training):
            wrapper.training = trained


def _record(expert: Callable, env: VecEnv, n_episodes: int, rewards_of: Callable[[np.ndarray], np.ndarray],
            image_folder: Optional[str]) -> List[List[Row]]:
    """Return the steps of ``n_episodes`` episodes, in the order in which they ended; images go into the folder."""
    left = [(n_episodes + index) // env.num_envs for index in range(env.num_envs)]
    running: List[List[Row]] = [[] for _ in left]
    episodes = []
    obs, states, starts = env.reset(), None, np.ones(env.num_envs, bool)
    # copies: an environment may reuse its arrays
    keep = np.array if image_folder is None or not _are_images(obs) else _image_writer(image_folder)
    while any(left):
        actions, states = expert(obs, states, starts)
        next_obs, rewards, starts, _ = env.step(actions)
        rewards = rewards_of(rewards)
        for index in np.flatnonzero(left):
            running[index].append((keep(obs[index]), np.array(actions[index]), float(rewards[index])))
            if starts[index]:
                left[index] -= 1
                episodes.append(running[index])
                running[index] = []
        obs = next_obs
    return episodes


def _join(episodes: List[List[Row]], env: VecEnv) -> Dict[str, np.ndarray]:
    """Concatenate the episodes."""
    kept, actions, rewards = zip(*[row for episode in episodes for row in episode])
    lengths = [len(episode) for episode in episodes]
    starts = np.zeros(len(rewards), bool)
    starts[np.cumsum([0] + lengths[:-1])] = True
    n_rows, obs = len(rewards), np.array(kept)
    return dict(
        actions=np.array(actions).reshape((n_rows,) + (event_shape(env.action_space) or (1,))),
        obs=obs if _are_paths(obs) else obs.reshape((n_rows,) + (event_shape(env.observation_space) or (1,))),
        rewards=np.array(rewards), episode_starts=starts,
        episode_returns=np.array([sum(reward for _, _, reward in episode) for episode in episodes]))


def _are_images(obs: np.ndarray) -> bool:
    """Tell whether observations, one row each, are images that can be stored as files."""
    return obs.dtype == np.uint8 and obs.ndim == 4 and obs.shape[-1] in (1, 3, 4)


def _are_paths(obs: np.ndarray) -> bool:
    """Tell whether images have been written to files, whose paths these are."""
    return obs.dtype.kind == 'U'


def _image_writer(folder: str) -> Callable[[np.ndarray], str]:
    """Return a function that writes the next image into a folder, created if needed, and returns its path."""
    os.makedirs(folder, exist_ok=True)
    numbers = itertools.count()

    def write(image: np.ndarray) -> str:
        # JPEG has no alpha channel
        path = os.path.join(folder, f"{next(numbers)}.{'png' if image.shape[-1] == 4 else 'jpg'}")
        write_image(path, image)
        return path
    return write


def _relative(obs: np.ndarray, folder: str) -> np.ndarray:
    """Make paths relative to the folder of the file, so that both can move; return other observations unchanged."""
    return np.array([os.path.relpath(path, folder) for path in obs]) if _are_paths(obs) else obs


def _write(path: str, data: Dict[str, Any]) -> None:
    """Write a .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **data)
    write_whole(path, buffer.getvalue())

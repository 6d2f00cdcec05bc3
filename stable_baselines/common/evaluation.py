"""Run a policy and tell how well it does."""
from typing import Any, Callable, Optional, Tuple, Union

import numpy as np

from stable_baselines.common.gym_compat import Env, convert_env
from stable_baselines.common.vec_env import VecEnv


def evaluate_policy(model: Any, env: Union[Env, VecEnv], n_eval_episodes: int = 10,
                    deterministic: bool = True, render: bool = False, callback: Optional[Callable] = None,
                    reward_threshold: Optional[float] = None, return_episode_rewards: bool = False
                    ) -> Tuple[Any, Any]:
    """
    Run a policy for some episodes and return the mean of their rewards.

    :param model: the agent, or anything with ``predict(obs, state=..., deterministic=...)``
    :param env: the environment; a VecEnv must hold one environment
    :param deterministic: whether the agent takes its most probable action rather than a sampled one
    :param callback: called after each step with ``locals()``, where ``obs`` is what the next action will be chosen
        from, and ``globals()``; its result is ignored
    :param reward_threshold: what the mean must exceed, None for no check
    :param return_episode_rewards: whether to return the rewards and lengths of all episodes instead
    :return: mean and standard deviation of the episode rewards, or rewards and lengths, (n_eval_episodes,) each
    :raises ValueError: if ``n_eval_episodes`` is below 1, or the VecEnv holds several environments
    :raises AssertionError: if the mean reward does not exceed ``reward_threshold``
    """
    if n_eval_episodes < 1:
        raise ValueError(f"n_eval_episodes={n_eval_episodes!r}: accepted is a positive integer")
    is_vec_env = isinstance(env, VecEnv)
    if not is_vec_env:
        env = convert_env(env)
    elif env.num_envs != 1:
        raise ValueError(f"env={env!r}: accepted is one environment, it holds {env.num_envs}")
    is_recurrent = getattr(getattr(model, 'policy', None), 'recurrent', False)

    episode_rewards, episode_lengths = [], []
    for i in range(n_eval_episodes):
        if i == 0 or not is_vec_env:  # a VecEnv has reset itself
            obs = env.reset()
        # without a state the model begins with its initial one, which is why predict needs no mask
        done: Any = False
        state = None
        episode_reward, episode_length = 0.0, 0
        while not done:
            model_obs = _pad_batch(obs, model, is_vec_env) if is_recurrent else obs
            action, state = model.predict(model_obs, state=state, deterministic=deterministic)
            if is_recurrent:
                action = action[:1] if is_vec_env else action[0]
            new_obs, reward, done, _info = env.step(action)
            obs = new_obs
            episode_reward += float(np.squeeze(reward))
            episode_length += 1
            if callback is not None:
                callback(locals(), globals())
            if render:
                env.render()
        episode_rewards.append(episode_reward)
        episode_lengths.append(episode_length)

    mean_reward, std_reward = float(np.mean(episode_rewards)), float(np.std(episode_rewards))
    # as Stable Baselines 2.10: a mean equal to the threshold does not pass, and the error is an AssertionError
    if reward_threshold is not None and not mean_reward > reward_threshold:
        raise AssertionError(f"Mean reward below threshold: {mean_reward:.2f} < {reward_threshold:.2f}")
    return (episode_rewards, episode_lengths) if return_episode_rewards else (mean_reward, std_reward)


def _pad_batch(obs: Any, model: Any, is_batch: bool) -> np.ndarray:
    """Put an observation into the first row of a batch of zeros with the length that a recurrent model expects."""
    row = np.asarray(obs[0] if is_batch else obs)
    batch = np.zeros((getattr(model, 'n_envs', None) or 1,) + row.shape, dtype=row.dtype)
    batch[0] = row
    return batch

"""What a training reports: summaries for TensorBoard, and the episodes that ended."""
from typing import Any, Dict, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import tf_util
from stable_baselines.common.math_util import safe_mean


def build_summaries(losses: Dict[str, tf.Tensor], inputs: Dict[str, tf.Tensor]) -> None:
    """Build what TensorBoard always shows: losses, and the means of the inputs."""
    for tag, tensor in losses.items():
        tf.summary.scalar('loss/' + tag, tensor)
    for tag, tensor in inputs.items():
        tf.summary.scalar('input_info/' + tag, tf.reduce_mean(tensor))


def build_histograms(params: Sequence[tf.Variable], inputs: Dict[str, tf.Tensor], obs_ph: tf.Tensor) -> None:
    """Build what ``full_tensorboard_log`` adds: the distributions of parameters and inputs, and the observations."""
    for variable in params:
        tf.summary.histogram(variable.name.replace(':', '_'), variable)
    for tag, tensor in inputs.items():
        tf.summary.histogram('input_info/' + tag, tensor)
    show = tf.summary.image if tf_util.is_image(obs_ph) and len(obs_ph.shape) == 4 else tf.summary.histogram
    show('input_info/observation', obs_ph)


def write_summary(model: Any, writer: tf.summary.FileWriter, train_function: Any, batch: Any) -> None:
    """
    Write the summary of one batch to TensorBoard, at the number of steps taken so far.

    :param model: the model; its ``summary`` is read every time, because callbacks may merge their own into it
    :param writer: TensorBoard's writer
    :param train_function: the training function, see ``tf_util.batch_function``
    :param batch: what it is about to be called with
    """
    with model.graph.as_default():
        summary = model.sess.run(model.summary, train_function.feed_dict(batch))
        writer.add_summary(summary, model.num_timesteps)


def write_episode_rewards(model: Any, writer: tf.summary.FileWriter, rewards: np.ndarray,
                          episode_starts: np.ndarray) -> None:
    """
    Write the rewards of the episodes that ended during a rollout to TensorBoard.

    :param model: the model; its ``episode_reward`` carries the running episodes from one rollout to the next
    :param writer: TensorBoard's writer
    :param rewards: the rewards, shape (n_envs * n_steps,) or (n_envs, n_steps)
    :param episode_starts: whether an observation began an episode, same shape
    """
    shape = (model.n_envs, -1)
    tf_util.total_episode_reward_logger(model.episode_reward, np.reshape(rewards, shape),
                                        np.reshape(episode_starts, shape), writer,
                                        model.num_timesteps - np.size(rewards))


def write_episode_reward(writer: tf.summary.FileWriter, reward: float, num_timesteps: int) -> None:
    """Write the sum of the rewards of an episode to TensorBoard, at the number of steps when it ended."""
    writer.add_summary(tf_util.scalar_summary("episode_reward", reward), num_timesteps)


def log_episodes(ep_info_buf: Sequence[Dict[str, float]]) -> None:
    """Log the mean reward and length of the last episodes that a Monitor has seen, if there are any."""
    if len(ep_info_buf) > 0 and len(ep_info_buf[0]) > 0:
        logger.logkv('ep_reward_mean', safe_mean([ep_info['r'] for ep_info in ep_info_buf]))
        logger.logkv('ep_len_mean', safe_mean([ep_info['l'] for ep_info in ep_info_buf]))

"""Deep Q Network, https://arxiv.org/abs/1312.5602, with its extensions."""
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple, Type, TypeVar, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import old_names, tf_util
from stable_baselines.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.models import reports
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.off_policy import OffPolicyRLModel
from stable_baselines.common.models.training import Training, as_count, check_counts, check_numbers
from stable_baselines.common.schedules import LinearSchedule
from stable_baselines.deepq.build_graph import Batch, build_q_learning, noise_threshold
from stable_baselines.deepq.policies import DQNPolicy

Model = TypeVar('Model', bound='DQN')


class DQN(OffPolicyRLModel):
    """
    Deep Q Network, https://arxiv.org/abs/1312.5602, with double Q-learning (https://arxiv.org/abs/1509.06461), dueling
    networks (https://arxiv.org/abs/1511.06581), prioritised replay (https://arxiv.org/abs/1511.05952) and parameter
    noise (https://arxiv.org/abs/1706.01905).

    Arguments that all algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param learning_rate: step size, or a function of the progress remaining (1 to 0)
    :param buffer_size: number of transitions in the memory
    :param exploration_fraction: share of the training during which exploration falls to its final value
    :param exploration_final_eps: probability of a random action after that
    :param exploration_initial_eps: probability of a random action at the start
    :param train_freq: number of steps between two gradient steps
    :param batch_size: number of transitions in a gradient step
    :param double_q: whether the network that learns chooses the next action, and the target network only rates it
    :param learning_starts: number of steps before the first gradient step
    :param target_network_update_freq: number of steps between two copies of the network into the target network;
        larger values are slower and more stable
    :param prioritized_replay: whether to draw transitions by their last TD error
    :param prioritized_replay_alpha: how much priorities matter, from 0 (all equal) on
    :param prioritized_replay_beta0: how far importance weights correct for that at the start; 1 corrects fully
    :param prioritized_replay_beta_iters: number of steps until they correct fully; None means the whole training
    :param prioritized_replay_eps: what is added to a TD error, so that nothing is never drawn
    :param param_noise: whether to explore by noise on the weights instead of random actions
    """

    policy_base = DQNPolicy
    action_spaces = (spaces.Discrete,)
    exploration: Any = None  # schedules, from learn on
    beta_schedule: Any = None
    _offered_names = dict(unscaled_action='env_action', reward='rew', mean_reward='mean_100ep_reward')
    _names_of_sb3 = dict(
        OffPolicyRLModel._names_of_sb3, target_update_interval="here it is target_network_update_freq",
        gradient_steps="here it is always 1",
        tau="here the target network is always copied", max_grad_norm="here each gradient is clipped to norm 10")

    def __init__(self, policy: Union[str, Type[DQNPolicy]], env: Any, gamma: float = 0.99,
                 learning_rate: Union[float, Callable] = 5e-4, buffer_size: int = 50000,
                 exploration_fraction: float = 0.1, exploration_final_eps: float = 0.02,
                 exploration_initial_eps: float = 1.0, train_freq: int = 1, batch_size: int = 32,
                 double_q: bool = True, learning_starts: int = 1000, target_network_update_freq: int = 500,
                 prioritized_replay: bool = False, prioritized_replay_alpha: float = 0.6,
                 prioritized_replay_beta0: float = 0.4, prioritized_replay_beta_iters: Optional[int] = None,
                 prioritized_replay_eps: float = 1e-6, param_noise: bool = False, n_cpu_tf_sess: Optional[int] = None,
                 verbose: int = 0, tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None):
        self.gamma = gamma
        self.learning_rate = learning_rate
        self.buffer_size = buffer_size
        self.exploration_fraction = exploration_fraction
        self.exploration_final_eps = exploration_final_eps
        self.exploration_initial_eps = exploration_initial_eps
        self.train_freq = train_freq
        self.batch_size = batch_size
        self.double_q = double_q
        self.learning_starts = learning_starts
        self.target_network_update_freq = target_network_update_freq
        self.prioritized_replay = prioritized_replay
        self.prioritized_replay_alpha = prioritized_replay_alpha
        self.prioritized_replay_beta0 = prioritized_replay_beta0
        self.prioritized_replay_beta_iters = prioritized_replay_beta_iters
        self.prioritized_replay_eps = prioritized_replay_eps
        self.param_noise = param_noise
        super().__init__(policy, env, _init_setup_model=_init_setup_model, verbose=verbose,
                         policy_kwargs=policy_kwargs, seed=seed, n_cpu_tf_sess=n_cpu_tf_sess,
                         tensorboard_log=tensorboard_log, full_tensorboard_log=full_tensorboard_log)

    def setup_model(self) -> None:
        check_counts(target_network_update_freq=as_count(self.target_network_update_freq))
        check_numbers(0, 1, exploration_fraction=self.exploration_fraction,
                      exploration_initial_eps=self.exploration_initial_eps,
                      exploration_final_eps=self.exploration_final_eps,
                      prioritized_replay_beta0=self.prioritized_replay_beta0)
        if self.prioritized_replay_beta_iters is not None:
            check_counts(prioritized_replay_beta_iters=as_count(self.prioritized_replay_beta_iters))
        super().setup_model()
        self.update_target()

    def _make_replay_buffer(self) -> ReplayBuffer:
        if self.prioritized_replay:
            return PrioritizedReplayBuffer(as_count(self.buffer_size), self.prioritized_replay_alpha, self.np_random)
        return super()._make_replay_buffer()

    def _build_graph(self) -> None:
        learning_rate_ph = tf.placeholder(tf.float32, [], name="learning_rate")
        graph = build_q_learning(
            partial(self.policy, **self.policy_kwargs), self.observation_space, self.action_space,
            optimizer=tf_util.Adam(learning_rate_ph), sess=self.sess, grad_norm_clipping=10, gamma=self.gamma,
            double_q=self.double_q, param_noise=self.param_noise, learning_rate_ph=learning_rate_ph)
        self.act, self._train_function, self.update_target, self.step_model, batch_ph, losses = graph
        self.proba_step = self.step_model.proba_step
        self.params = tf_util.get_trainable_vars("deepq")
        self._build_summaries(
            losses=dict(td_error=tf.reduce_mean(losses.td_errors), loss=losses.loss),
            inputs=dict(rewards=batch_ph.rewards, importance_weights=batch_ph.weights,
                        learning_rate=learning_rate_ph), obs_ph=batch_ph.obs)

    def get_parameter_list(self) -> List[tf.Variable]:
        return self.params

    def _pretrain_tensors(self) -> Tuple[tf.Tensor, tf.Tensor]:
        return self.step_model.obs_ph, self.step_model.q_values

    # ---------------------------------------------------------------- training

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "DQN", reset_num_timesteps: bool = True,
              replay_wrapper: Optional[Callable] = None) -> Model:
        return self._learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, replay_wrapper)

    def _start(self, training: Training, replay_wrapper: Optional[Callable], obs: np.ndarray) -> None:
        n_steps = training.total_timesteps
        self.exploration = LinearSchedule(max(1, int(self.exploration_fraction * n_steps)),
                                          final_p=self.exploration_final_eps, initial_p=self.exploration_initial_eps)
        self.beta_schedule = LinearSchedule(self.prioritized_replay_beta_iters or max(1, n_steps), final_p=1.,
                                            initial_p=self.prioritized_replay_beta0)
        super()._start(training, replay_wrapper, obs)

    def _offered_at_start(self, training: Training) -> Dict[str, Any]:
        if not self.prioritized_replay:
            return {}
        return dict(prioritized_replay_beta_iters=self.prioritized_replay_beta_iters or training.total_timesteps)

    def _start_episodes(self, indices: Any) -> None:
        self._episode_starts = True

    def _act(self, obs: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        eps, threshold, kwargs = self.exploration.value(self.num_timesteps), 0., {}
        if self.param_noise:
            # noise on the weights that changes as many actions as randomness would
            eps, threshold = 0., noise_threshold(eps, self.action_space.n)
            kwargs = dict(reset=self._episode_starts, update_param_noise_threshold=threshold,
                          update_param_noise_scale=True)
        self._exploring = dict(update_eps=eps, update_param_noise_threshold=threshold, kwargs=kwargs,
                               reset=self._episode_starts)
        self._episode_starts = False
        actions = self.act(obs, update_eps=eps, **kwargs)
        return actions, actions

    def _offered_at_step(self) -> Dict[str, Any]:
        return self._exploring

    def _train_once(self, learning_rate: float, training: Training,
                    writer: Optional[tf.summary.FileWriter]) -> Tuple[float]:
        beta = dict(beta=self.beta_schedule.value(self.num_timesteps)) if self.prioritized_replay else {}
        experience = self.replay_buffer.sample(self.batch_size, env=self._normalizer, **beta)
        obs, actions, rewards, next_obs, dones, *by_priority = experience
        weights, idxes = by_priority or (np.ones(self.batch_size, np.float32), None)
        batch = Batch(obs, actions, rewards, next_obs, dones, weights, learning_rate)
        if writer is not None:
            reports.write_summary(self, writer, self._train_function, batch)
        losses = self._train_function(batch)
        offered: Dict[str, Any] = {}
        if self.prioritized_replay:
            priorities = np.abs(losses.td_errors) + self.prioritized_replay_eps
            self.replay_buffer.update_priorities(idxes, priorities)
            offered = dict(experience=tuple(experience), new_priorities=priorities)
        if training.callback.listens:
            training.callback.offer(
                obses_t=obs, actions=actions, rewards=rewards, obses_tp1=next_obs, dones=dones, weights=weights,
                batch_idxes=idxes, td_errors=losses.td_errors, can_sample=True, **offered)
        return (losses.loss,)

    def _end_step(self, training: Training, rewards: np.ndarray, dones: np.ndarray,
                  infos: List[Dict[str, Any]]) -> None:
        if self._n_passed(self.target_network_update_freq) and self._can_train():
            self.update_target()
        super()._end_step(training, rewards, dones, infos)

    def _log(self, training: Training) -> None:
        logger.logkv("steps", self.num_timesteps)
        logger.logkv("episodes", len(self.episodes))
        self._log_success()
        logger.logkv("mean 100 episode reward", self.episodes.mean_reward)
        logger.logkv("% time spent exploring", int(100 * self.exploration.value(self.num_timesteps)))
        logger.dumpkvs()

    # ---------------------------------------------------------------- use

    def predict(self, observation: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
                deterministic: bool = True) -> Tuple[np.ndarray, None]:
        (obs, _, _), batched = self._policy_inputs(observation, state, mask)
        actions = self.step_model.step(obs, deterministic=deterministic)[0]
        return (actions if batched else actions[0]), None


old_names.offer(__name__)

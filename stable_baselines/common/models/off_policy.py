"""The base of the models that learn from a replay memory, with the training loop that they share."""
import copy
from abc import abstractmethod
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common.buffers import ReplayBuffer
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.spaces import unscale_action
from stable_baselines.common.math_util import safe_mean
from stable_baselines.common.models import reports
from stable_baselines.common.models.base import BaseRLModel, Callback, Model
from stable_baselines.common.models.training import Training, as_count, check_counts, check_numbers, check_schedules
from stable_baselines.common.policies import BasePolicy
from stable_baselines.common.runners import true_next_obs
from stable_baselines.common.schedules import get_schedule_fn
from stable_baselines.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize


class Episodes:
    """
    The sums of the rewards of the episodes of a training.

    :param n_envs: number of environments
    """

    def __init__(self, n_envs: int):
        self.rewards = [0.]  # of every episode that ended, in this order, and of the one that environment 0 is in
        self.successes: List[float] = []  # what environments that know it say of the episodes that ended
        self.mean_reward = -np.inf  # of the last hundred that ended
        self._running = [0.] * n_envs  # lists: of a few numbers they are faster than arrays

    def __len__(self) -> int:
        return len(self.rewards) - 1

    def add(self, rewards: np.ndarray, ended: Iterable[int], infos: List[Dict[str, Any]]) -> None:
        """Count a step with rewards (n_envs,), which ended the episodes of some environments."""
        self._running = [total + reward for total, reward in zip(self._running, rewards.tolist())]
        for index in ended:
            self.rewards[-1:] = [self._running[index], 0.]
            self._running[index] = 0.
            if infos[index].get('is_success') is not None:
                self.successes.append(float(infos[index]['is_success']))
            self.mean_reward = round(float(np.mean(self.rewards[-101:-1])), 1)
        self.rewards[-1] = self._running[0]


class OffPolicyRLModel(BaseRLModel):
    """
    The base of the models that learn from a replay memory: DQN, DDPG, SAC and TD3. Arguments as for ``BaseRLModel`` and

    :param replay_buffer: the memory; None makes one of ``buffer_size`` transitions

    Every ``train_freq`` steps, as soon as there were ``learning_starts``, a subclass takes ``gradient_steps`` gradient
    steps with batches of the memory. With n environments one call of the loop makes n steps, so that the number of
    gradient steps per transition does not depend on n.

    The memory keeps observations and rewards as they are; with a VecNormalize, batches are normalised when they are
    drawn, with the latest statistics. Continuous actions are kept in [-1, 1].
    """

    _carried = (*BaseRLModel._carried, 'replay_buffer', 'n_updates')

    # what a subclass says of itself, or lets its users say
    gamma = .99
    learning_rate: Any = 0.
    batch_size: int
    buffer_size = 50000
    learning_starts = 0
    train_freq = 1
    gradient_steps = 1
    action_noise: Any = None
    random_exploration = 0.
    tau = 1.  # of soft updates
    samples_actions = False  # whether the policy itself is stochastic
    _actor_name: str  # attribute with the deterministic actions for a batch's observations, within [-1, 1]
    action_spaces: Tuple[type, ...] = (spaces.Box,)
    # what callbacks call the variables of the loop, where an algorithm of Stable Baselines 2.10 has names of its own
    _offered_names: Dict[str, str] = {}

    _names_of_sb3 = dict(
        device="TensorFlow chooses the device", optimize_memory_usage="here large observations are stored once anyway",
        n_steps="here it does not exist", replay_buffer_class="here learn() has a replay_wrapper",
        replay_buffer_kwargs="here learn() has a replay_wrapper", stats_window_size="here it is always 100 episodes")

    n_updates = 0  # gradient steps so far
    _target_init_op: Optional[tf.Operation] = None  # copies initial parameters to target networks
    _noises: Sequence[Any] = ()  # one for each environment, or none
    _normalizer: Optional[VecNormalize] = None  # normalises what the model sees; the memory holds what was before that

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Any, replay_buffer: Any = None,
                 _init_setup_model: bool = False, verbose: int = 0, *, requires_vec_env: Optional[bool] = False,
                 policy_base: Optional[Type[BasePolicy]] = None, policy_kwargs: Optional[Dict[str, Any]] = None,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = None,
                 tensorboard_log: Optional[str] = None, full_tensorboard_log: bool = False):
        self.replay_buffer = replay_buffer
        super().__init__(policy, env, verbose, requires_vec_env=requires_vec_env, policy_base=policy_base,
                         policy_kwargs=policy_kwargs, seed=seed, n_cpu_tf_sess=n_cpu_tf_sess,
                         tensorboard_log=tensorboard_log, full_tensorboard_log=full_tensorboard_log,
                         _init_setup_model=_init_setup_model)

    def setup_model(self) -> None:
        check_counts(batch_size=self.batch_size, gradient_steps=self.gradient_steps,
                     buffer_size=as_count(self.buffer_size), train_freq=as_count(self.train_freq))
        check_numbers(0, learning_starts=self.learning_starts)
        check_numbers(0, 1, gamma=self.gamma, tau=self.tau, random_exploration=self.random_exploration)
        check_schedules(learning_rate=self.learning_rate)
        if not (self.action_noise is None or callable(self.action_noise) and hasattr(self.action_noise, 'reset')):
            raise ValueError(f"action_noise={self.action_noise!r}: accepted is an ActionNoise of common.noise, or None")
        if self.action_space is not None:
            self._check_action_space(self.action_space)
        super().setup_model()
        if self._target_init_op is not None:
            self.sess.run(self._target_init_op)
        if self.replay_buffer is None:
            self.replay_buffer = self._make_replay_buffer()

    def _keep_env(self, env: Any, vec_env: VecEnv) -> None:
        super()._keep_env(env, vec_env)
        normalizer = unwrap_vec_normalize(vec_env)
        # behind a wrapper that makes other observations of its own, such as a stack of frames, it is not what is seen
        sees_same = normalizer is not None and normalizer.observation_space == vec_env.observation_space
        self._normalizer = normalizer if sees_same else None

    def _check_action_space(self, space: spaces.Space) -> None:
        """Refuse actions that the algorithm cannot choose, or cannot scale to [-1, 1]."""
        if not isinstance(space, self.action_spaces):
            accepted = ' or '.join(kind.__name__ for kind in self.action_spaces)
            raise ValueError(f"action_space={space}: accepted by {type(self).__name__} is {accepted}")
        if isinstance(space, spaces.Box) and not (len(space.shape) == 1 and np.isfinite([space.low, space.high]).all()):
            raise ValueError(f"action_space={space}: accepted is a Box of one axis with finite bounds")

    def _make_replay_buffer(self) -> ReplayBuffer:
        """Make the memory."""
        return ReplayBuffer(as_count(self.buffer_size), self.np_random)

    def set_random_seed(self, seed: Optional[int]) -> None:
        super().set_random_seed(seed)
        if seed is not None and self.replay_buffer is not None:
            self.replay_buffer.np_random = self.np_random

    # ---------------------------------------------------------------- the memory

    def is_using_her(self) -> bool:
        """Tell whether the memory relabels goals, see ``HER``."""
        return getattr(self.replay_buffer, 'relabels_goals', False)

    def replay_buffer_add(self, obs_t: np.ndarray, action: Any, reward: float, obs_tp1: np.ndarray, done: float,
                          info: Dict[str, Any]) -> None:
        """
        Store a transition.

        :param obs_t: the observation, not normalised
        :param action: the action; a continuous one within [-1, 1]
        :param reward: the reward, not normalised
        :param obs_tp1: the next observation, at the end of an episode its last one
        :param done: whether the step ended its episode
        :param info: what the environment says of the step
        """
        self.replay_buffer.add(obs_t, action, reward, obs_tp1, done, *([info] if self.is_using_her() else []))

    def _remember(self, obs: np.ndarray, actions: np.ndarray, rewards: np.ndarray, next_obs: np.ndarray,
                  dones: np.ndarray, infos: List[Dict[str, Any]]) -> None:
        """Store a step of all environments."""
        dones = dones.astype(np.float32)
        if self.n_envs == 1 or type(self).replay_buffer_add is not OffPolicyRLModel.replay_buffer_add:
            for transition in zip(obs, actions, rewards, next_obs, dones, infos):
                self.replay_buffer_add(*transition)
        else:
            self.replay_buffer.extend(obs, actions, rewards, next_obs, dones,
                                      *([infos] if self.is_using_her() else []))

    # ---------------------------------------------------------------- acting

    def _act(self, obs: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """
        Choose actions that explore.

        :param obs: shape (n_envs,) + observation shape
        :return: the actions to remember, and those that the environments get
        """
        is_random = np.full(self.n_envs, self.num_timesteps < self.learning_starts)
        if self.random_exploration > 0:
            is_random |= self.np_random.random_sample(self.n_envs) < self.random_exploration
        actions = np.zeros((self.n_envs,) + self.action_space.shape, np.float32)
        if not is_random.all():
            actions = self._with_noise(self._actions_to_explore(obs), self._noises)
        if is_random.any():
            random_actions = self.np_random.uniform(-1, 1, actions.shape).astype(actions.dtype)
            actions = np.where(is_random[:, None], random_actions, actions)
        return actions, unscale_action(self.action_space, actions)

    def _actions_to_explore(self, obs: np.ndarray) -> np.ndarray:
        """Let the policy choose for the next step of the training, before noise is added."""
        return self._policy_actions(obs, deterministic=False)

    def _policy_actions(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        """Let the policy choose continuous actions within [-1, 1]."""
        raise NotImplementedError

    @staticmethod
    def _with_noise(actions: np.ndarray, noises: Sequence[Any]) -> np.ndarray:
        """Add action noise, one for each row, and stay within [-1, 1]; without noises return the actions."""
        if not noises:
            return actions
        return np.clip([action + noise() for action, noise in zip(actions, noises)], -1, 1).astype(actions.dtype)

    def _start_episodes(self, indices: Iterable[int]) -> None:
        """Prepare exploration for new episodes of some environments."""
        for index in indices if self._noises else ():
            self._noises[index].reset()

    def predict(self, observation: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
                deterministic: bool = True) -> Tuple[np.ndarray, None]:
        obs, batched = self._policy_inputs(observation, state, mask)
        actions = self._policy_actions(obs[0], deterministic)
        if not (deterministic or self.samples_actions or self.action_noise is None):
            actions = self._with_noise(actions, [self.action_noise] * len(actions))
        actions = unscale_action(self.action_space, actions)
        return (actions if batched else actions[0]), None

    def _pretrain_tensors(self: Any) -> Tuple[tf.Tensor, tf.Tensor]:
        return self.batch_ph.obs, unscale_action(self.action_space, getattr(self, self._actor_name))

    # ---------------------------------------------------------------- the loop

    @abstractmethod
    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "run", reset_num_timesteps: bool = True,
              replay_wrapper: Optional[Callable] = None) -> Model:
        """
        Train the model; the environments are reset first. Parameters as for ``BaseRLModel.learn`` and

        :param log_interval: number of episodes between two reports; None reports nothing
        :param replay_wrapper: wraps the memory, see ``HER``; None leaves it as it is
        """
        raise NotImplementedError

    def _learn(self: Any, total_timesteps: float, callback: Callback, log_interval: Optional[int], tb_log_name: str,
               reset_num_timesteps: bool, replay_wrapper: Optional[Callable]) -> Any:
        """Do what ``learn`` promises."""
        with Training(self, total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps) as training:
            if replay_wrapper is not None:
                self.replay_buffer = replay_wrapper(self.replay_buffer)
            obs = self.vec_env.reset()
            raw_obs, _ = self._raw(obs)
            self._start(training, replay_wrapper, obs)
            training.callback.on_rollout_start()
            for step in range(0, training.total_timesteps, self.n_envs):
                actions, env_actions = self._act(obs)
                new_obs, rewards, dones, infos = self.vec_env.step(env_actions)
                new_raw_obs, raw_rewards = self._raw(new_obs, rewards)
                next_obs = true_next_obs(new_raw_obs, dones, infos)
                self.num_timesteps += self.n_envs
                stopped = False
                if training.callback.listens:
                    self._offer(training, step=step, obs=obs, action=actions, unscaled_action=env_actions,
                                new_obs=self._as_seen(next_obs), reward=rewards, done=dones, info=infos,
                                **self._offered_at_step())
                    stopped = training.callback.on_step() is False
                if self._ends(stopped):
                    break
                if training.callback.listens:
                    self._offer(training, obs_=raw_obs, new_obs_=next_obs, reward_=raw_rewards)
                self._remember(raw_obs, actions, raw_rewards, next_obs, dones, infos)
                obs, raw_obs = new_obs, new_raw_obs
                for _ in range(self._n_passed(self.train_freq)):
                    training.callback.on_rollout_end()
                    if self._can_train():
                        self._train(training, progress_remaining=1. - step / training.total_timesteps)
                    training.callback.on_rollout_start()
                self._end_step(training, raw_rewards, dones, infos)
        return self

    def _ends(self, stopped: bool) -> bool:
        """Tell whether the training ends with a step, given whether the callback stopped it."""
        return stopped

    def _start(self, training: Training, replay_wrapper: Optional[Callable], obs: np.ndarray) -> None:
        """Prepare what is counted and how to explore, and tell the callback that the training starts."""
        self.episodes = Episodes(self.n_envs)
        self._losses: List[Any] = []  # of the last gradient steps between two rollouts
        self._current_lr = get_schedule_fn(self.learning_rate)(1.)
        self._n_steps_before = self.num_timesteps
        # several environments need noises of their own: a process has a memory
        noises = [self.action_noise] + [copy.deepcopy(self.action_noise) for _ in range(self.n_envs - 1)]
        self._noises = [] if self.action_noise is None else noises
        for noise in self._noises:
            noise.np_random = self.np_random
        self._start_episodes(range(self.n_envs))
        training.start(replay_wrapper=replay_wrapper, start_time=training.start_time, obs=self._shown(obs),
                       episode_rewards=self.episodes.rewards, episode_successes=self.episodes.successes,
                       **self._offered_at_start(training))

    def _offered_at_start(self, training: Training) -> Dict[str, Any]:
        """Name what callbacks see from the start, besides what all algorithms offer."""
        return dict(n_updates=self.n_updates, infos_values=[], current_lr=self._current_lr)

    def _offered_at_step(self) -> Dict[str, Any]:
        """Name what callbacks see of a step, besides what all algorithms offer."""
        return {}

    def _raw(self, obs: np.ndarray, rewards: Any = None) -> Tuple[np.ndarray, Any]:
        """Return the last observations and rewards as they were before they were normalised."""
        normalizer = self._normalizer
        if normalizer is None:
            return obs, rewards
        return normalizer.get_original_obs(), None if rewards is None else normalizer.get_original_reward()

    def _as_seen(self, obs: np.ndarray) -> np.ndarray:
        """Return observations as the model sees them."""
        return obs if self._normalizer is None else self._normalizer.normalize_obs(obs)

    def _offer(self, training: Training, **values) -> None:
        """Offer variables of a step to the callback: those of a single environment without their first axis."""
        training.callback.offer(**{self._offered_names.get(name, name): self._shown(value)
                                   for name, value in values.items()})

    def _shown(self, value: Any) -> Any:
        """Return what callbacks see of values of all environments; other values as they are."""
        if self.n_envs > 1 or not isinstance(value, (np.ndarray, list, tuple)):
            return value
        first = value[0]
        return first.item() if isinstance(first, (np.floating, np.bool_)) else first

    def _n_passed(self, every: int) -> int:
        """Return how many multiples of a number of steps the last step passed or reached."""
        return int(self.num_timesteps // every - (self.num_timesteps - self.n_envs) // every)

    def _can_train(self) -> bool:
        """Tell whether there is enough to learn from."""
        return self.num_timesteps >= self.learning_starts and self.replay_buffer.can_sample(self.batch_size)

    def _train(self, training: Training, progress_remaining: float) -> None:
        """Take the gradient steps between two rollouts."""
        self._current_lr = get_schedule_fn(self.learning_rate)(progress_remaining)
        self._losses = []
        for grad_step in range(self.gradient_steps):
            is_last = grad_step == self.gradient_steps - 1
            self._losses.append(self._train_once(self._current_lr, training, training.writer if is_last else None))
            self.n_updates += 1
        if training.callback.listens:
            training.callback.offer(frac=progress_remaining, grad_step=grad_step, current_lr=self._current_lr,
                                    mb_infos_vals=self._losses, infos_values=np.mean(self._losses, axis=0),
                                    n_updates=self.n_updates)

    def _train_once(self, learning_rate: float, training: Training,
                    writer: Optional[tf.summary.FileWriter]) -> Tuple:
        """Take one gradient step with a batch; return its losses; write a summary if there is a writer."""
        raise NotImplementedError

    def _end_step(self, training: Training, rewards: np.ndarray, dones: np.ndarray,
                  infos: List[Dict[str, Any]]) -> None:
        """Count a step, end the episodes that it ended, and report them."""
        episodes, ended = self.episodes, [index for index, done in enumerate(dones.tolist()) if done]
        n_before = len(episodes)
        episodes.add(rewards, ended, infos)
        if training.callback.listens:
            info = infos[-1]
            self._offer(training, maybe_ep_info=info.get('episode'), maybe_is_success=info.get('is_success'),
                        mean_reward=episodes.mean_reward, num_episodes=len(episodes))
        if not ended:
            return
        self._start_episodes(ended)
        self.ep_info_buf.extend(info['episode'] for info in infos if 'episode' in info)
        for count in range(n_before, len(episodes)):
            if training.writer is not None:
                reports.write_episode_reward(training.writer, episodes.rewards[count], self.num_timesteps)
            if training.reports(count + 1, first=False):
                self._log(training)

    def _log(self, training: Training) -> None:
        """Report the training so far."""
        logger.logkv("episodes", len(self.episodes))
        logger.logkv("mean 100 episode reward", self.episodes.mean_reward)
        if len(self.ep_info_buf) > 0:
            logger.logkv('ep_rewmean', safe_mean([ep_info['r'] for ep_info in self.ep_info_buf]))
            logger.logkv('eplenmean', safe_mean([ep_info['l'] for ep_info in self.ep_info_buf]))
        logger.logkv("n_updates", self.n_updates)
        logger.logkv("current_lr", self._current_lr)
        logger.logkv("fps", int((self.num_timesteps - self._n_steps_before) / training.seconds()))
        logger.logkv('time_elapsed', int(training.seconds()))
        self._log_success()
        if self._losses:
            for name, loss in zip(self._losses[0]._fields, np.mean(self._losses, axis=0)):
                logger.logkv(name, float(loss))
        logger.logkv("total timesteps", self.num_timesteps)
        logger.dumpkvs()

    def _log_success(self) -> None:
        """Log the success rate of the last hundred episodes, where the environment tells it."""
        if self.episodes.successes:
            logger.logkv("success rate", np.mean(self.episodes.successes[-100:]))

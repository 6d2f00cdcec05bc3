"""Advantage Actor Critic, the synchronous form of A3C, https://arxiv.org/abs/1602.01783"""
from typing import Any, Dict, Optional, Type, TypeVar, Union

import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names, tf_util
from stable_baselines.common.models.base import Callback
from stable_baselines.common.models.n_step import NStepRLModel
from stable_baselines.common.policies import BasePolicy
from stable_baselines.common.returns import discount_with_dones  # noqa: F401  (a name of the reference)
from stable_baselines.common.runners import NStepRunner
from stable_baselines.common.vec_env import VecEnv

A2CRunner = NStepRunner  # its name in the reference


Model = TypeVar('Model', bound='A2C')


class A2C(NStepRLModel):
    """
    Advantage Actor Critic, https://arxiv.org/abs/1602.01783

    Arguments that all algorithms share are explained at ``BaseRLModel``.

    :param gamma: discount factor; close to 1 looks further ahead, typical 0.9 to 0.999
    :param n_steps: number of steps of each environment per update; the batch has n_steps * n_envs samples
    :param vf_coef: weight of the value loss
    :param ent_coef: weight of the entropy; larger values explore longer, typical 0 to 0.01
    :param max_grad_norm: gradients are clipped to this global norm; None does not clip
    :param learning_rate: step size at the start
    :param alpha: RMSProp's decay of the mean square of the gradient; closer to 1 averages over more updates
    :param momentum: RMSProp's momentum; 0 has none
    :param epsilon: RMSProp's epsilon, added to the mean square before the root; larger values make smaller and
        steadier steps
    :param lr_schedule: how the learning rate changes over a training: 'constant', 'linear',
        'double_linear_con', 'middle_drop' or 'double_middle_drop'
    """

    _logged_losses = ('policy_entropy', 'value_loss')
    _offered_returns = 'rewards'
    _names_of_sb3 = dict(
        NStepRLModel._names_of_sb3, rms_prop_eps="here it is epsilon", use_rms_prop="here it is always RMSProp",
        gae_lambda="here returns are those of n_steps")

    def __init__(self, policy: Union[str, Type[BasePolicy]], env: Union[VecEnv, Any, str, None], gamma: float = 0.99,
                 n_steps: int = 5, vf_coef: float = 0.25, ent_coef: float = 0.01,
                 max_grad_norm: Optional[float] = 0.5, learning_rate: float = 7e-4, alpha: float = 0.99,
                 momentum: float = 0.0, epsilon: float = 1e-5, lr_schedule: str = 'constant', verbose: int = 0,
                 tensorboard_log: Optional[str] = None, _init_setup_model: bool = True,
                 policy_kwargs: Optional[Dict[str, Any]] = None, full_tensorboard_log: bool = False,
                 seed: Optional[int] = None, n_cpu_tf_sess: Optional[int] = None):
        self.gamma = gamma
        self.n_steps = n_steps
        self.vf_coef = vf_coef
        self.ent_coef = ent_coef
        self.max_grad_norm = max_grad_norm
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.momentum = momentum
        self.epsilon = epsilon
        self.lr_schedule = lr_schedule
        super().__init__(policy, env, _init_setup_model, verbose, policy_kwargs=policy_kwargs, seed=seed,
                         n_cpu_tf_sess=n_cpu_tf_sess, tensorboard_log=tensorboard_log,
                         full_tensorboard_log=full_tensorboard_log)

    def _build_train_op(self) -> tf.Operation:
        optimizer = tf.train.RMSPropOptimizer(learning_rate=self.batch_ph.learning_rate, decay=self.alpha,
                                              momentum=self.momentum, epsilon=self.epsilon)
        return tf_util.minimize(optimizer, self.loss, self.params, self.max_grad_norm)

    def learn(self: Model, total_timesteps: float, callback: Callback = None, log_interval: Optional[int] = 100,
              tb_log_name: str = "A2C", reset_num_timesteps: bool = True) -> Model:
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps)


old_names.offer(__name__)

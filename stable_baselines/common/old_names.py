"""
Names that modules of Stable Baselines 2.10 offered, where nothing of ours needs them.

``old_names.offer(__name__)`` at the end of a module offers those that stand here for it.
"""
import importlib
import sys
from typing import Any, Dict

_BASES = 'ActorCriticRLModel SetVerbosity TensorboardWriter'
_POLICIES = 'ActorCriticPolicy RecurrentActorCriticPolicy'
_DISTRIBUTIONS = ('make_proba_dist_type CategoricalProbabilityDistribution MultiCategoricalProbabilityDistribution '
                  'DiagGaussianProbabilityDistribution BernoulliProbabilityDistribution')

# module -> where its names are now -> the names
TABLE: Dict[str, Dict[str, str]] = {
    'a2c.a2c': {
        'common.base_class': _BASES, 'common.policies': _POLICIES, 'common.runners': 'AbstractEnvRunner',
        'common.schedules': 'Scheduler', 'common.tf_util': 'mse total_episode_reward_logger',
        'common.math_util': 'explained_variance safe_mean'},
    'acer.acer_simple': {
        'common.base_class': _BASES, 'common.policies': _POLICIES, 'common.runners': 'AbstractEnvRunner',
        'common.tf_util': 'batch_to_seq seq_to_batch check_shape avg_norm gradient_add q_explained_variance '
                          'total_episode_reward_logger'},
    'acktr.acktr': {
        'a2c.a2c': 'A2CRunner', 'common.base_class': _BASES, 'common.policies': _POLICIES,
        'common.schedules': 'Scheduler', 'common.tf_util': 'mse total_episode_reward_logger',
        'common.math_util': 'explained_variance safe_mean'},
    'acktr.kfac': {'acktr.kfac_utils': 'detect_min_val factor_reshape gmatmul'},
    'common.policies': {'common.distributions': _DISTRIBUTIONS, 'common.input': 'observation_input'},
    'common.vec_env.vec_video_recorder': {
        'common.vec_env': 'DummyVecEnv SubprocVecEnv VecFrameStack VecNormalize'},
    'ddpg.ddpg': {
        'common.base_class': 'SetVerbosity TensorboardWriter', 'common.policies': 'BasePolicy',
        'common.math_util': 'scale_action', 'common.tf_util': 'total_episode_reward_logger'},
    'ddpg.policies': {'common.policies': 'register_policy'},
    'deepq.dqn': {'common.base_class': 'OffPolicyRLModel SetVerbosity TensorboardWriter'},
    'ppo1.pposgd_simple': {
        'common.base_class': _BASES, 'common.policies': 'ActorCriticPolicy',
        'common.runners': 'traj_segment_generator', 'trpo_mpi.utils': 'add_vtarg_and_adv',
        'common.misc_util': 'flatten_lists zipsame', 'common.dataset': 'Dataset', 'common.mpi_moments': 'mpi_moments',
        'common.tf_util': 'total_episode_reward_logger', 'common.math_util': 'explained_variance'},
    'ppo2.ppo2': {
        'common.base_class': _BASES, 'common.policies': _POLICIES, 'common.runners': 'AbstractEnvRunner',
        'common.tf_util': 'total_episode_reward_logger', 'common.math_util': 'safe_mean'},
    'sac.policies': {'common.policies': 'register_policy', 'common.tf_layers': 'mlp'},
    'sac.sac': {
        'common.base_class': 'SetVerbosity TensorboardWriter', 'common.buffers': 'ReplayBuffer',
        'common.schedules': 'get_schedule_fn', 'common.math_util': 'safe_mean scale_action unscale_action'},
    'td3.policies': {'common.policies': 'register_policy', 'common.tf_layers': 'mlp'},
    'td3.td3': {
        'common.base_class': 'SetVerbosity TensorboardWriter', 'common.buffers': 'ReplayBuffer',
        'common.schedules': 'get_schedule_fn', 'common.math_util': 'safe_mean scale_action unscale_action'},
    'trpo_mpi.trpo_mpi': {
        'common.base_class': _BASES, 'common.policies': 'ActorCriticPolicy',
        'common.runners': 'traj_segment_generator', 'trpo_mpi.utils': 'add_vtarg_and_adv',
        'common.misc_util': 'flatten_lists zipsame', 'common.tf_util': 'total_episode_reward_logger',
        'common.math_util': 'explained_variance'},
}


def offer(module: str) -> None:
    """
    Let a module offer its old names, which are imported when they are asked for.

    This sets ``__getattr__`` where a type checker does not see it, see ``lazy.offer``.
    """
    package, _, short_name = module.partition('.')
    homes = {name: home for home, names in TABLE[short_name].items() for name in names.split()}

    def module_getattr(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(f'{package}.{homes[name]}'), name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    vars(sys.modules[module]).update(__getattr__=module_getattr)

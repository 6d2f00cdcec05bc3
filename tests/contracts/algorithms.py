"""The list of algorithms: one line here brings the tests that every algorithm must pass."""
from collections import namedtuple

from stable_baselines import A2C, ACER, ACKTR, PPO2

# kwargs: a small, quick configuration; changed: for every constructor argument a value that is not the default
Algorithm = namedtuple("Algorithm", ["model_class", "env_id", "n_envs", "steps", "kwargs", "changed", "locals"])

ON_POLICY_LOCALS = ["self", "total_timesteps", "callback", "log_interval", "tb_log_name", "reset_num_timesteps",
                    "new_tb_log", "writer", "mb_obs", "mb_rewards", "mb_actions", "mb_values", "mb_dones", "mb_states",
                    "ep_infos", "actions", "values", "clipped_actions", "rewards", "infos", "info", "maybe_ep_info"]

ACTOR_CRITIC_ARGUMENTS = dict(verbose=1, seed=7, n_cpu_tf_sess=1, policy_kwargs=dict(net_arch=[8]),
                              full_tensorboard_log=True)

ALGORITHMS = [
    Algorithm(ACER, "CartPole-v1", 2, 32, dict(n_steps=4, buffer_size=40, replay_start=8),
              dict(gamma=.9, n_steps=4, num_procs=2, q_coef=.4, ent_coef=.02, max_grad_norm=.3, learning_rate=1e-3,
                   lr_schedule="constant", rprop_alpha=.9, rprop_epsilon=1e-3, buffer_size=40, replay_ratio=2,
                   replay_start=8, correction_term=5., trust_region=False, alpha=.9, delta=.5,
                   **dict(ACTOR_CRITIC_ARGUMENTS, n_cpu_tf_sess=2)),
              ["self", "total_timesteps", "callback", "log_interval", "tb_log_name", "reset_num_timesteps",
               "new_tb_log", "writer", "episode_stats", "buffer", "t_start", "enc_obs", "mb_obs", "mb_actions",
               "mb_mus", "mb_dones", "mb_rewards", "actions", "states", "mus", "clipped_actions", "obs", "rewards",
               "dones"]),
    Algorithm(A2C, "CartPole-v1", 2, 32, dict(n_steps=4),
              dict(gamma=.9, n_steps=4, vf_coef=.4, ent_coef=.02, max_grad_norm=.3, learning_rate=1e-3, alpha=.9,
                   momentum=.1, epsilon=1e-3, lr_schedule="linear", **ACTOR_CRITIC_ARGUMENTS),
              ON_POLICY_LOCALS + ["t_start", "states", "obs", "dones"]),
    Algorithm(ACKTR, "CartPole-v1", 2, 32, dict(n_steps=4),
              dict(gamma=.9, nprocs=2, n_steps=4, ent_coef=.02, vf_coef=.4, vf_fisher_coef=.5, learning_rate=.1,
                   max_grad_norm=.3, kfac_clip=.002, lr_schedule="constant", async_eigen_decomp=True, kfac_update=2,
                   gae_lambda=.9, **dict(ACTOR_CRITIC_ARGUMENTS, n_cpu_tf_sess=2)),
              ON_POLICY_LOCALS + ["tf_vars", "is_uninitialized", "new_uninitialized_vars", "t_start", "coord",
                                  "enqueue_threads", "old_uninitialized_vars", "states", "obs", "dones"]),
    Algorithm(PPO2, "CartPole-v1", 2, 64, dict(n_steps=16, nminibatches=2, noptepochs=2),
              dict(gamma=.9, n_steps=16, ent_coef=.02, learning_rate=1e-3, vf_coef=.4, max_grad_norm=.3, lam=.8,
                   nminibatches=2, noptepochs=3, cliprange=.1, cliprange_vf=.3, **ACTOR_CRITIC_ARGUMENTS),
              ON_POLICY_LOCALS + ["cliprange_vf", "t_first_start", "n_updates", "mb_neglogpacs", "neglogpacs"]),
]

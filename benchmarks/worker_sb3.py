"""Measure a workload with Stable-Baselines3, its contributions, or SBX, which share an interface."""
from typing import Any, Dict

from measuring import main, make_vec_env

# what the arguments of Stable Baselines 2.10 are called here; None: there is no such thing
NAMES: Dict[str, Any] = dict(noptepochs="n_epochs", target_network_update_freq="target_update_interval",
             nb_rollout_steps="train_freq", nb_train_steps="gradient_steps", double_q=None)
# the defaults of Stable Baselines 2.10
DEFAULTS: Dict[str, Dict[Any, Any]] = {
    "PPO2": dict(n_steps=128, n_epochs=4, learning_rate=2.5e-4, ent_coef=0.01),
    "A2C": dict(n_steps=5, learning_rate=7e-4, vf_coef=0.25, ent_coef=0.01),
    "TRPO": dict(n_steps=1024, batch_size=128, gae_lambda=0.98, cg_max_steps=10, cg_damping=0.01, n_critic_updates=3,
                 learning_rate=3e-4, sub_sampling_factor=5),
    "DQN": dict(learning_rate=5e-4, buffer_size=50000, batch_size=32, train_freq=1, target_update_interval=500,
                exploration_final_eps=0.02),
    "DDPG": dict(learning_rate=1e-3, buffer_size=50000, batch_size=128, train_freq=100, gradient_steps=50, tau=0.001,
                 learning_starts=100),
    "SAC": dict(learning_rate=3e-4, buffer_size=50000, batch_size=64, train_freq=1, learning_starts=100),
    "TD3": dict(learning_rate=3e-4, buffer_size=50000, batch_size=128, train_freq=100, gradient_steps=100,
                learning_starts=100),
}
MINIBATCHES = 4  # of PPO2


def prepare(library, threads):
    """Import the library; return versions."""
    import stable_baselines3
    import torch
    if threads is not None:
        torch.set_num_threads(threads)
    versions = dict(stable_baselines3=stable_baselines3.__version__, torch=torch.__version__)
    if library == "sbx":
        import jax
        import sbx
        return dict(versions, sbx=sbx.__version__, jax=jax.__version__)
    return versions


def build(library, workload, clock, threads):
    """Return the environment and what makes the model."""
    from stable_baselines3 import HerReplayBuffer
    from stable_baselines3.common import vec_env

    env = make_vec_env(workload, clock, vars(vec_env))
    arguments = translate(workload)
    arguments["policy_kwargs"] = policy_arguments(library, workload)
    if library == "sb3" and workload.algorithm == "PPO2":
        arguments["clip_range_vf"] = 0.2
    if library == "sb3":  # JAX is on the CPU because JAX_PLATFORMS says so
        arguments["device"] = "cpu"
    if workload.hindsight:
        arguments["replay_buffer_class"] = HerReplayBuffer
    policy = "MultiInputPolicy" if workload.hindsight else workload.policy
    algorithm = find_algorithm(library, workload)
    return env, lambda: algorithm(policy, env, seed=0, **arguments)


def find_algorithm(library, workload):
    """Return the class that has a workload's algorithm."""
    if library == "sbx":
        import sbx as module
    elif workload.algorithm == "TRPO" or workload.policy == "MlpLstmPolicy":
        import sb3_contrib as module
    else:
        import stable_baselines3 as module
    name = "RecurrentPPO" if workload.policy == "MlpLstmPolicy" else workload.algorithm.replace("PPO2", "PPO")
    return getattr(module, name)


def translate(workload):
    """Return the arguments that stand for those of Stable Baselines 2.10."""
    arguments = dict(DEFAULTS[workload.algorithm])
    if workload.algorithm == "PPO2":
        arguments["batch_size"] = arguments["n_steps"] * workload.n_envs // MINIBATCHES
    arguments.update({NAMES.get(name, name): value for name, value in workload.settings.items()})
    arguments.pop(None, None)
    return arguments


def policy_arguments(library, workload):
    """Return what makes the networks those of Stable Baselines 2.10."""
    if workload.policy == "MlpLstmPolicy":
        return dict(net_arch=dict(pi=[], vf=[]), shared_lstm=True, enable_critic_lstm=False,
                    features_extractor_class=_two_layers())
    if workload.policy == "CnnPolicy" and workload.algorithm in ("PPO2", "DQN"):  # 512 features, then the outputs
        return dict(net_arch=[512] if library == "sbx" and workload.algorithm == "DQN" else [])
    return dict(net_arch=workload.settings.get("policy_kwargs", {}).get("layers", [64, 64]))


def _two_layers():
    """Return the class of the layers that stand before the LSTM."""
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from torch import nn

    class TwoLayers(BaseFeaturesExtractor):
        def __init__(self, observation_space):
            super().__init__(observation_space, features_dim=64)
            self.layers = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())

        def forward(self, obs):
            return self.layers(obs)

    return TwoLayers


def load(path, model):
    """Load a model."""
    return type(model).load(path, device="cpu")


if __name__ == "__main__":
    main(prepare, build, load)

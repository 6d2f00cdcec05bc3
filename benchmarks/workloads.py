"""What is measured: plain data, which every library's worker reads."""
from typing import Any, Dict, List, NamedTuple, Sequence

Settings = Dict[str, Any]
EVERYWHERE = "original sb3 sbx"
TOTAL_STEPS = 10 ** 6  # what learn is asked for; the clock ends it long before
EXPLORATION_STEPS = 1000

# what a measurement is, and whether more is better
UNITS = {"learn": ("steps/s", True), "predict": ("calls/s", True), "start": ("s", False), "save": ("ms", False),
         "load": ("ms", False)}


class Workload(NamedTuple):
    """Something to measure."""

    title: str
    peers: str  # the libraries that have it, besides ours
    algorithm: str = "PPO2"  # in Stable Baselines 2
    task: str = "CartPole"
    n_envs: int = 1
    cycle: int = 20  # steps of each environment after which the work repeats
    warm_up: int = 1000  # steps of each environment that are not measured: start-up, compilation, a memory that fills
    settings: Settings = {}  # what differs from the defaults of Stable Baselines 2.10, in its names
    policy: str = "MlpPolicy"
    measures: str = "learn"
    vec_env: str = "DummyVecEnv"
    n_obs: int = 1  # observations in a call of predict
    hindsight: bool = False

    @property
    def unit(self) -> str:
        return UNITS[self.measures][0]

    @property
    def more_is_better(self) -> bool:
        return UNITS[self.measures][1]


def _dqn(**settings: Any) -> Settings:
    return dict(learning_starts=500, exploration_fraction=EXPLORATION_STEPS / TOTAL_STEPS, **settings)


_PLAIN: Settings = dict(double_q=False, policy_kwargs=dict(dueling=False))  # what the other libraries have
_WIDE: Settings = dict(batch_size=256, policy_kwargs=dict(layers=[256, 256]))
_CNN: Settings = dict(policy="CnnPolicy")
_FRAMES: Settings = dict(task="ContinuousFrames", cycle=20, warm_up=140, **_CNN)
_RECURRENT: Settings = dict(policy="MlpLstmPolicy")
_SMALL_MEMORY: Settings = dict(learning_starts=100, buffer_size=500)
_BITS: Settings = dict(task="ContinuousBits", hindsight=True)

WORKLOADS: Dict[str, Workload] = {
    "ppo2-x1": Workload("PPO2, CartPole", EVERYWHERE, cycle=128, warm_up=512),
    "ppo2-x8": Workload("PPO2, 8 CartPoles", EVERYWHERE, n_envs=8, cycle=128, warm_up=256),
    "ppo2-subproc": Workload("PPO2, 8 CartPoles in processes", EVERYWHERE, n_envs=8, cycle=128, warm_up=256,
                             vec_env="SubprocVecEnv"),
    "ppo2-lstm": Workload("PPO2, MlpLstmPolicy, 8 CartPoles", "original sb3", n_envs=8, cycle=128, warm_up=128,
                          policy="MlpLstmPolicy"),
    "ppo2-frames": Workload("PPO2, 8 x 84x84x4 frames", EVERYWHERE + " tf2", "PPO2", "Frames", 8, 128, 128,
                            **_CNN),
    "a2c-x8": Workload("A2C, 8 CartPoles", "original sb3", "A2C", n_envs=8, cycle=5, warm_up=250),
    "acer-x4": Workload("ACER, 4 CartPoles", "original", "ACER", n_envs=4, warm_up=200,
                        settings=dict(replay_start=20)),
    "acktr-x8": Workload("ACKTR, 8 CartPoles", "original", "ACKTR", n_envs=8, warm_up=200),
    "a2c-lstm": Workload("A2C, MlpLstmPolicy, 8 CartPoles", "original", "A2C", n_envs=8, cycle=5, warm_up=25,
                         **_RECURRENT),
    "acer-lstm": Workload("ACER, MlpLstmPolicy, 4 CartPoles", "original", "ACER", n_envs=4, warm_up=40,
                          settings=dict(replay_start=20), **_RECURRENT),
    "acktr-lstm": Workload("ACKTR, MlpLstmPolicy, 8 CartPoles", "original", "ACKTR", n_envs=8, warm_up=240,
                           **_RECURRENT),
    "a2c-frames": Workload("A2C, 8 x 84x84x4 frames", "original", "A2C", "Frames", 8, 5, 10, **_CNN),
    # the decompositions of its large factors would take minutes
    "acktr-frames": Workload("ACKTR, 2 x 84x84x4 frames, before the first decomposition", "original", "ACKTR", "Frames",
                             2, warm_up=20, settings=dict(kfac_update=10 ** 6), **_CNN),
    "ppo1-x1": Workload("PPO1, CartPole", "original", "PPO1", cycle=256, warm_up=512),
    "trpo-x1": Workload("TRPO, CartPole", "original sb3", "TRPO", cycle=1024, warm_up=1024),
    "ppo1-frames": Workload("PPO1, 84x84x4 frames", "original", "PPO1", "Frames", cycle=256, warm_up=256,
                            **_CNN),
    "trpo-frames": Workload("TRPO, 84x84x4 frames", "original", "TRPO", "Frames", cycle=256, warm_up=256,
                            settings=dict(timesteps_per_batch=256), **_CNN),
    "dqn-cartpole": Workload("DQN (double, dueling), CartPole", "original", "DQN", settings=_dqn()),
    "dqn-prioritised": Workload("DQN, prioritised replay", "original", "DQN", settings=_dqn(prioritized_replay=True)),
    "dqn-noise": Workload("DQN, parameter noise", "original", "DQN", settings=_dqn(param_noise=True)),
    "dqn-plain": Workload("DQN, neither double nor dueling", EVERYWHERE, "DQN", settings=_dqn(**_PLAIN)),
    "dqn-frames": Workload("DQN (double, dueling), 84x84x4 frames", "original tf2", "DQN", "Frames", warm_up=520,
                           settings=_dqn(buffer_size=500), **_CNN),
    "dqn-frames-plain": Workload("DQN, neither, 84x84x4 frames", EVERYWHERE, "DQN", "Frames", warm_up=520,
                                 settings=_dqn(buffer_size=500, **_PLAIN), **_CNN),
    "ddpg-64": Workload("DDPG, Pendulum, 64x64", EVERYWHERE, "DDPG", "Pendulum", cycle=100, warm_up=300),
    "ddpg-256": Workload("DDPG, Pendulum, 256x256, batch 256", EVERYWHERE, "DDPG", "Pendulum", cycle=100, warm_up=300,
                         settings=_WIDE),
    "ddpg-popart": Workload("DDPG, Pendulum, Pop-Art", "original", "DDPG", "Pendulum", cycle=100, warm_up=300,
                            settings=dict(normalize_observations=True, normalize_returns=True, enable_popart=True)),
    "ddpg-frames": Workload("DDPG, frames", "original sb3", "DDPG", settings=dict(
        buffer_size=500, batch_size=32, nb_rollout_steps=20, nb_train_steps=10), **_FRAMES),
    "sac-64": Workload("SAC, Pendulum, 64x64", EVERYWHERE, "SAC", "Pendulum", warm_up=300),
    "sac-256": Workload("SAC, Pendulum, 256x256, batch 256", EVERYWHERE, "SAC", "Pendulum", warm_up=300,
                        settings=_WIDE),
    "sac-frames": Workload("SAC, frames", "original sb3", "SAC", settings=dict(_SMALL_MEMORY, batch_size=16),
                           **_FRAMES),
    "td3-64": Workload("TD3, Pendulum, 64x64", EVERYWHERE, "TD3", "Pendulum", cycle=100, warm_up=300),
    "td3-256": Workload("TD3, Pendulum, 256x256, batch 256", EVERYWHERE, "TD3", "Pendulum", cycle=100, warm_up=300,
                        settings=_WIDE),
    "td3-frames": Workload("TD3, frames", "original sb3", "TD3", settings=dict(
        _SMALL_MEMORY, batch_size=16, train_freq=10, gradient_steps=10), **_FRAMES),
    "her-dqn": Workload("HER over DQN, 10 bits", "original", "DQN", "Bits", settings=_dqn(), hindsight=True),
    "her-sac": Workload("HER over SAC, 10 bits", EVERYWHERE, "SAC", warm_up=300, **_BITS),
    "her-td3": Workload("HER over TD3, 10 bits", EVERYWHERE, "TD3", cycle=100, warm_up=300, **_BITS),
    "her-ddpg": Workload("HER over DDPG, 10 bits", "original sb3", "DDPG", cycle=100, warm_up=300, **_BITS),
    "predict-1": Workload("predict, 1 observation", EVERYWHERE, measures="predict"),
    "predict-256": Workload("predict, 256 observations", EVERYWHERE, measures="predict", n_obs=256),
    "start": Workload("import to first predict", EVERYWHERE, measures="start"),
    "save": Workload("save", EVERYWHERE, measures="save"),
    "load": Workload("load", EVERYWHERE, measures="load"),
}


def choose(words: Sequence[str]) -> List[str]:
    """
    Return the workloads that are named, or whose family (``ppo2``, ``dqn``) is; all for no words.

    :raises ValueError: if a word names none
    """
    for word in words:
        if not any(name == word or name.startswith(word + "-") for name in WORKLOADS):
            raise ValueError(f"workload {word!r}: accepted are {', '.join(WORKLOADS)}, or what stands before a hyphen")
    return [name for name in WORKLOADS
            if not words or any(name == word or name.startswith(word + "-") for word in words)]

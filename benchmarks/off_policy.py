"""
Speed of the algorithms with a replay memory beside Stable Baselines 2.10.2, in steps per second of one ``learn``.

    python benchmarks/off_policy.py --peer-python /path/to/python

where the other Python has ``stable-baselines==2.10.2``. DQN on CartPole, DDPG, SAC and TD3 on Pendulum, HER on bit
flipping, all with their default hyperparameters but an early start of learning, and on frames (random 84x84x4 images,
the Nature network). One thread of TensorFlow. Each measurement is a process of its own, ours and theirs by turns; what
counts is the median ratio. Without a peer only our own speed is measured.
"""
import time

import numpy as np
from peer import main, make_cartpole

# name: algorithm, environment, constructor arguments, steps in 10 seconds, the ratio to be reached
CASES = {
    'dqn': ('DQN', 'cartpole', dict(learning_starts=500), 8000, 3.),
    'dqn-prioritized': ('DQN', 'cartpole', dict(learning_starts=500, prioritized_replay=True), 5000, 4.),
    'dqn-param-noise': ('DQN', 'cartpole', dict(learning_starts=500, param_noise=True), 5000, 1.),
    'sac': ('SAC', 'pendulum', {}, 4000, 2.),
    'td3': ('TD3', 'pendulum', {}, 4000, 2.),
    'ddpg': ('DDPG', 'pendulum', {}, 6000, 1.5),
    'ddpg-popart': ('DDPG', 'pendulum', dict(normalize_observations=True, normalize_returns=True, enable_popart=True),
                    6000, 1.),
    'her-dqn': ('DQN', 'bits', dict(learning_starts=500), 8000, 1.),
    'her-sac': ('SAC', 'continuous bits', {}, 4000, 2.),
    'her-td3': ('TD3', 'continuous bits', {}, 4000, 1.),
    'her-ddpg': ('DDPG', 'continuous bits', {}, 6000, 1.),
    'dqn-frames': ('DQN', 'frames', dict(learning_starts=50, buffer_size=1000), 400, 1.2),
    'sac-frames': ('SAC', 'continuous frames', dict(learning_starts=20, buffer_size=1000, batch_size=16), 150, 1.),
    'td3-frames': ('TD3', 'continuous frames', dict(learning_starts=20, buffer_size=1000, batch_size=16, train_freq=10,
                                                    gradient_steps=10), 150, 1.),
    'ddpg-frames': ('DDPG', 'continuous frames', dict(buffer_size=1000, batch_size=32, nb_rollout_steps=20,
                                                      nb_train_steps=10), 100, 1.),
}


def make_frames(continuous):
    """Make an environment of random images, with episodes of 100 steps."""
    import gym
    from gym import spaces

    class Frames(gym.Env):
        observation_space = spaces.Box(low=0, high=255, shape=(84, 84, 4), dtype=np.uint8)
        action_space = spaces.Box(low=-1, high=1, shape=(2,), dtype=np.float32) if continuous else spaces.Discrete(4)
        images = np.random.RandomState(0).randint(256, size=(101, 84, 84, 4)).astype(np.uint8)

        def reset(self):
            self.time = 0
            return self.images[0]

        def step(self, action):
            self.time += 1
            return self.images[self.time], 1., self.time == 100, {}

    return Frames()


def make_env(name):
    """Make an environment that a case names."""
    import gym
    if name == 'cartpole':
        return make_cartpole()
    if name == 'pendulum':
        return gym.make('Pendulum-v0')
    if name.endswith('frames'):
        return make_frames(name.startswith('continuous'))
    from stable_baselines.common.bit_flipping_env import BitFlippingEnv
    return BitFlippingEnv(10, continuous=name.startswith('continuous'), max_steps=10)


def steps_per_second(case: str, seconds: float) -> float:
    """
    Measure one case with the ``stable_baselines`` that this Python imports.

    :param case: a key of ``CASES``
    :param seconds: about how long the original would train
    :return: steps per second
    """
    import stable_baselines

    algorithm, env_name, arguments, steps, _ = CASES[case]
    model_class, env = getattr(stable_baselines, algorithm), make_env(env_name)
    arguments = dict(arguments, seed=0, n_cpu_tf_sess=1)
    policy = 'CnnPolicy' if env_name.endswith('frames') else 'MlpPolicy'
    model = stable_baselines.HER(policy, env, model_class, **arguments) if case.startswith('her') \
        else model_class(policy, env, **arguments)
    n_steps = max(20, int(steps * seconds / 10))
    start = time.time()
    model.learn(n_steps)
    return n_steps / (time.time() - start)


if __name__ == '__main__':
    main(__file__, __doc__, {case: target for case, (*_, target) in CASES.items()}, steps_per_second)

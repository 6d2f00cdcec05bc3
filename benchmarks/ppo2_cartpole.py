"""
Speed of PPO2 on CartPole-v1 beside Stable Baselines 2.10.2, in environment steps per second of ``learn``.

    python benchmarks/ppo2_cartpole.py --peer-python /path/to/python

where the other Python has ``stable-baselines==2.10.2``. Default hyperparameters, ``DummyVecEnv``, 1 and 8
environments, TensorFlow's default threads and one thread. Each measurement is a process of its own, ours and theirs by
turns; what counts is the median ratio. Without a peer only our own speed is measured.
"""
from peer import learning_speed, main, make_cartpole

# name: number of environments, n_cpu_tf_sess, the ratio to be reached
CASES = {
    '1-env': (1, None, 2.0),
    '8-envs': (8, None, 1.5),
    '1-env-1-thread': (1, 1, 2.0),
    '8-envs-1-thread': (8, 1, 1.5),
}
ROLLOUT = 128  # PPO2's default n_steps


def steps_per_second(case: str, seconds: float) -> float:
    """
    Measure one case with the ``stable_baselines`` that this Python imports.

    :param case: a key of ``CASES``
    :param seconds: about how long to train
    :return: steps of single environments per second
    """
    from stable_baselines import PPO2
    from stable_baselines.common.vec_env import DummyVecEnv

    n_envs, n_threads, _ = CASES[case]
    model = PPO2('MlpPolicy', DummyVecEnv([make_cartpole] * n_envs), seed=0, n_cpu_tf_sess=n_threads, verbose=0)
    return learning_speed(model, ROLLOUT * n_envs, seconds)


if __name__ == '__main__':
    main(__file__, __doc__, {case: target for case, (_, _, target) in CASES.items()}, steps_per_second)

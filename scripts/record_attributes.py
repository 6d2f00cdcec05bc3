"""Record what the objects of Stable Baselines 2.10.2 offer, for tests/test_public_api.py.

Usage, in an environment with stable-baselines 2.10.2, mpi4py and gym 0.17: python scripts/record_attributes.py

Written is tests/data/attributes.json: for each object (a model of every algorithm, its policies, runner and replay
buffer, wrappers of environments, callbacks, ...) its public attributes, without methods, by the kind of their values:
right after construction, and for models after a short training, where that differs. "ancestors" has every public class
with its base classes, the indirect ones included.

The tests run the same functions on this package, so only public names of 2.10 are used here.
"""
import builtins
import functools
import importlib
import inspect
import json
import os
import tempfile
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
OUTPUT = DATA / "attributes.json"
POLICIES = "act_model train_model step_model policy_tf target_policy policy_pi old_policy param_noise_actor model"

# Algorithm or its variant -> class, policy, keywords
MODELS = {
    "A2C": ("A2C", "MlpPolicy", dict(n_steps=8)),
    "A2C, recurrent": ("A2C", "MlpLstmPolicy", dict(n_steps=8)),
    "ACER": ("ACER", "MlpPolicy", dict(n_steps=8, replay_start=8)),
    "ACKTR": ("ACKTR", "MlpPolicy", dict(n_steps=8)),
    "DDPG": ("DDPG", "MlpPolicy", dict(nb_rollout_steps=8, nb_train_steps=2, batch_size=8)),
    "DDPG, all on": ("DDPG", "LnMlpPolicy", dict(nb_rollout_steps=8, nb_train_steps=2, batch_size=8, param_noise=True,
                                                 normalize_observations=True, normalize_returns=True,
                                                 enable_popart=True)),
    "DQN": ("DQN", "MlpPolicy", dict(learning_starts=8)),
    "DQN, prioritized": ("DQN", "MlpPolicy", dict(learning_starts=8, prioritized_replay=True, param_noise=True)),
    "GAIL": ("GAIL", "MlpPolicy", dict(timesteps_per_batch=16)),
    "HER, DQN": ("HER", "MlpPolicy", dict(model_class="DQN", learning_starts=8)),
    "HER, SAC": ("HER", "MlpPolicy", dict(model_class="SAC", learning_starts=8)),
    "PPO1": ("PPO1", "MlpPolicy", dict(timesteps_per_actorbatch=16, optim_batchsize=8)),
    "PPO2": ("PPO2", "MlpPolicy", dict(n_steps=8, nminibatches=1)),
    "PPO2, recurrent": ("PPO2", "MlpLstmPolicy", dict(n_steps=8, nminibatches=1)),
    "SAC": ("SAC", "MlpPolicy", dict(learning_starts=8, batch_size=8)),
    "SAC, fixed ent_coef": ("SAC", "MlpPolicy", dict(learning_starts=8, batch_size=8, ent_coef=.1)),
    "TD3": ("TD3", "MlpPolicy", dict(learning_starts=8, batch_size=8, train_freq=8, gradient_steps=8)),
    "TRPO": ("TRPO", "MlpPolicy", dict(timesteps_per_batch=16)),
}


def kind_of(value):
    """Say what a value is, in words that hold for every version of TensorFlow, NumPy and gym."""
    if value is None:
        return "None"
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, (int, float, np.number)):
        return "number"
    for name in ("str", "list", "tuple", "dict", "type"):
        if isinstance(value, getattr(builtins, name)):
            return name
    if "tensorflow" in type(value).__module__:
        return next((name for name in ("Variable", "Tensor") if name in type(value).__name__), type(value).__name__)
    if inspect.isroutine(value) or isinstance(value, functools.partial):
        return "callable"
    if all(hasattr(value, name) for name in ("reset", "step", "action_space")) and not hasattr(value, "num_envs"):
        return "environment"  # of whatever library
    return type(value).__name__


def attributes_of(value):
    """Return the kinds of an object's public attributes, except for methods and what can not be read."""
    kinds = {}
    for name in dir(value):
        if not name.startswith("_") and not inspect.isroutine(getattr(type(value), name, None)):
            try:
                kinds[name] = kind_of(getattr(value, name))
            except Exception:  # whatever a property raises, for example where there is no runner
                continue
    return kinds


def difference(before, after):
    """Keep of the attributes ``after`` what is new or of another kind."""
    return {name: kind for name, kind in after.items() if before.get(name) != kind}


def make_expert(size, n_actions):
    """Return a data set of random demonstrations."""
    from stable_baselines.gail import ExpertDataset
    return ExpertDataset(verbose=0, batch_size=8, traj_data=dict(
        obs=np.zeros((40, size)), actions=np.arange(40).reshape(40, 1) % n_actions,
        episode_starts=np.arange(40) % 10 == 0, episode_returns=np.full(4, 10.)))


def make_env(model, model_class):
    """Return the environment of a case: discrete actions if it takes them, goals if it needs them."""
    from stable_baselines.common.bit_flipping_env import BitFlippingEnv
    from stable_baselines.common.cmd_util import make_vec_env
    if model == "HER":
        return BitFlippingEnv(4, continuous=model_class == "SAC", max_steps=4)
    if model in ("DDPG", "SAC", "TD3"):
        from stable_baselines.common.identity_env import IdentityEnvBox
        return make_vec_env(IdentityEnvBox, n_envs=1)
    return make_vec_env("CartPole-v1", n_envs=2 if model in ("A2C", "ACER", "ACKTR", "PPO2") else 1)


def make_model(case):
    """Build the model of a case."""
    import stable_baselines
    name, policy, kwargs = MODELS[case]
    kwargs = dict(kwargs, seed=0)
    env = make_env(name, kwargs.get("model_class"))
    if "model_class" in kwargs:
        kwargs["model_class"] = getattr(stable_baselines, kwargs["model_class"])
    if name == "GAIL":
        kwargs["expert_dataset"] = make_expert(4, 2)
    if kwargs.get("param_noise") is True and name == "DDPG":
        from stable_baselines.common.noise import AdaptiveParamNoiseSpec
        kwargs["param_noise"] = AdaptiveParamNoiseSpec()
    return getattr(stable_baselines, name)(policy, env, **kwargs)


def observe_model(case):
    """Describe a model and what it holds, before and after a training."""
    model = make_model(case)
    parts = {"": attributes_of(model)}
    model.learn(64)
    parts["after learn"] = difference(parts[""], attributes_of(model))
    for name in POLICIES.split() + ["runner", "replay_buffer"]:
        if parts[""].get(name, "None") not in ("None", "callable") or name in parts["after learn"]:
            parts[name] = attributes_of(getattr(model, name))
    return parts


def observe_callbacks():
    """Describe the callbacks during a training."""
    from stable_baselines import A2C
    from stable_baselines.common import callbacks
    from stable_baselines.common.cmd_util import make_vec_env
    with tempfile.TemporaryDirectory() as folder:
        class Own(callbacks.BaseCallback):
            def _on_step(self):
                return True
        every = callbacks.EveryNTimesteps(8, Own())
        evaluation = callbacks.EvalCallback(
            make_vec_env("CartPole-v1"), n_eval_episodes=1, eval_freq=4, log_path=folder, best_model_save_path=folder,
            callback_on_new_best=callbacks.StopTrainingOnRewardThreshold(1e9), verbose=0)
        listed = [Own(), callbacks.CheckpointCallback(8, folder), every, evaluation]
        seen = {}

        def function(locals_, _):
            seen.update(locals_["self"].__dict__)
            return True
        whole = callbacks.CallbackList(listed + [callbacks.ConvertCallback(function)])
        A2C("MlpPolicy", make_vec_env("CartPole-v1"), n_steps=8).learn(32, callback=whole)
    return {type(each).__name__: attributes_of(each)
            for each in listed + [whole, whole.callbacks[-1], every.callback, evaluation.callback]}


def observe_others():
    """Describe wrappers of environments, buffers, noises, schedules and the like."""
    from stable_baselines import logger
    from stable_baselines.bench import Monitor
    from stable_baselines.common import bit_flipping_env, buffers, noise, running_mean_std, schedules, vec_env
    from stable_baselines.common.cmd_util import make_vec_env
    env = make_vec_env("CartPole-v1", n_envs=2)
    normalized = vec_env.VecNormalize(env)
    normalized.reset()
    normalized.step(np.zeros(2, int))
    simple_env = env.envs[0].env
    replay = [buffers.ReplayBuffer(8), buffers.PrioritizedReplayBuffer(8, .6)]
    dataset = make_expert(4, 2)
    objects = replay + [
        env, normalized, normalized.obs_rms, vec_env.VecFrameStack(env, 2), vec_env.VecCheckNan(env),
        Monitor(simple_env, None), noise.NormalActionNoise(np.zeros(1), np.ones(1)),
        noise.OrnsteinUhlenbeckActionNoise(np.zeros(1), np.ones(1)), noise.AdaptiveParamNoiseSpec(),
        running_mean_std.RunningMeanStd(), schedules.LinearSchedule(10, 0.), schedules.ConstantSchedule(1.),
        schedules.PiecewiseSchedule([(0, 1.), (1, 2.)]), schedules.Scheduler(1., 10, "linear"),
        dataset, dataset.dataloader, logger.Logger.CURRENT]
    descriptions = {type(each).__name__: attributes_of(each) for each in objects}
    processes = vec_env.SubprocVecEnv([bit_flipping_env.BitFlippingEnv], start_method="spawn")
    descriptions["SubprocVecEnv"] = attributes_of(processes)
    processes.close()
    return descriptions


def ancestors():
    """List for every public class of tests/data/public_api.json its direct and indirect base classes."""
    api, found = json.loads((DATA / "public_api.json").read_text()), {}
    for module, description in sorted(api.items()):
        for name in sorted(description["classes"]):
            try:
                cls = getattr(importlib.import_module(module), name)
            except Exception:  # run_robotics cannot be imported without a simulator
                continue
            found[f"{module}.{name}"] = [f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__[1:-1]]
    return found


def by_kind(description):
    """Write {attribute: kind} as {kind: "attribute attribute ..."}."""
    groups = {}
    for name, kind in sorted(description.items()):
        groups.setdefault(kind, []).append(name)
    return {kind: " ".join(names) for kind, names in sorted(groups.items())}


def main():
    """Write what is found in the installed package."""
    os.chdir(tempfile.mkdtemp())
    objects = {f"{case} / {part}".rstrip(" /"): description for case in MODELS
               for part, description in observe_model(case).items()}
    objects.update(observe_callbacks(), **observe_others())
    recorded = {"objects": {name: by_kind(description) for name, description in objects.items()},
                "ancestors": ancestors()}
    lines = (f"{json.dumps(group)}: {{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value
                                                       in sorted(recorded[group].items())) + "\n}"
             for group in recorded)
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

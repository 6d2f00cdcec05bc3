"""What callbacks see in ``locals``, at every event, is what the original shows there: names, kinds, shapes, dtypes.

``data/callback_locals.json`` records the original; its entry "_about" explains the form. ``docs/differences.md`` gives
the reasons for what is exempt here.
"""
import json

import numpy as np
import pytest

from helpers import ROOT, Pendulum
from stable_baselines import A2C, ACER, ACKTR, DDPG, DQN, GAIL, HER, PPO1, PPO2, SAC, TD3, TRPO
from stable_baselines.bench import Monitor
from stable_baselines.common import gym_compat
from stable_baselines.common.bit_flipping_env import BitFlippingEnv
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.vec_env import DummyVecEnv
from stable_baselines.gail import ExpertDataset

RECORDED = json.loads((ROOT / "tests" / "data" / "callback_locals.json").read_text())
MODELS = {"ddpg": DDPG, "a2c": A2C, "acer": ACER, "acktr": ACKTR, "ppo2": PPO2, "td3": TD3, "dqn": DQN, "sac": SAC,
          "her": HER, "ppo1": PPO1, "trpo": TRPO, "gail": GAIL}
# how the off-policy algorithms were trained for the record
OFF_POLICY = {"ddpg": dict(nb_rollout_steps=20, nb_train_steps=2, batch_size=16),
              "dqn": dict(prioritized_replay=True, learning_starts=20), "td3": dict(learning_starts=50, batch_size=32),
              "sac": dict(learning_starts=50, batch_size=32), "her": dict(learning_starts=10, batch_size=32)}
# those of a single environment
TRAJECTORIES = {"ppo1": {}, "trpo": dict(timesteps_per_batch=32), "gail": dict(timesteps_per_batch=64)}
# numbers, which the original shows as arrays of shape (1, 1)
GIVEN_REWARDS = {"reward", "cur_ep_ret"}
CASES = [case for case in RECORDED if case.split()[0].rstrip(",") in MODELS]

# number 26 of docs/differences.md: what the original shows there is of use to nobody
EXEMPT = {
    "_": "a throw-away variable",
    "self": "always the model; the original gives its runner during a rollout",
    "coord": "there are no queues", "enqueue_threads": "there are no queues",
    "tf_vars": "variables are ready before learn", "is_uninitialized": "variables are ready before learn",
    "new_uninitialized_vars": "variables are ready before learn",
    "old_uninitialized_vars": "variables are ready before learn",
}


# when episodes end depends on the actions that were drawn
DRAWN = ("ep_infos", "ep_lens", "ep_rets", "ep_true_rets", "episode_rewards", "episode_successes", "info", "infos",
         "maybe_ep_info")
# for the same reason these are sometimes the 0 of a new episode, an integer, where the record shows a float
RUNNING = {"cur_ep_ret", "cur_ep_true_ret"}
# the original's DDPG begins the next rollout before it trains, and does not train after the last one
TRAINED = {"epoch_actor_losses", "epoch_critic_losses", "epoch_adaptive_distances"}


class Recorder(BaseCallback):
    """Describes ``locals`` at every event, under the names of the record."""

    def __init__(self):
        super().__init__()
        self.events = {}

    def _note(self, event, first=False):
        description = {name: describe(value) for name, value in self.locals.items()}
        if first:
            self.events.setdefault(f"{event} (first)", description)
        self.events[f"{event} (last)" if first or event == "on_rollout_end" else event] = description

    def _on_training_start(self):
        self._note("on_training_start")

    def _on_rollout_start(self):
        self._note("on_rollout_start", first=True)

    def _on_step(self):
        self._note("on_step", first=True)

    def _on_rollout_end(self):
        self._note("on_rollout_end")

    def _on_training_end(self):
        self._note("on_training_end")


def describe(value):
    """Describe a value in the form of the record."""
    if isinstance(value, np.ndarray):
        return {"ndarray": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: len(value), "first": describe(value[0]) if value else None}
    if isinstance(value, dict):
        return {"dict": sorted(value)}
    if value is None or type(value).__module__ == "builtins":
        return "None" if value is None else type(value).__name__
    return f"{type(value).__module__.split('.')[0]}:{type(value).__name__}"


def plain(description):
    """Reduce a description to what has to be equal: an array may stand for a list of its rows."""
    if description == "builtins:function" or description == "function":
        return "function"
    if isinstance(description, str):
        return description.rpartition(":")[2].replace("numpy.", "")
    for kind in ("list", "tuple"):
        if kind in description:
            rows = plain(description["first"]) if description["first"] is not None else None
            if isinstance(rows, tuple) and rows[0] == "array":
                return ("array", (description[kind], *rows[1]), rows[2])
            # the original's first mb_dones are Python's booleans
            if rows in ("bool", "bool_"):
                return ("array", (description[kind],), "bool")
            return (kind, description[kind], rows)
    if "ndarray" in description:
        return ("array", tuple(description["ndarray"]), description["dtype"])
    return ("dict", tuple(description["dict"]))


def same_kind(description):
    """
    Let all floats look alike in a reduced description.

    Without a VecEnv inside, the original's algorithms of a single environment pass on what an environment returns, such
    as rewards of float64; ours are those of every VecEnv: float32, and for the bits of HER's record int8.
    """
    if isinstance(description, tuple):
        return tuple(map(same_kind, description))
    return "float" if description in ("float32", "float64", "int8") else description


def fits(ours, theirs, floats_alike=False):
    """Whether our description stands for the original's; of an empty list only the length is known."""
    ours, theirs = plain(ours), plain(theirs)
    if floats_alike:
        ours, theirs = same_kind(ours), same_kind(theirs)
    if isinstance(theirs, tuple) and theirs[1] == 0:
        return ours[1] == 0 or ours[1][0] == 0
    if isinstance(theirs, tuple) and theirs[0] == "tuple":  # its elements differ; the first is the observations
        return ours[:2] == theirs[:2] and ours[2] == theirs[2]
    if isinstance(theirs, tuple) and theirs[:1] == ("dict",) or theirs in ("Recorder",):
        return True if theirs == "Recorder" else ours == theirs
    return ours == theirs


def train(case):
    """Repeat the training of a record with our library."""
    algorithm, recorder = case.split()[0].rstrip(","), Recorder()
    if algorithm == "her":
        inner = case.split()[1]
        HER("MlpPolicy", BitFlippingEnv(4, continuous=inner != "dqn"), MODELS[inner], seed=0, n_cpu_tf_sess=1,
            **OFF_POLICY[algorithm]).learn(RECORDED[case]["steps"], callback=recorder)
        return recorder.events
    if algorithm in OFF_POLICY:
        env = Monitor(gym_compat.make("CartPole-v1") if algorithm == "dqn" else Pendulum(), None)
        model = MODELS[algorithm]("MlpPolicy", env, seed=0, n_cpu_tf_sess=1, **OFF_POLICY[algorithm])
        model.learn(RECORDED[case]["steps"], callback=recorder)
        return recorder.events
    if algorithm in TRAJECTORIES:
        kwargs = dict(TRAJECTORIES[algorithm], seed=0, n_cpu_tf_sess=1)
        if algorithm == "gail":
            kwargs["expert_dataset"] = ExpertDataset(verbose=0, traj_data=dict(
                obs=np.zeros((9, 4)), actions=np.zeros((9, 1), int), episode_starts=np.arange(9) == 0,
                episode_returns=[9]))
        model = MODELS[algorithm]("MlpPolicy", Monitor(gym_compat.make("CartPole-v1"), None), **kwargs)
        model.learn(RECORDED[case]["steps"], callback=recorder)
        return recorder.events
    n_envs = int(case.split(" envs")[0].split()[-1])
    env = DummyVecEnv([lambda: Monitor(gym_compat.make("CartPole-v1"), None)] * n_envs)
    kwargs = dict(n_steps=int(case.rpartition("=")[2]), seed=0, n_cpu_tf_sess=1)
    if algorithm == "ppo2":
        kwargs["nminibatches"] = 1
    if algorithm == "acer":
        kwargs.update(replay_start=kwargs["n_steps"], buffer_size=1000)
    MODELS[algorithm]("MlpLstmPolicy" if "lstm" in case else "MlpPolicy", env, **kwargs).learn(
        RECORDED[case]["steps"], callback=recorder)
    return recorder.events


@pytest.mark.parametrize("case", CASES)
def test_callbacks_see_what_the_original_shows(case):
    events = train(case)
    problems = []
    for event, names in RECORDED[case]["events"].items():
        offered = events[event]
        for name, theirs in names.items():
            if name in EXEMPT or name in TRAINED and event in ("on_rollout_start (last)", "on_training_end"):
                continue
            if case == "gail" and name in GIVEN_REWARDS and offered.get(name) == "float":
                continue
            if name in RUNNING and offered.get(name) == "int":
                continue
            if name not in offered:
                problems.append(f"{event}: {name} is missing")
            elif name not in DRAWN and not fits(
                    offered[name], theirs, floats_alike=case.split()[0] in {**OFF_POLICY, **TRAJECTORIES}):
                problems.append(f"{event}: {name} is {offered[name]}, recorded is {theirs}")
    assert problems == []

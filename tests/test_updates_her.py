"""HER's relabelling against the original's numbers: the whole content of the memory, in order."""
import numpy as np
import pytest

from helpers import group, load_arrays
from stable_baselines.common.buffers import ReplayBuffer
from stable_baselines.common.gym_compat import GoalEnv, spaces
from stable_baselines.her import HERGoalEnvWrapper, HindsightExperienceReplayWrapper

N_GOALS = dict(final=2, future=3, episode=2, random=2)
GOAL = slice(5, 7)  # where the desired goal lies in an observation


class Distance(GoalEnv):
    """Only spaces, and the reward of the cases: -1 where the goal is further away than 0.75."""

    def __init__(self):
        shapes = dict(observation=3, achieved_goal=2, desired_goal=2)
        self.observation_space = spaces.Dict({key: spaces.Box(-9, 9, (n,), np.float32) for key, n in shapes.items()})
        self.action_space = spaces.Box(-3, 3, (1,), np.float32)

    def compute_reward(self, achieved_goal, desired_goal, _info):
        return -(np.linalg.norm(achieved_goal - desired_goal, axis=-1) > .75).astype(np.float64)


def remembered_and_recorded(strategy):
    """Add the episode of a case twice; return the content of the memory, that of the original's, and the episode."""
    arrays = load_arrays(f"her_{strategy}")
    episode = group(arrays, "batch/")
    memory = HindsightExperienceReplayWrapper(ReplayBuffer(100), N_GOALS[strategy], strategy,
                                              HERGoalEnvWrapper(Distance()))
    np.random.seed(7)
    for _ in range(2):
        for step in range(5):
            memory.add(episode["obs"][step], episode["actions"][step], episode["rewards"][step],
                       episode["obs"][step + 1], step == 4, {})
    names = ("obs", "actions", "rewards", "next_obs", "dones")
    return dict(zip(names, map(np.array, zip(*memory.storage)))), group(arrays, "out/"), episode


@pytest.mark.parametrize("strategy", ["future", "episode", "random"])
def test_the_same_transitions_from_the_same_draws(strategy):
    ours, theirs, _ = remembered_and_recorded(strategy)
    assert set(ours) == set(theirs)
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_final_takes_what_was_achieved_after_the_last_step():
    """The original takes what was achieved before it. That is the whole difference."""
    ours, theirs, episode = remembered_and_recorded("final")
    copies = np.arange(30) % 3 > 0
    for name in ("obs", "next_obs"):
        np.testing.assert_array_equal(np.delete(ours[name], GOAL, axis=1), np.delete(theirs[name], GOAL, axis=1))
        np.testing.assert_array_equal(ours[name][~copies], theirs[name][~copies])
        assert np.all(theirs[name][copies, GOAL] == episode["obs"][4, 3:5])
        assert np.all(ours[name][copies, GOAL] == episode["obs"][5, 3:5])
    for name in ("actions", "dones"):
        np.testing.assert_array_equal(ours[name], theirs[name])
    np.testing.assert_array_equal(ours["rewards"][~copies], theirs["rewards"][~copies])
    for content in (ours, theirs):
        distance = np.linalg.norm(content["next_obs"][copies, 3:5] - content["next_obs"][copies, GOAL], axis=1)
        np.testing.assert_array_equal(content["rewards"][copies], -(distance > .75).astype(float))
    assert ours["rewards"][copies][-1] == 0 and theirs["rewards"][copies][-1] == -1  # the last step led to the goal

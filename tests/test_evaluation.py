"""evaluate_policy: rewards, what the policy sees, and what is refused."""
import numpy as np
import pytest

from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.vec_env import DummyVecEnv


class CountingEnv(Env):
    """The observation is the step's number, the reward too; episodes have 2 and 3 steps in turn."""

    metadata = {'render.modes': ['human']}
    observation_space = spaces.Box(low=-10, high=10, shape=(1,), dtype=np.float32)
    action_space = spaces.Discrete(10)

    def __init__(self):
        self.lengths = (2, 3)
        self.n_resets = 0
        self.events = []

    def reset(self):
        self.n_resets += 1
        self.n_steps = 0
        self.events.append('reset')
        return np.zeros(1, dtype=np.float32)

    def step(self, action):
        self.n_steps += 1
        self.events.append(('step', int(action)))
        done = self.n_steps >= self.lengths[(self.n_resets - 1) % 2]
        return np.full(1, self.n_steps, dtype=np.float32), float(self.n_steps), done, {}

    def render(self, mode='human'):
        self.events.append(('render', mode))


class ModernEnv:
    """The same in the newer API: reset gives a tuple, step tells terminated from truncated."""

    metadata = {'render_modes': []}
    observation_space = CountingEnv.observation_space
    action_space = CountingEnv.action_space

    def __init__(self):
        self.env = CountingEnv()

    def reset(self, seed=None, options=None):
        return self.env.reset(), {}

    def step(self, action):
        obs, reward, done, info = self.env.step(action)
        return obs, reward, False, done, info


class CountingModel:
    """Takes the number of its calls in this episode, counted in its state, as action."""

    def __init__(self):
        self.calls = []

    def predict(self, observation, state=None, mask=None, deterministic=False):
        self.calls.append((np.array(observation).tolist(), state, mask, deterministic))
        state = 0 if state is None else state
        return (np.array([state]) if np.ndim(observation) > 1 else state), state + 1


class RecurrentModel:
    """Takes action 5 in its first environment, 6 and 7 in the others."""

    class policy:  # noqa: N801
        recurrent = True

    n_envs = 3

    def __init__(self):
        self.calls = []

    def predict(self, observation, state=None, mask=None, deterministic=False):
        self.calls.append((observation, state))
        return np.array([5, 6, 7]), np.full((3, 2), len(self.calls))


def test_mean_and_deviation():
    assert evaluate_policy(CountingModel(), CountingEnv(), n_eval_episodes=2) == (4.5, 1.5)


@pytest.mark.parametrize('make_env', [CountingEnv, lambda: DummyVecEnv([CountingEnv]), ModernEnv],
                         ids=['env', 'vec_env', 'modern_api'])
def test_rewards_and_lengths_of_each_episode(make_env):
    rewards, lengths = evaluate_policy(CountingModel(), make_env(), n_eval_episodes=3, return_episode_rewards=True)
    assert (rewards, lengths) == ([3.0, 6.0, 3.0], [2, 3, 2])
    assert [type(reward) for reward in rewards] == [float] * 3


def test_state_is_passed_on_and_starts_anew_in_each_episode():
    model, env = CountingModel(), CountingEnv()
    evaluate_policy(model, env, n_eval_episodes=2, deterministic=False)
    assert model.calls == [([0.0], None, None, False), ([1.0], 1, None, False),
                           ([0.0], None, None, False), ([1.0], 1, None, False), ([2.0], 2, None, False)]
    assert env.events == ['reset', ('step', 0), ('step', 1), 'reset', ('step', 0), ('step', 1), ('step', 2)]


def test_vec_env_is_reset_once_and_then_resets_itself():
    model, env = CountingModel(), DummyVecEnv([CountingEnv])
    evaluate_policy(model, env, n_eval_episodes=2)
    assert env.envs[0].n_resets == 3
    assert model.calls[2] == ([[0.0]], None, None, True)


@pytest.mark.parametrize('is_vec_env', [False, True])
def test_recurrent_model_gets_as_many_rows_as_it_was_built_for(is_vec_env):
    model = RecurrentModel()
    env = DummyVecEnv([CountingEnv]) if is_vec_env else CountingEnv()
    assert evaluate_policy(model, env, n_eval_episodes=2) == (4.5, 1.5)
    assert [obs.tolist() for obs, _ in model.calls] == [[[i], [0], [0]] for i in (0, 1, 0, 1, 2)]
    assert all(obs.dtype == np.float32 for obs, _ in model.calls)
    assert [None if state is None else state[0, 0] for _, state in model.calls] == [None, 1, None, 3, 4]
    steps = [event[1] for event in (env.envs[0] if is_vec_env else env).events if event[0] == 'step']
    assert steps == [5] * 5


def test_render_and_callback():
    env, seen = CountingEnv(), []

    def callback(locals_, globals_):
        assert globals_['__name__'] == 'stable_baselines.common.evaluation'
        env.events.append('callback')
        names = ('i', 'obs', 'reward', 'done', 'episode_reward', 'episode_length')
        seen.append({name: locals_[name] for name in names})
        return False

    evaluate_policy(CountingModel(), env, n_eval_episodes=1, render=True, callback=callback)
    assert env.events == ['reset', ('step', 0), 'callback', ('render', 'human'),
                          ('step', 1), 'callback', ('render', 'human')]
    assert seen == [
        {'i': 0, 'obs': [1.0], 'reward': 1.0, 'done': False, 'episode_reward': 1.0, 'episode_length': 1},
        {'i': 0, 'obs': [2.0], 'reward': 2.0, 'done': True, 'episode_reward': 3.0, 'episode_length': 2}]


def test_callback_finds_the_locals_of_the_reference():
    names = set()
    evaluate_policy(CountingModel(), CountingEnv(), 1, callback=lambda locals_, _: names.update(locals_))
    assert names >= {
        '_info', 'action', 'callback', 'deterministic', 'done', 'env', 'episode_length', 'episode_lengths',
        'episode_reward', 'episode_rewards', 'i', 'is_recurrent', 'model', 'n_eval_episodes', 'new_obs', 'obs',
        'render', 'return_episode_rewards', 'reward', 'reward_threshold', 'state'}


def test_reward_threshold():
    model, env = CountingModel(), CountingEnv()
    assert evaluate_policy(model, env, 2, reward_threshold=4.49) == (4.5, 1.5)
    for threshold in (4.5, 100):
        with pytest.raises(AssertionError, match=f'4.50 < {threshold:.2f}'):
            evaluate_policy(CountingModel(), CountingEnv(), 2, reward_threshold=threshold)


@pytest.mark.parametrize('n_eval_episodes', [0, -1])
def test_number_of_episodes_must_be_positive(n_eval_episodes):
    with pytest.raises(ValueError, match=f'n_eval_episodes.*{n_eval_episodes}'):
        evaluate_policy(CountingModel(), CountingEnv(), n_eval_episodes)


def test_refuses_several_environments():
    with pytest.raises(ValueError, match='one environment.* 2'):
        evaluate_policy(CountingModel(), DummyVecEnv([CountingEnv, CountingEnv]))


def test_refuses_what_is_not_an_environment():
    with pytest.raises(TypeError, match='env'):
        evaluate_policy(CountingModel(), 'CartPole-v1')

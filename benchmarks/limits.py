"""
Measure what no implementation can go below: the environment alone and the bare products of matrices.

    OMP_NUM_THREADS=1 python limits.py ppo2-x8 sac-64

prints seconds per step of one environment (per call of ``predict``) as JSON. The products are those of the layers of
each network, each once: y = x W forward, W's and x's gradients backward; convolutions as products of their patches.
Element-wise work, optimisers, ACKTR's eigendecompositions and sampling from memories are not in it.
"""
import json
import sys
import time
from typing import Callable, Dict, List, NamedTuple, Tuple

import numpy as np
from tasks import TASKS
from workloads import WORKLOADS, Workload

Layers = List[Tuple[int, int, int]]  # rows per observation (the patches of a convolution), inputs, outputs

OBS_SIZES = dict(CartPole=4, Pendulum=3, Bits=20, ContinuousBits=20)  # of bits with their goal
ACTIONS = dict(CartPole=2, Pendulum=1, Frames=4, ContinuousFrames=2, Bits=10, ContinuousBits=10)
NATURE_CNN: Layers = [(400, 8 * 8 * 4, 32), (81, 4 * 4 * 32, 64), (49, 3 * 3 * 64, 64), (1, 3136, 512)]
LSTM = 256
THROUGH = 2 / 3  # of the work of a critic that passes the actor's gradient on, and learns nothing itself
SECONDS = 0.2  # of a measurement; the fastest counts
TIMEABLE = 0.002  # seconds that the clock tells well enough


class Pass(NamedTuple):
    """One network's products."""

    layers: Layers
    batch: int
    per_step: float  # how often, per step of one environment


class Work(NamedTuple):
    """The products of an algorithm, when it acts and when it trains."""

    acting: List[Pass]
    forward: List[Pass]  # in training, without a gradient
    both: List[Pass]


def dense(*sizes: int) -> Layers:
    """Return fully connected layers."""
    return [(1, inputs, outputs) for inputs, outputs in zip(sizes, sizes[1:])]


def network(workload: Workload, outputs: int, extra: int = 0) -> Layers:
    """Return a network with hidden layers from observations (and extra inputs) to outputs."""
    sizes = workload.settings.get("policy_kwargs", {}).get("layers", [64, 64])
    if workload.task.endswith("Frames"):
        return NATURE_CNN + dense(512 + extra, *sizes, outputs)
    return dense(OBS_SIZES[workload.task] + extra, *sizes, outputs)


def actor_critic(workload: Workload, batch: int, per_step: float) -> List[Pass]:
    """Return policy and value function."""
    n_actions = ACTIONS[workload.task]
    if workload.task == "Frames":
        return [Pass(NATURE_CNN + dense(512, n_actions + 1), batch, per_step)]
    if workload.policy == "MlpLstmPolicy":
        n_steps = 1 if batch == workload.n_envs else workload.cycle  # the recurrent product waits for the one before
        return [Pass(network(workload, 4 * LSTM) + dense(LSTM, n_actions + 1), batch, per_step),
                Pass(dense(LSTM, 4 * LSTM), batch // n_steps, per_step * n_steps)]
    return [Pass(network(workload, n_actions), batch, per_step), Pass(network(workload, 1), batch, per_step)]


def on_policy(workload: Workload) -> Work:
    """Return the products of an algorithm that learns from rollouts."""
    n_steps = workload.cycle * workload.n_envs  # in a rollout

    def passes(batch: int, count: float) -> List[Pass]:
        return actor_critic(workload, batch, count / n_steps)

    forward: List[Pass] = []
    if workload.algorithm == "PPO2":
        both = passes(n_steps // 4, 16)  # epochs x minibatches
    elif workload.algorithm == "PPO1":
        both = passes(64, 16)
    elif workload.algorithm == "ACER":  # one new rollout and four of the memory; the average policy has no gradient
        forward, both = passes(n_steps, 5), passes(n_steps, 5)
    elif workload.algorithm == "ACKTR":  # the loss, and the sampled one of the Fisher matrix
        both = passes(n_steps, 2)
    elif workload.algorithm == "TRPO":  # gradient, line search, ten products with the Fisher matrix, value function
        policy = passes(n_steps, 1)[:1]
        forward = policy
        both = policy + passes(n_steps // 5, 20)[:1] + passes(128, 24)[1:]
    else:
        both = passes(n_steps, 1)
    return Work(actor_critic(workload, workload.n_envs, 1 / workload.n_envs), forward, both)


def off_policy(workload: Workload) -> Work:
    """Return the products of an algorithm that learns from a memory."""
    n_actions, settings = ACTIONS[workload.task], workload.settings
    if workload.algorithm == "DQN":
        q_values = NATURE_CNN + dense(512, n_actions) if workload.task == "Frames" else network(workload, n_actions)
        n_forward = 2 if settings.get("double_q", True) else 1
        return Work([Pass(q_values, 1, 1)], [Pass(q_values, 32, n_forward)], [Pass(q_values, 32, 1)])
    batch = settings.get("batch_size", dict(SAC=64).get(workload.algorithm, 128))
    actor, value = network(workload, n_actions), network(workload, 1)
    critic = network(workload, 1, extra=n_actions)
    head = critic[len(NATURE_CNN):] if workload.task.endswith("Frames") else critic  # critics of images share features
    per_step = 0.5 if workload.algorithm == "DDPG" else 1.0
    forward: List[Tuple[Layers, float]] = [(actor, 1), (critic, 1)]  # of the targets
    both: List[Tuple[Layers, float]] = [(critic, 1), (head, THROUGH), (actor, 1)]
    if workload.algorithm == "TD3":  # two critics; the actor learns from every second batch
        forward, both = [*forward, (head, 1)], [(critic, 1), (head, 1 + THROUGH / 2), (actor, 0.5)]
    elif workload.algorithm == "SAC":  # two critics and the value function, whose target is a critic of new actions
        forward, both = [(head, 1), (value, 1)], [(critic, 1), (head, 2 + THROUGH), (actor, 1)]
    return Work([Pass(actor, 1, 1)], [Pass(layers, batch, per_step * times) for layers, times in forward],
                [Pass(layers, batch, per_step * times) for layers, times in both])


def find_work(workload: Workload) -> Work:
    """Return the products of a workload."""
    if workload.measures == "predict":
        return Work([Pass(network(workload, ACTIONS[workload.task]), workload.n_obs, 1)], [], [])
    return (off_policy if workload.algorithm in ("DQN", "DDPG", "SAC", "TD3") else on_policy)(workload)


def seconds_of(passes: List[Pass], backward: bool) -> float:
    """Return how long passes take per step, forward and maybe backward."""
    return sum(work.per_step * _fastest(_products(work, backward)) for work in passes)


def _products(work: Pass, backward: bool) -> Callable[[], None]:
    rng = np.random.RandomState(0)
    arrays = [tuple(rng.standard_normal(shape).astype(np.float32) for shape in
                    ((work.batch * rows, n_in), (n_in, n_out), (work.batch * rows, n_out)))
              for rows, n_in, n_out in work.layers]

    def run() -> None:
        for index, (inputs, weights, outputs) in enumerate(arrays):
            inputs @ weights
            if backward:
                inputs.T @ outputs
                if index:  # nobody wants the gradient of an observation
                    outputs @ weights.T
    return run


def _fastest(call: Callable[[], None]) -> float:
    """Return the least processor time of a call."""
    durations: List[float] = []
    over, calls = time.perf_counter() + SECONDS, 1
    while time.perf_counter() < over or len(durations) < 3:
        start = time.process_time()
        for _ in range(calls):
            call()
        duration = time.process_time() - start
        if duration < TIMEABLE:
            calls *= 2
        else:
            durations.append(duration / calls)
    return min(durations)


def environment_seconds(workload: Workload) -> float:
    """Return how long a step of the environment alone takes, with the resets that it needs."""
    env = TASKS[workload.task]()
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(500)]
    env.reset()

    def run() -> None:
        for action in actions:
            if env.step(action)[2]:
                env.reset()
    return _fastest(run) / len(actions)


def limit(workload: Workload) -> Dict[str, float]:
    """Return seconds per step: the environment, acting, training forward alone, and forward plus backward."""
    work = find_work(workload)
    no_gradient = seconds_of(work.forward, backward=False)
    return dict(environment=0.0 if workload.measures == "predict" else environment_seconds(workload),
                acting=seconds_of(work.acting, backward=False),
                forward=no_gradient + seconds_of(work.both, backward=False),
                both=no_gradient + seconds_of(work.both, backward=True))


if __name__ == "__main__":
    print(json.dumps({name: limit(WORKLOADS[name]) for name in sys.argv[1:]
                      if WORKLOADS[name].measures in ("learn", "predict")}))

"""Measure a workload with the ``stable_baselines`` that this Python imports: this library or the original."""
from measuring import main, make_env, make_vec_env


def prepare(library, threads):
    """Import the library; return versions."""
    import tensorflow

    import stable_baselines
    return dict(stable_baselines=stable_baselines.__version__, tensorflow=tensorflow.__version__)


def build(library, workload, clock, threads):
    """Return the environment and what makes the model."""
    import stable_baselines
    from stable_baselines.common import vec_env

    algorithm = getattr(stable_baselines, workload.algorithm)
    arguments = dict(workload.settings, seed=0, **({} if threads is None else dict(n_cpu_tf_sess=threads)))
    if workload.algorithm in ("PPO2", "A2C", "ACER", "ACKTR"):
        env = make_vec_env(workload, clock, vars(vec_env))
    else:
        env = make_env(workload, clock)
    if workload.hindsight:
        return env, lambda: stable_baselines.HER(workload.policy, env, algorithm, **arguments)
    return env, lambda: algorithm(workload.policy, env, **arguments)


def load(path, model):
    """Load a model."""
    return type(model).load(path)


if __name__ == "__main__":
    main(prepare, build, load)

"""``make demo`` with its seed gives the same training again."""
import importlib.util
from pathlib import Path

import numpy as np

from stable_baselines.results_plotter import load_results

ROOT = Path(__file__).resolve().parent.parent


def test_two_runs_are_equal(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("demo", str(ROOT / "scripts" / "demo.py"))
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    monkeypatch.setattr(demo, "TOTAL_TIMESTEPS", 10000)

    def run(name):
        folder = tmp_path / name
        folder.mkdir()
        model, evaluation = demo.train(folder, seed=0)
        return (list(model.get_parameters().values()), evaluation.evaluations_results,
                sorted(load_results(str(folder))[["r", "l"]].values.tolist()))

    (parameters, evaluations, episodes), again = run("first"), run("second")
    for value, other in zip(parameters, again[0]):
        np.testing.assert_array_equal(value, other)
    assert len(evaluations) == 1 and len(episodes) > 50
    assert evaluations == again[1] and episodes == again[2]

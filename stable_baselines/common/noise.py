"""Noise on actions and on parameters, for exploration with deterministic policies."""
from abc import ABC, abstractmethod
from typing import Any, Dict, Optional

import numpy as np

# Attributes have the names of Stable Baselines 2.10, because the files of its models contain pickles of this noise.


class ActionNoise(ABC):
    """Noise to be added to actions, drawn from NumPy's global generator, in a training from the model's own."""

    np_random: Any = np.random

    def __init__(self):
        super().__init__()

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != 'np_random'}

    def reset(self) -> None:
        """Begin a new episode."""

    @abstractmethod
    def __call__(self) -> np.ndarray:
        """Draw the noise of the next step, of the shape of an action."""


class NormalActionNoise(ActionNoise):
    """
    Gaussian noise, independent at each step.

    :param mean: mean of the noise, of the shape of an action
    :param sigma: its standard deviation, a number or of the same shape; larger values explore more widely
    """

    def __init__(self, mean: Any, sigma: Any):
        super().__init__()
        self._mu = mean
        self._sigma = sigma

    def __call__(self) -> np.ndarray:
        return self.np_random.normal(self._mu, self._sigma)

    def __repr__(self) -> str:
        return f"NormalActionNoise(mu={self._mu}, sigma={self._sigma})"


class OrnsteinUhlenbeckActionNoise(ActionNoise):
    """
    Noise that drifts: Brownian motion with friction (https://arxiv.org/abs/1509.02971).

    ``noise += theta * (mean - noise) * dt + sigma * sqrt(dt) * normal``

    :param mean: what the noise is drawn back to, of the shape of an action
    :param sigma: its scale, a number or of the same shape
    :param theta: strength of the friction; larger values forget sooner
    :param dt: time of a step; larger values change faster
    :param initial_noise: the noise before the first step of an episode; None means 0
    """

    def __init__(self, mean: Any, sigma: Any, theta: float = .15, dt: float = 1e-2,
                 initial_noise: Optional[np.ndarray] = None):
        super().__init__()
        self._mu = mean
        self._sigma = sigma
        self._theta = theta
        self._dt = dt
        self.initial_noise = initial_noise
        self.noise_prev: Any = None
        self.reset()

    def __call__(self) -> np.ndarray:
        drift = self._theta * (self._mu - self.noise_prev) * self._dt
        diffusion = self._sigma * np.sqrt(self._dt) * self.np_random.normal(size=np.shape(self._mu))
        self.noise_prev = self.noise_prev + drift + diffusion
        return self.noise_prev

    def reset(self) -> None:
        self.noise_prev = np.zeros_like(self._mu) if self.initial_noise is None else self.initial_noise

    def __repr__(self) -> str:
        return f"OrnsteinUhlenbeckActionNoise(mu={self._mu}, sigma={self._sigma})"


class AdaptiveParamNoiseSpec:
    """
    A standard deviation of noise on parameters, adapted to its effect on actions (https://arxiv.org/abs/1706.01905).

    :param initial_stddev: the standard deviation at first
    :param desired_action_stddev: the effect to be reached, as a distance between actions with and without noise
    :param adoption_coefficient: the factor of a change, above 1; larger values adapt faster and less evenly
    """

    def __init__(self, initial_stddev=0.1, desired_action_stddev=0.1, adoption_coefficient=1.01):
        self.initial_stddev = initial_stddev
        self.desired_action_stddev = desired_action_stddev
        self.adoption_coefficient = adoption_coefficient
        self.current_stddev = initial_stddev

    def adapt(self, distance: float) -> None:
        """
        Lower the standard deviation if the effect was too large, else raise it.

        :param distance: distance between actions with and without noise
        """
        if distance > self.desired_action_stddev:
            self.current_stddev /= self.adoption_coefficient
        else:
            self.current_stddev *= self.adoption_coefficient

    def get_stats(self) -> Dict[str, float]:
        """Return what to log: the present standard deviation."""
        return {'param_noise_stddev': self.current_stddev}

    def __repr__(self) -> str:
        return (f"AdaptiveParamNoiseSpec(initial_stddev={self.initial_stddev}, "
                f"desired_action_stddev={self.desired_action_stddev}, "
                f"adoption_coefficient={self.adoption_coefficient})")

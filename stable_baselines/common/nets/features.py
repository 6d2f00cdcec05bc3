"""The layers between observations and heads, which the policies of DDPG, SAC and TD3 share."""
from typing import Any, Callable, Dict, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.gym_compat.spaces import Space
from stable_baselines.common.nets.bases import BasePolicy
from stable_baselines.common.tf_layers import conv_to_fc, mlp


class FeatureLayers:
    """
    Features of images or of other observations, then fully connected layers.

    :param layers: sizes of the fully connected layers; None means [64, 64]
    :param cnn_extractor: function from images to features
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param layer_norm: whether to normalise before each activation
    :param act_fun: activation function of the fully connected layers
    :param cnn_kwargs: extra arguments of the cnn_extractor
    :raises ValueError: for an unknown kind of features, for arguments that nothing would read, without a layer
    """

    def __init__(self, layers: Optional[Sequence[int]], cnn_extractor: Callable, feature_extraction: str,
                 layer_norm: bool, act_fun: Callable, cnn_kwargs: Dict[str, Any]):
        BasePolicy._kwargs_check(feature_extraction, cnn_kwargs)
        self.sizes = check_layers(layers)
        self.layer_norm, self.act_fun = layer_norm, act_fun
        self._extract = (lambda obs: cnn_extractor(obs, **cnn_kwargs)) if feature_extraction == 'cnn' else conv_to_fc

    def extract(self, obs: tf.Tensor) -> tf.Tensor:
        """Return the features of preprocessed observations, shape (n_batch, n_features)."""
        return self._extract(obs)

    def mlp(self, features: tf.Tensor) -> tf.Tensor:
        """Apply the fully connected layers, named ``fc0``, ``fc1``, ...; shape (n_batch, size of the last)."""
        return mlp(features, self.sizes, self.act_fun, layer_norm=self.layer_norm)


class NamedPolicy:
    """To be mixed into a feed-forward policy, in front of it: its kind of network is a class attribute."""

    feature_extraction: str
    layer_norm = False

    def __init__(self, sess: tf.Session, ob_space: Space, ac_space: Space, n_env: int = 1, n_steps: int = 1,
                 n_batch: Optional[int] = None, reuse: bool = False, **_kwargs: Any):
        kind: Any = dict(feature_extraction=self.feature_extraction, layer_norm=self.layer_norm)
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse,  # type: ignore[call-arg]
                         **dict(kind, **_kwargs))


def check_layers(layers: Optional[Sequence[int]]) -> Sequence[int]:
    """Return sizes of layers, [64, 64] for None; refuse what is not a list of one or more."""
    layers = [64, 64] if layers is None else layers
    if not (isinstance(layers, (list, tuple)) and layers and all(
            isinstance(size, (int, np.integer)) and size > 0 for size in layers)):
        raise ValueError(f"layers={layers!r}: accepted is a list of one or more sizes of layers")
    return layers

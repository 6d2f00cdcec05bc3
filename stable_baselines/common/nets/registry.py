"""Policies by name."""
from typing import Dict, Type

from stable_baselines.common.nets.bases import BasePolicy

# family (the base class of an algorithm's policies) -> name -> policy; every package with policies adds its own family
_policy_registry: Dict[type, Dict[str, Type[BasePolicy]]] = {}


def get_policy_from_name(base_policy_type: Type[BasePolicy], name: str) -> Type[BasePolicy]:
    """
    Find a registered policy.

    :param base_policy_type: the family of policies that an algorithm uses
    :raises ValueError: if the family or the name is unknown
    """
    if base_policy_type not in _policy_registry:
        raise ValueError(f"base_policy_type={base_policy_type!r}: accepted is a family that has registered policies, "
                         "see register_policy")
    known = _policy_registry[base_policy_type]
    if name not in known:
        raise ValueError(f"unknown policy {name!r}, the registered ones are: {', '.join(sorted(known))}")
    return known[name]


def register_policy(name: str, policy: Type[BasePolicy]) -> None:
    """
    Give a policy a name, so that it can be passed as a string.

    :param name: the name; each family of policies has names of its own
    :raises ValueError: if the class is not a policy, or the name already belongs to another one
    """
    if not (isinstance(policy, type) and issubclass(policy, BasePolicy)):
        raise ValueError(f"policy={policy!r}: accepted is a subclass of BasePolicy")
    # the closest registered family: those of the off-policy algorithms derive from BasePolicy too
    family = next((cls for cls in policy.__mro__ if cls in _policy_registry), BasePolicy)
    owner = _policy_registry.setdefault(family, {}).setdefault(name, policy)
    if owner is not policy:
        raise ValueError(f"name={name!r}: accepted is a name that is not already registered, this one is for {owner}")

"""Derive tests/data/public_api.json, the names and signatures that tests/test_public_api.py holds the package against.

Usage: python scripts/trim_public_api.py path/to/api.json

The input is a full description of the public surface of Stable Baselines 2.10.2, made by inspection of the imported
package. Kept of it, per module: functions with their parameters; classes with the bases, methods, properties and class
attributes that they define themselves; constants; and, for packages, the names they offer from other modules.
Left out: annotations, what is inherited, and names that are there only by accident of how the original was written.

A parameter is written ``name``, ``name=default`` (the default's repr), ``*name``, ``**name``, or with ``kw:`` before it
when it is keyword-only.
"""
import json
import sys
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "public_api.json"
ACCIDENTS = {"file_handler", "version_file", "print_function", "ALREADY_INITIALIZED"}
# Modules that exist to offer other modules' names under an old or shorter path, besides the packages.
FACADES = {"stable_baselines.ddpg.noise", "stable_baselines.results_plotter"}
PREFIXES = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**", "KEYWORD_ONLY": "kw:", "POSITIONAL_OR_KEYWORD": ""}


def trim_signature(signature):
    """Write a signature as a list of short texts, one for each parameter."""
    texts = []
    for param in signature["params"]:
        default = "=" + param["default"] if param["has_default"] else ""
        texts.append(PREFIXES[param["kind"]] + param["name"] + default)
    return texts


def trim_class(path, description):
    """Keep what the class at ``path`` defines itself."""
    def own(members):
        return {name: member for name, member in members.items() if member["defined_in"] == path}

    return {
        "bases": [base for base in description["bases"] if base.startswith("stable_baselines.")],
        "methods": {name: {"kind": method["kind"], "params": trim_signature(method["signature"])}
                    for name, method in own(description["methods"]).items()},
        "properties": {name: member["settable"] for name, member in own(description["properties"]).items()},
        "attributes": description["class_attributes"],
    }


def trim_module(name, description):
    """Keep what is public in the module called ``name``."""
    is_facade = description.get("is_package") or name in FACADES
    return {
        "functions": {key: trim_signature(value) for key, value in description["functions"].items()},
        "classes": {key: trim_class(name + "." + key, value) for key, value in description["classes"].items()},
        "constants": {key: value for key, value in description["constants"].items() if key not in ACCIDENTS},
        "reexports": description["reexports"] if is_facade else {},
    }


def main():
    """Read the full description named on the command line and write the trimmed one."""
    modules = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["modules"]
    trimmed = {name: trim_module(name, description) for name, description in sorted(modules.items())}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(trimmed, indent=0, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

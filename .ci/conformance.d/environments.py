"""Says what is wrong with the environments of samconfig.toml and their lists of parameters: environments.py TEMPLATE."""

import json
import pathlib
import sys

from samcli.cli.types import CfnParameterOverridesType
from samcli.lib.config.file_manager import TomlFileManager
from samtranslator.yaml_helper import yaml_parse

import conditions
from versions import VALUES

DEPLOY = {"capabilities": "CAPABILITY_IAM", "confirm_changeset": False, "fail_on_empty_changeset": False, "resolve_s3": True}


def faults(template):
    config = TomlFileManager.read(pathlib.Path("samconfig.toml"))
    environments = {name for name in config if name != "version"}
    if lists := environments ^ {path.stem for path in pathlib.Path(".deploy").glob("*.yaml")}:
        yield f"samconfig.toml and .deploy disagree on {sorted(lists)}"
        return
    names = [config[name]["global"]["parameters"]["stack_name"] for name in environments]
    if len(set(names)) != len(names):
        yield f"two environments share a stack: {sorted(names)}"
    for name in environments:
        settings = config[name]
        stack = settings["global"]["parameters"]["stack_name"]
        if stack != ("omr-relay" if name == "default" else f"omr-relay-{name}"):
            yield f"{name}: the stack is {stack}"
        if settings["global"]["parameters"]["parameter_overrides"] != [f"file://.deploy/{name}.yaml"]:
            yield f"{name}: its parameters are not those of .deploy/{name}.yaml"
        # A question would wait for ever where nobody is.
        for setting, value in (DEPLOY | {"s3_prefix": stack}).items():
            if settings["deploy"]["parameters"].get(setting) != value:
                yield f"{name}: {setting} is {settings['deploy']['parameters'].get(setting)}"
        # As SAM itself reads it.
        parameters = CfnParameterOverridesType().convert(f"file://.deploy/{name}.yaml", None, None)
        for missing in template["Parameters"].keys() - parameters.keys() - {"SecretArn"}:
            yield f"{name}: {missing} would stay what the stack before has"
        for said in conditions.refusals(template, parameters | {"SecretArn": VALUES["SecretArn"][0]}):
            yield f"{name}: {said}"
        if name == "default":
            for parameter, value in parameters.items():
                if value != str(template["Parameters"].get(parameter, {}).get("Default")):
                    yield f"default: {parameter} is {value}, not the template's default"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        found = list(faults(json.loads(json.dumps(yaml_parse(f.read())))))
    print("\n".join(found) or "as they should be")
    sys.exit(bool(found))

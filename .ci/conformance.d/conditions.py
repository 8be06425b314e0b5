"""Evaluates what a translated template leaves to its parameters."""

import re


class Conditions:
    """The conditions of a template, for given parameters and the defaults of the rest."""

    def __init__(self, template, parameters):
        self.values = {name: str(p.get("Default", "")) for name, p in template.get("Parameters", {}).items()} | parameters
        self.named = template.get("Conditions", {})
        self.met = {name: self.holds(condition) for name, condition in self.named.items()}

    def holds(self, condition):
        (function, argument), = condition.items()
        if function == "Fn::Equals":
            left, right = (str(self.values[v["Ref"]]) if isinstance(v, dict) else str(v) for v in argument)
            return left == right
        if function == "Fn::Not":
            return not self.holds(argument[0])
        if function == "Fn::And":
            return all(self.holds(each) for each in argument)
        if function == "Condition":
            return self.holds(self.named[argument])
        raise ValueError(f"a condition with {function}")

    def settle(self, value):
        """The value without Fn::If. Other intrinsics stay."""
        if isinstance(value, dict):
            if value.keys() == {"Fn::If"}:
                name, yes, no = value["Fn::If"]
                return self.settle(yes if self.met[name] else no)
            settled = {k: self.settle(v) for k, v in value.items()}
            return {k: v for k, v in settled.items() if v != {"Ref": "AWS::NoValue"}}
        if isinstance(value, list):
            return [v for v in map(self.settle, value) if v != {"Ref": "AWS::NoValue"}]
        return value

    def section(self, template, name):
        """What the parameters make of Resources or Outputs."""
        return {
            key: {k: self.settle(v) for k, v in entry.items() if k != "Condition"}
            for key, entry in template.get(name, {}).items()
            if self.met.get(entry.get("Condition"), True)
        }

    def fill(self, value):
        """The value with those of parameters put in. References to resources stay."""
        if isinstance(value, dict):
            if value.keys() == {"Ref"} and value["Ref"] in self.values:
                return self.values[value["Ref"]]
            if value.keys() == {"Fn::Sub"}:
                filled = re.sub(r"\$\{(\w+)\}", lambda m: self.values.get(m[1], m[0]), in_one(value["Fn::Sub"]))
                return {"Fn::Sub": filled} if "${" in filled else filled
            return {k: self.fill(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        return value


def in_one(sub):
    """The text of Fn::Sub, with what it gives names to in its place: a text, or a resource's attribute."""
    if isinstance(sub, str):
        return sub
    text, named = sub
    for name, value in named.items():
        if isinstance(value, dict):
            (function, argument), = value.items()
            value = "${" + {"Ref": lambda a: a, "Fn::GetAtt": ".".join}[function](argument) + "}"
        text = text.replace(f"${{{name}}}", value)
    return text


def resolve(template, parameters):
    """Returns the resources that the parameters make, without conditions. Other intrinsics stay."""
    return Conditions(template, parameters).section(template, "Resources")


def refusals(template, parameters):
    """What CloudFormation says of parameters that it does not take, before it changes anything."""
    declared = template.get("Parameters", {})
    for name in parameters.keys() - declared.keys():
        yield f"Parameters: [{name}] do not exist in the template"
    for name, p in declared.items():
        if name not in parameters and "Default" not in p:
            yield f"Parameters: [{name}] must have values"
    if parameters.keys() - declared.keys() or any("Default" not in declared[n] for n in declared.keys() - parameters.keys()):
        return
    conditions = Conditions(template, {k: str(v) for k, v in parameters.items()})
    for name, p in declared.items():
        if (fault := constraint(conditions.values[name], p)):
            yield f"Parameter {name} {p.get('ConstraintDescription', fault)}"
    for name, rule in template.get("Rules", {}).items():
        if "RuleCondition" in rule and not conditions.holds(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not conditions.holds(assertion["Assert"]):
                yield f"{name}: {assertion['AssertDescription']}"


def constraint(value, p):
    """The constraint of a parameter that a value breaks, if any."""
    if p["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            return "must be a number"
        if not float(p.get("MinValue", "-inf")) <= number <= float(p.get("MaxValue", "inf")):
            return "is out of range"
    if "AllowedValues" in p and value not in map(str, p["AllowedValues"]):
        return f"must be one of {p['AllowedValues']}"
    if "AllowedPattern" in p and not re.fullmatch(p["AllowedPattern"], value):
        return f"must match {p['AllowedPattern']}"
    if not int(p.get("MinLength", 0)) <= len(value) <= int(p.get("MaxLength", 4096)):
        return "is too long or too short"
    return None

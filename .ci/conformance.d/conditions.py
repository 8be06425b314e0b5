"""Evaluates the conditions of a translated template for given parameters."""


def resolve(template, parameters):
    """Returns the resources that the parameters make, without conditions. Other intrinsics stay."""
    values = {name: str(p.get("Default", "")) for name, p in template["Parameters"].items()} | parameters
    conditions = {}

    def holds(condition):
        (function, argument), = condition.items()
        if function == "Fn::Equals":
            left, right = (str(values[v["Ref"]]) if isinstance(v, dict) else str(v) for v in argument)
            return left == right
        if function == "Fn::Not":
            return not holds(argument[0])
        raise ValueError(f"a condition with {function}")

    for name, condition in template["Conditions"].items():
        conditions[name] = holds(condition)

    def settle(value):
        if isinstance(value, dict):
            if value.keys() == {"Fn::If"}:
                name, yes, no = value["Fn::If"]
                return settle(yes if conditions[name] else no)
            settled = {k: settle(v) for k, v in value.items()}
            return {k: v for k, v in settled.items() if v != {"Ref": "AWS::NoValue"}}
        if isinstance(value, list):
            return [v for v in map(settle, value) if v != {"Ref": "AWS::NoValue"}]
        return value

    return {
        name: {k: settle(v) for k, v in r.items()}
        for name, r in template["Resources"].items()
        if conditions.get(r.get("Condition"), True)
    }

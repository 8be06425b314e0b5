"""Reads the dashboard's body out of a translated template, with the names of resources in the places of references to them."""

import json
import re


def body(chosen, resources):
    """The body as an object. `chosen` are the Conditions of the parameters, `resources` what they make."""
    return json.loads(text(resources["Dashboard"]["Properties"]["DashboardBody"], chosen.values))


def text(value, parameters):
    """What CloudFormation makes a text of, whose conditions are settled."""
    if isinstance(value, str):
        return value
    (function, argument), = value.items()
    if function == "Ref":
        return parameters.get(argument, argument)
    if function == "Fn::GetAtt":
        return ".".join(argument)
    if function == "Fn::Join":
        delimiter, parts = argument
        return delimiter.join(text(part, parameters) for part in parts)
    if function == "Fn::Sub":
        template, named = (argument, {}) if isinstance(argument, str) else argument
        return re.sub(r"\$\{([\w.:]+)\}", lambda m: text(named.get(m[1], reference(m[1])), parameters), template)
    raise ValueError(f"a text with {function}")


def reference(name):
    return {"Fn::GetAtt": name.split(".")} if "." in name else {"Ref": name}


SEARCH = re.compile(r"SEARCH\('\{([^}]*)\}([^']*)', '(\w+)', (\d+)\)")
TERM = re.compile(r'"?(\w+)"?="([^"]*)"')


def search(expression):
    """The search in an expression: namespace, names of dimensions, what each term must be, statistic and period. Or None."""
    if not (found := SEARCH.search(expression)):
        return None
    # CloudWatch wants quotes around names that are not of letters and digits alone.
    for name in (names := found[1].split(",")):
        if not re.fullmatch(r'[A-Za-z0-9]+|"[^"]+"', name):
            raise ValueError(f"a search for {name}, without quotes")
    namespace, *dimensions = (name.strip('"') for name in names)
    terms = dict(TERM.findall(found[2]))
    if TERM.sub("", found[2]).strip():
        raise ValueError(f"a search for {found[2]}")
    return namespace, dimensions, terms, found[3], int(found[4])


def lines(widget):
    """Each line of a widget: (namespace, metric, {dimension: value}, options); of an expression the first two are None."""
    for row in widget["properties"]["metrics"]:
        options = row[-1] if isinstance(row[-1], dict) else {}
        names = row[:-1] if isinstance(row[-1], dict) else row
        if "expression" in options:
            yield None, None, {}, options
        else:
            yield names[0], names[1], dict(zip(names[2::2], names[3::2])), options

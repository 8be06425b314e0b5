"""Reads metrics out of log lines, as CloudWatch does: its embedded metric format."""

import json


def values(lines):
    """Each value of each set of dimensions: (milliseconds, namespace, metric, unit, {dimension: value}, value)."""
    for line in lines:
        if '"_aws"' not in line:
            continue
        members = json.loads(line)
        for directive in members["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                # A line that lacks a dimension has no metric of that set.
                if not all(name in members for name in names):
                    continue
                dimensions = {name: members[name] for name in names}
                for metric in directive["Metrics"]:
                    if metric["Name"] in members:
                        yield (members["_aws"]["Timestamp"], directive["Namespace"], metric["Name"], metric.get("Unit", "None"), dimensions,
                               members[metric["Name"]])

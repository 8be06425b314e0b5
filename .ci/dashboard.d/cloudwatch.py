"""The numbers of log lines as CloudWatch keeps them: series by metric and dimensions, statistics by period, alarms' states."""

import collections
import math

import dashboard
import emf

DAY = 24 * 3600


class Numbers:
    """What lines hold. Times are seconds of the day."""

    def __init__(self, lines):
        self.series = collections.defaultdict(list)  # (namespace, metric, dimensions): (time, value)
        self.dimensions = collections.defaultdict(dict)  # (namespace, metric): each set of dimensions, in order
        for at, namespace, metric, _, dimensions, value in emf.values(lines):
            self.add(at / 1000 % DAY, namespace, metric, dimensions, value)
            # What API Gateway counts of the same calls.
            if metric == "calls" and "status_class" in dimensions:
                for name, status in (("5XXError", "5xx"), ("4XXError", "4xx")):
                    self.add(at / 1000 % DAY, "AWS/ApiGateway", name, {"ApiName": "AWS::StackName", "Stage": "live"}, dimensions["status_class"] == status)
        times = [at for series in self.series.values() for at, _ in series]
        # Of whole hours: what is under way at the end comes seconds after it.
        self.begin, self.end = min(times) // 3600 * 3600, round(max(times) / 3600) * 3600

    def add(self, at, namespace, metric, dimensions, value):
        key = tuple(sorted(dimensions.items()))
        self.series[namespace, metric, key].append((at, value))
        self.dimensions[namespace, metric].setdefault(key, dimensions)

    def points(self, namespace, metric, dimensions, stat, period):
        """{begin of the period: value}, of the periods that have any."""
        found = collections.defaultdict(list)
        for at, value in self.series.get((namespace, metric, tuple(sorted(dimensions.items()))), ()):
            if at < self.end:
                found[int(at // period * period)].append(value)
        return {at: statistic(stat, values) for at, values in sorted(found.items())}

    def searched(self, expression):
        """What a search finds: the values of dimensions in which the finds differ, and their points."""
        namespace, names, terms, stat, period = dashboard.search(expression)
        metric = terms.pop("MetricName")
        for dimensions in self.dimensions.get((namespace, metric), {}).values():
            if set(dimensions) == set(names) and all(dimensions[k] == v for k, v in terms.items()):
                label = " ".join(v for k, v in sorted(dimensions.items()) if k not in terms)
                yield label, self.points(namespace, metric, dimensions, stat, period)


def statistic(stat, values):
    if stat.startswith("p"):
        ordered = sorted(values)
        return ordered[min(len(ordered) - 1, math.ceil(float(stat[1:]) / 100 * len(ordered)) - 1)]
    return {"Sum": sum, "Minimum": min, "Maximum": max, "Average": lambda v: sum(v) / len(v), "SampleCount": len}[stat](values)


def added(many):
    total = collections.Counter()
    for points in many:
        total.update(points)
    return dict(sorted(total.items()))


BREACHES = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


def watched(numbers, alarm, parameters):
    """The points that an alarm is held against, and their period."""
    def of(metric, stat, period):
        dimensions = {d["Name"]: dashboard.text(d["Value"], parameters) for d in metric["Dimensions"]}
        return numbers.points(metric["Namespace"], metric["MetricName"], dimensions, stat, period)

    if "MetricName" in alarm:
        return of(alarm, alarm.get("Statistic") or alarm["ExtendedStatistic"], alarm["Period"]), alarm["Period"]
    parts = {q["Id"]: of(q["MetricStat"]["Metric"], q["MetricStat"]["Stat"], q["MetricStat"]["Period"]) for q in alarm["Metrics"] if "MetricStat" in q}
    period = next(q["MetricStat"]["Period"] for q in alarm["Metrics"] if "MetricStat" in q)
    expression = alarm["Metrics"][0]["Expression"].replace("SUM(METRICS())", " + ".join(parts))
    times = sorted({at for points in parts.values() for at in points})
    return {at: eval(expression, {}, {name: points.get(at, 0) for name, points in parts.items()}) for at in times}, period  # noqa: S307 - the template's


def rings(numbers, alarm, parameters):
    """The times from when to when an alarm is raised."""
    points, period = watched(numbers, alarm, parameters)
    breaches, threshold = BREACHES[alarm["ComparisonOperator"]], float(dashboard.text(alarm["Threshold"], parameters) if isinstance(alarm["Threshold"], dict) else alarm["Threshold"])
    needed, wide = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]), alarm["EvaluationPeriods"]
    missing = alarm["TreatMissingData"] == "breaching"
    raised, since = [], None
    for at in range(int(numbers.begin // period * period), int(numbers.end), period):
        looked_at = [at - n * period for n in range(wide) if at - n * period >= numbers.begin]
        bad = sum(breaches(points[t], threshold) if t in points else missing for t in looked_at)
        if bad >= needed and since is None:
            since = at
        elif bad < needed and since is not None:
            raised.append((since, at))
            since = None
    return raised + ([(since, numbers.end)] if since is not None else [])

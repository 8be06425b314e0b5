"""Says what is wrong with alarms, dashboard and deployments: what is looked at is sent, and whoever is woken finds what to do."""

import itertools
import re

import dashboard
from conditions import Conditions
from samtranslator.model.preferences.deployment_preference_collection import CODEDEPLOY_PREDEFINED_CONFIGURATIONS_LIST

RUNBOOK, ERRORS = "docs/runbook.md", "docs/errors.md"
EVERYTHING = {
    "Scans": "create", "MonthlyBudget": "3000", "AlarmEmail": "on-call@school.example", "Deployment": "Canary10Percent5Minutes",
    "ReservedConcurrency": "20", "ProvisionedConcurrency": "2"}
NOTHING = {"WarmUpMinutes": "0"}
ANOTHER = EVERYTHING | {"AlarmEmail": "", "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:on-call", "ProvisionedConcurrency": "0"}
# name: the parameters without which there is no such alarm
ALARMS = {
    "ErrorsAlarm": {}, "OverheadAlarm": {}, "TokenFailuresAlarm": {}, "CredentialsRejectedAlarm": {}, "ThrottlesAlarm": {},
    "WarmUpsAlarm": {"WarmUpMinutes": "5"}, "BudgetAlarm": {"MonthlyBudget": "3000"}, "BatchesFailedAlarm": {"Scans": "create"},
    "NewVersionAlarm": {"Deployment": "Canary10Percent5Minutes"},
}
DEPLOYMENT_ALARMS = ["NewVersionAlarm", "ErrorsAlarm", "OverheadAlarm", "TokenFailuresAlarm", "CredentialsRejectedAlarm"]
# AWS's own metrics: which there are for which dimensions, whose values are these.
FUNCTION, API = {"FunctionName": "RelayFunction"}, {"ApiName": "AWS::StackName", "Stage": "live"}
MACHINE = {"StateMachineArn": "BatchStateMachine"}
AWS = {
    "AWS/ApiGateway": {"5XXError": [API], "4XXError": [API]},
    "AWS/Lambda": {
        "Errors": [FUNCTION, FUNCTION | {"Resource": "RelayFunction:live", "ExecutedVersion": "the live version"}],
        "Throttles": [FUNCTION], "ConcurrentExecutions": [FUNCTION]},
    "AWS/States": {f"Executions{what}": [MACHINE] for what in ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")},
}
# CloudWatch's own limits.
SHORT, LONG = 24 * 3600, 7 * 24 * 3600  # what an alarm looks back, with periods of less than an hour, and with others
METRICS_OF_ALARM = 10
ALARMS_OF_DEPLOYMENT = 10


def faults(template, translate):
    emitted = metrics(read(ERRORS))
    for parameters in (NOTHING, {}, EVERYTHING, ANOTHER):
        translated = translate(template, parameters)
        chosen = Conditions(translated, parameters)
        resources = chosen.section(translated, "Resources")
        what = ", ".join(f"{k}={v}" for k, v in parameters.items()) or "defaults"
        yield from alarm_faults(chosen, resources, emitted)
        yield from action_faults(chosen, resources, what)
        yield from dashboard_faults(chosen, resources, emitted)
        yield from concurrency_faults(chosen, resources)
    yield from runbook_faults(template, read(RUNBOOK))
    yield from deployment_faults(template, translate)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def metrics(page):
    """name: the sets of dimensions that the code gives it, by the table that a test holds to the code."""
    section = page.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    found = {}
    for name, dimensions in re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*)\|", section, re.M):
        found[name] = [["FunctionName"], *([["FunctionName", *re.findall(r"`(\w+)`", dimensions)]] if "`" in dimensions else [])]
    return found


def of_type(resources, kind):
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == kind}


def stats(chosen, alarm):
    """The metrics of an alarm, each as (namespace, name, dimensions, period)."""
    simple = [{"MetricStat": {"Metric": alarm, "Period": alarm["Period"]}}] if "MetricName" in alarm else []
    for query in [*simple, *alarm.get("Metrics", [])]:
        if "MetricStat" in query:
            metric = query["MetricStat"]["Metric"]
            yield metric["Namespace"], metric["MetricName"], {
                d["Name"]: dashboard.text(d["Value"], chosen.values) for d in metric["Dimensions"]}, query["MetricStat"]["Period"]


def unknown(namespace, name, dimensions, emitted, version=None):
    """What is wrong with a metric that is looked at, if anything."""
    if namespace in AWS:
        wanted = [{k: version if v == "the live version" else v for k, v in known.items()} for known in AWS[namespace].get(name, [])]
        return None if dimensions in wanted else f"AWS sends no {namespace} {name} with {dimensions}"
    if namespace != "omr-relay" or list(dimensions) not in emitted.get(name, []):
        return f"the code sends no {namespace} {name} with {list(dimensions)}"
    if dimensions["FunctionName"] not in ("RelayFunction", "BatchFunction"):
        return f"{name} is asked of {dimensions['FunctionName']}"
    return None


def alarm_faults(chosen, resources, emitted):
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    wanted = {name for name, needs in ALARMS.items() if all(chosen.values[k] == v for k, v in needs.items())}
    if alarms.keys() != wanted:
        yield f"the alarms are {sorted(alarms)}, not {sorted(wanted)}"
    version = live_version(resources)
    for name, alarm in alarms.items():
        looked_at = list(stats(chosen, alarm))
        if not 0 < len(looked_at) <= METRICS_OF_ALARM:
            yield f"{name} has {len(looked_at)} metrics"
        for namespace, metric, dimensions, period in looked_at:
            if said := unknown(namespace, metric, dimensions, emitted, version):
                yield f"{name}: {said}"
            if not 0 < period * alarm["EvaluationPeriods"] <= (SHORT if period < 3600 else LONG):
                yield f"{name} looks back further than an alarm may"
        if "SEARCH" in str(alarm.get("Metrics")):
            yield f"{name} searches, which no alarm can"
        if not 0 < alarm.get("DatapointsToAlarm", 1) <= alarm["EvaluationPeriods"]:
            yield f"{name} can never be raised"
        # The metrics are of calls, and a quiet night has none; a warm-up that does not come is the failure.
        missing = "breaching" if name == "WarmUpsAlarm" else "notBreaching"
        if alarm.get("TreatMissingData") != missing:
            yield f"{name} takes what is missing for {alarm.get('TreatMissingData')}"
        if name == "BudgetAlarm":
            asked = {dimensions["FunctionName"] for _, _, dimensions, _ in looked_at}
            if asked != {f for f in ("RelayFunction", "BatchFunction") if f in resources}:
                yield f"the budget counts the calls of {sorted(asked)}"
            if chosen.fill(alarm["Threshold"]) != chosen.values["MonthlyBudget"] or alarm["Metrics"][0]["Expression"] != "30 * SUM(METRICS())":
                yield "a day is not held against its thirtieth of MonthlyBudget"


def live_version(resources):
    alias = of_type(resources, "AWS::Lambda::Alias").get("RelayFunctionAliaslive", {})
    return dashboard.text(alias["FunctionVersion"], {}) if "FunctionVersion" in alias else None


def action_faults(chosen, resources, what):
    """Every alarm speaks to the topic, when it is raised and when it is over: but for the one that is CodeDeploy's."""
    email, arn = chosen.values["AlarmEmail"], chosen.values["AlarmTopicArn"]
    wanted = [{"Ref": "AlarmTopic"}] if email else [{"Ref": "AlarmTopicArn"}] if arn else []
    for name, alarm in of_type(resources, "AWS::CloudWatch::Alarm").items():
        actions = alarm.get("AlarmActions", []), alarm.get("OKActions", [])
        if actions != (([], []) if name == "NewVersionAlarm" else (wanted, wanted)):
            yield f"{what}: {name} speaks to {actions}"
    topics, policies = of_type(resources, "AWS::SNS::Topic"), of_type(resources, "AWS::SNS::TopicPolicy")
    if bool(topics) != bool(email) or bool(policies) != bool(email):
        yield f"{what}: the topics are {sorted(topics)}, their policies {sorted(policies)}"
    for topic in topics.values():
        if topic.get("Subscription") != [{"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}]:
            yield f"the topic tells {topic.get('Subscription')}"
    for policy in policies.values():
        allowed = [{
            "Sid": "AlarmsOfThisStack", "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish",
            "Resource": {"Ref": "AlarmTopic"}, "Condition": {
                "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
                "ArnLike": {"aws:SourceArn": {
                    "Fn::Sub": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}-*"}}}}]
        if policy["Topics"] != [{"Ref": "AlarmTopic"}] or policy["PolicyDocument"]["Statement"] != allowed:
            yield f"the topic lets in {policy['PolicyDocument']['Statement']}"
    # Named by CloudFormation, after the stack and the alarm: the policy goes by it.
    for name, alarm in of_type(resources, "AWS::CloudWatch::Alarm").items():
        if "AlarmName" in alarm:
            yield f"{name} has a name of its own, which the topic's policy does not know"


def dashboard_faults(chosen, resources, emitted):
    try:
        widgets = dashboard.body(chosen, resources)["widgets"]
    except (ValueError, KeyError) as error:
        yield f"the dashboard's body cannot be read: {error}"
        return
    taken = set()
    for widget in widgets:
        title = widget["properties"]["title"]
        cells = set(itertools.product(range(widget["x"], widget["x"] + widget["width"]), range(widget["y"], widget["y"] + widget["height"])))
        if cells & taken or max(x for x, _ in cells) >= 24:
            yield f"the widget {title!r} lies over another, or beside the page"
        taken |= cells
        if widget["type"] == "alarm":
            told = {n for n, a in of_type(resources, "AWS::CloudWatch::Alarm").items() if n != "NewVersionAlarm"}
            if {arn.removesuffix(".Arn") for arn in widget["properties"]["alarms"]} != told:
                yield f"the dashboard shows the alarms {widget['properties']['alarms']}"
            continue
        yield from (f"the widget {title!r}: {said}" for said in line_faults(widget, emitted))


def line_faults(widget, emitted):
    found = list(dashboard.lines(widget))
    ids = {options.get("id") for *_, options in found}
    for namespace, metric, dimensions, options in found:
        if namespace:
            if said := unknown(namespace, metric, dimensions, emitted):
                yield said
            if "stat" not in options | widget["properties"]:
                yield f"{metric} has no statistic"
            continue
        expression = options["expression"]
        if searched := dashboard.search(expression):
            namespace, names, terms, _, period = searched
            function = {"FunctionName": terms.pop("FunctionName", None)}
            metric = terms.pop("MetricName", None)
            if said := unknown(namespace, metric, function | dict.fromkeys(names[1:]), emitted):
                yield said
            if terms.keys() - set(names) or period != widget["properties"]["period"]:
                yield f"the search is for {expression}"
        elif "SEARCH" in expression or not (used := set(re.findall(r"\b[a-z]\w*\b", expression))) or not used <= ids:
            yield f"the expression {expression} speaks of what is not there"


def runbook_faults(template, page):
    """Every alarm has its paragraph, and every paragraph its alarm."""
    section = page.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    anchors = [re.sub(r"[^a-z0-9_-]", "", title.lower().replace(" ", "-")) for title in re.findall(r"^### (.+)$", section, re.M)]
    named = []
    for name in ALARMS.keys() & template["Resources"].keys():
        described = template["Resources"][name]["Properties"].get("AlarmDescription", "")
        found = re.search(r"\. docs/runbook\.md#([a-z-]+)$", described)
        if not found or found[1] not in anchors:
            yield f"{name} says {described!r}: no paragraph of docs/runbook.md"
        else:
            named.append(found[1])
        text = section.partition(f"\n### {next((t for t in re.findall(r'^### (.+)$', section, re.M) if re.sub(r'[^a-z0-9_-]', '', t.lower().replace(' ', '-')) == (found and found[1])), '?')}\n")[2]
        if f"`{name}`" not in text.partition("\n### ")[0]:
            yield f"the paragraph of {name} in docs/runbook.md does not name it"
    if sorted(named) != sorted(anchors):
        yield f"docs/runbook.md has paragraphs for {sorted(anchors)}, the alarms name {sorted(named)}"


def concurrency_faults(chosen, resources):
    function = chosen.fill(resources["RelayFunction"]["Properties"]).get("ReservedConcurrentExecutions")
    alias = chosen.fill(of_type(resources, "AWS::Lambda::Alias").get("RelayFunctionAliaslive", {})).get("ProvisionedConcurrencyConfig", {})
    for what, is_, parameter in (
            ("reserved", function, "ReservedConcurrency"), ("provisioned", alias.get("ProvisionedConcurrentExecutions"), "ProvisionedConcurrency")):
        wanted = chosen.values[parameter]
        if is_ != (None if wanted == "0" else wanted):
            yield f"{parameter}={wanted}: {is_} are {what}"


def deployment_faults(template, translate):
    """Whatever is no AllAtOnce goes through CodeDeploy, which heeds the alarms and may do no more than move the alias."""
    for choice in template["Parameters"]["Deployment"]["AllowedValues"]:
        parameters = {"Deployment": choice}
        translated = translate(template, parameters)
        chosen = Conditions(translated, parameters)
        resources = chosen.section(translated, "Resources")
        made = {n: r["Type"] for n, r in resources.items() if r["Type"].startswith("AWS::CodeDeploy::") or n in ("DeploymentRole", "CodeDeployServiceRole")}
        policy = resources["RelayFunctionAliaslive"].get("UpdatePolicy") if "RelayFunctionAliaslive" in resources else None
        if choice == "AllAtOnce":
            if made or policy:
                yield f"AllAtOnce makes {made} and updates by {policy}"
            continue
        if choice not in CODEDEPLOY_PREDEFINED_CONFIGURATIONS_LIST:
            yield f"CodeDeploy knows no {choice}"
        if sorted(made.values()) != ["AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup", "AWS::IAM::Role"] or "DeploymentRole" not in made:
            yield f"{choice} makes {made}"
            continue
        group = resources["RelayFunctionDeploymentGroup"]["Properties"]
        if policy != {"CodeDeployLambdaAliasUpdate": {
                "ApplicationName": {"Ref": "ServerlessDeploymentApplication"}, "DeploymentGroupName": {"Ref": "RelayFunctionDeploymentGroup"}}}:
            yield f"{choice}: the alias is updated by {policy}"
        if group["DeploymentConfigName"] != {"Fn::Sub": ["CodeDeployDefault.Lambda${ConfigName}", {"ConfigName": choice}]}:
            yield f"{choice}: calls go over by {group['DeploymentConfigName']}"
        heeded = [alarm["Name"] for alarm in group.get("AlarmConfiguration", {}).get("Alarms", [])]
        if heeded != [{"Ref": name} for name in DEPLOYMENT_ALARMS] or len(heeded) > ALARMS_OF_DEPLOYMENT:
            yield f"{choice}: a deployment heeds {heeded}"
        if group["ServiceRoleArn"] != {"Fn::GetAtt": ["DeploymentRole", "Arn"]}:
            yield f"{choice}: CodeDeploy's role is {group['ServiceRoleArn']}"
        yield from deployment_role_faults(resources["DeploymentRole"]["Properties"])


def deployment_role_faults(role):
    trust = [{
        "Effect": "Allow", "Principal": {"Service": "codedeploy.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}}]
    if role["AssumeRolePolicyDocument"]["Statement"] != trust:
        yield f"DeploymentRole is for {role['AssumeRolePolicyDocument']['Statement']}"
    function = [{"Fn::GetAtt": ["RelayFunction", "Arn"]}, {"Fn::Sub": "${RelayFunction.Arn}:*"}]
    granted = {
        action: statement["Resource"] for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])}
    wanted = {f"lambda:{action}": function for action in ("GetAlias", "UpdateAlias", "GetProvisionedConcurrencyConfig")}
    if granted != wanted | {"cloudwatch:DescribeAlarms": "*"} or role.get("ManagedPolicyArns"):
        yield f"DeploymentRole may {granted}"

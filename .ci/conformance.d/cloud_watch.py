"""Alarms, a deployment in steps and the smoke test on LocalStack, with a stack of prod: cloud_watch.py STEP. The steps follow one another.

LocalStack makes no metrics of log lines, which is done here; of alarms it evaluates those of one plain metric, and it
passes over dashboards and CodeDeploy in silence, so that a new version is let in at once.
"""

import glob
import json
import os
import shlex
import subprocess
import sys
import time

import emf
from cloud_steps import CHECKOUT, FIRST, aws, call, deployed, gone, key_of, live, outputs, run
from standin import same, submitted, tell

STACK = "omr-relay-prod"
TOPIC, QUEUE = "on-call", "on-call-pager"
ALARMS = {"ErrorsAlarm", "OverheadAlarm", "TokenFailuresAlarm", "CredentialsRejectedAlarm", "ThrottlesAlarm", "WarmUpsAlarm", "BudgetAlarm", "NewVersionAlarm"}
PATIENCE = 150  # seconds: LocalStack looks at an alarm of one period of a minute once a minute


def sqs(command):
    # It has an endpoint of an older kind, which the CLI prefers to what the environment says.
    return aws(f"sqs {command} --endpoint-url {os.environ['AWS_ENDPOINT_URL']}") or {}


def smoke(environment):
    """Exit status and all that it says, in which there must be no key."""
    made = subprocess.run(["bash", "-c", f"make smoke ENV={environment}"], cwd=CHECKOUT, capture_output=True, text=True, timeout=120)
    said = made.stdout + made.stderr
    for key in aws("apigateway get-api-keys --include-values")["items"]:
        if key["value"] in said:
            raise AssertionError("the smoke test shows a key")
    return made.returncode, said


def lives():
    """As documented, of the first stack."""
    before = submitted()
    _, said = run("smoke")
    for words in ("/healthz", "/openapi.json  OpenAPI 3.1", "a token that lasts for", "Aspose is in reach"):
        if words not in said:
            raise AssertionError(f"the smoke test does not say {words!r}:\n{said}")
    same("submitted by it", submitted(), before)
    same("a stack that is not there", (smoke("prod")[0] != 0, "there is no stack omr-relay-prod" in smoke("prod")[1]), (True, True))


def alarms(stack=STACK):
    """Each alarm of the stack by its name in the template."""
    resources = aws(f"cloudformation list-stack-resources --stack-name {stack}")["StackResourceSummaries"]
    names = {r["PhysicalResourceId"]: r["LogicalResourceId"] for r in resources if r["ResourceType"] == "AWS::CloudWatch::Alarm"}
    return {names[a["AlarmName"]]: a for a in aws("cloudwatch describe-alarms")["MetricAlarms"] if a["AlarmName"] in names}


def prod():
    """All at once, as documented; then with all that can be asked for, which is another version."""
    run("at-once")
    same("protected", aws(f"cloudformation describe-stacks --stack-name {STACK}")["Stacks"][0]["EnableTerminationProtection"], True)
    same("alarms", alarms().keys(), ALARMS - {"BudgetAlarm", "NewVersionAlarm"})
    before, _ = live(STACK)
    topic = aws(f"sns create-topic --name {TOPIC}")["TopicArn"]
    queue = sqs(f"create-queue --queue-name {QUEUE}")["QueueUrl"]
    arn = sqs(f"get-queue-attributes --queue-url {queue} --attribute-names QueueArn")["Attributes"]["QueueArn"]
    aws(f"sns subscribe --topic-arn {topic} --protocol sqs --notification-endpoint {arn}")
    secret = aws("secretsmanager describe-secret --secret-id omr-relay/other")["ARN"]
    tell("accept", FIRST)  # not what is in there
    deployed(f"ENV=prod SECRET_ARN={secret} PARAMETERS='AlarmTopicArn={topic} MonthlyBudget=3000 ReservedConcurrency=20 ProvisionedConcurrency=1'")
    after, versions = live(STACK)
    if before["Version"] == after["Version"] or before["Version"] not in versions:
        raise AssertionError(f"live went from {before['Version']} to {after['Version']}; there are {versions}")
    made = alarms()
    same("alarms", made.keys(), ALARMS)
    for name, alarm in made.items():
        same(f"{name} tells", (alarm["AlarmActions"], alarm["OKActions"]), ([], []) if name == "NewVersionAlarm" else ([topic], [topic]))
    watched = {d["Name"]: d["Value"] for d in made["NewVersionAlarm"]["Dimensions"]}
    same("the version that is watched", watched["ExecutedVersion"], after["Version"])
    refused("ReservedConcurrency=1 ProvisionedConcurrency=2", "ProvisionedConcurrency=2 is more than ReservedConcurrency=1")
    refused(f"AlarmTopicArn={topic} AlarmEmail=on-call@school.example", "AlarmTopicArn cannot be given beside it")


def refused(parameters, words):
    secret = aws("secretsmanager describe-secret --secret-id omr-relay/other")["ARN"]
    try:
        deployed(f"ENV=prod SECRET_ARN={secret} PARAMETERS='{parameters}'")
    except AssertionError as error:
        if words not in str(error):
            raise
    else:
        raise AssertionError(f"{parameters} is not refused")


def denied():
    """The new version's pair is denied: the smoke test says so, and what the function logs of it raises the alarm."""
    status, said = smoke("prod")
    if status == 0 or "the warm-up failed with token_unavailable" not in said:
        raise AssertionError(f"the smoke test ends with {status}:\n{said}")
    told, _ = outputs(STACK)
    function, key = live(STACK)[0]["FunctionName"], key_of(told["ApiKeyId"])
    wanted, end = {"credentials_rejected", "mint_failures", "warm_up_failures"}, time.monotonic() + 30
    # The pair is held back for some seconds, for the environment was denied before its first call.
    while missing := wanted - {name for _, _, name, _, _, value in logged(function) if value}:
        if time.monotonic() > end:
            raise AssertionError(f"the function's lines have no {sorted(missing)}")
        call(told["ApiUrl"], f"Authorization: Bearer {key}", path="/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate?id=1")
        time.sleep(1)
    tell("accept-any")
    data = [{
        "MetricName": name, "Unit": unit, "Timestamp": int(time.time()), "Value": value,
        "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()],
    } for _, _, name, unit, dimensions, value in logged(function) if name == "credentials_rejected"]
    aws(f"cloudwatch put-metric-data --namespace omr-relay --metric-data '{json.dumps(data)}'")
    # LocalStack looks at an alarm once in all of its periods, which are more than an hour here: it is given one of a minute.
    alarm = alarms()["CredentialsRejectedAlarm"] | {"Period": 60, "EvaluationPeriods": 1, "DatapointsToAlarm": 1}
    members = ("AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "MetricName", "Namespace", "Statistic", "Dimensions",
               "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData")
    aws(f"cloudwatch put-metric-alarm --cli-input-json {shlex.quote(json.dumps({m: alarm[m] for m in members}))}")


def logged(function):
    """The metrics of the function alone that are in its log."""
    lines = []
    for path in glob.glob(os.path.join(os.environ["FUNCTION_LOGS"], f"{function}-*.log")):
        with open(path, encoding="utf-8") as f:
            lines += f
    return [v for v in emf.values(lines) if v[4] == {"FunctionName": function}]


def raised():
    """The alarm that was raised, and whom it told; the end of the stack, as documented."""
    queue = sqs(f"get-queue-url --queue-name {QUEUE}")["QueueUrl"]
    end, told = time.monotonic() + PATIENCE, []
    while not told and time.monotonic() < end:
        messages = sqs(f"receive-message --queue-url {queue} --wait-time-seconds 5 --max-number-of-messages 10").get("Messages", [])
        told = [m for m in (json.loads(json.loads(m["Body"])["Message"]) for m in messages) if m["NewStateValue"] == "ALARM"]
    if not told:
        raise AssertionError(f"nobody was told; {({n: a['StateValue'] for n, a in alarms().items()})}")
    if "CredentialsRejectedAlarm" not in told[0]["AlarmName"] or not told[0]["AlarmDescription"].endswith("docs/runbook.md#credentials-rejected"):
        raise AssertionError(f"what was told: {told}")
    run("unprotect")
    same("protected", aws(f"cloudformation describe-stacks --stack-name {STACK}")["Stacks"][0]["EnableTerminationProtection"], False)
    gone(STACK)
    same("alarms", [a["AlarmName"] for a in aws("cloudwatch describe-alarms")["MetricAlarms"] if a["AlarmName"].startswith(STACK)], [])


STEPS = {"lives": lives, "prod": prod, "denied": denied, "raised": raised}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()

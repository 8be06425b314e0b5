"""Asserts what SAM makes of the template: usage template.py [--self-test] TEMPLATE."""

import copy
import itertools
import json
import logging
import re
import sys
from unittest.mock import patch

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

import callers
import streaming
from conditions import resolve
from spoilt import spoilt

ENVIRONMENT = {
    "OMR_SECRET_ID", "OMR_BASE_URL", "OMR_TOKEN_URL", "OMR_STREAMING", "OMR_WARMUP_INTERVAL", "GOMAXPROCS",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
}
TRACES = {"xray:PutTelemetryRecords": "*", "xray:PutTraceSegments": "*"}
# role: action: the one resource it may be granted on
GRANTS = {"RelayRole": {
    "secretsmanager:GetSecretValue": {"Ref": "SecretArn"},
    "kms:Decrypt": {"Ref": "KmsKeyArn"},
    "logs:CreateLogStream": {"Fn::GetAtt": ["RelayLogs", "Arn"]},
    "logs:PutLogEvents": {"Fn::GetAtt": ["RelayLogs", "Arn"]},
} | TRACES, "AuthorizerRole": {
    "logs:CreateLogStream": {"Fn::GetAtt": ["AuthorizerLogs", "Arn"]},
    "logs:PutLogEvents": {"Fn::GetAtt": ["AuthorizerLogs", "Arn"]},
} | TRACES}
ROLES = {"RelayFunction": "RelayRole", "AuthorizerFunction": "AuthorizerRole"}
LOGGED = re.compile(
    r"requestId|requestTime|httpMethod|path|status|responseLength|responseLatency|xrayTraceId|error\.responseType"
    r"|integration\.(requestId|status|latency)|identity\.apiKeyId"
)
BINARY = {"multipart/form-data", "application/octet-stream"}
ALIAS = {"Ref": "RelayFunctionAliaslive"}


class NoManagedPolicies:
    def load(self):
        return {}


def translate(template):
    template = copy.deepcopy(template)
    # The translator runs after packaging, when the sources are in a bucket.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    with patch("boto3.session.Session.region_name", "us-east-1"):
        return transform(template, {}, NoManagedPolicies())


def as_list(value):
    return value if isinstance(value, list) else [value]


def faults(template):
    translated = translate(template)
    # SAM makes a new deployment when the body changes, and does not see what a condition in it comes to.
    if template["Resources"]["RelayApi"]["Properties"].get("AlwaysDeploy") is not True:
        yield "another choice of authorization or streaming would not reach the stage"
    for choice, setting in itertools.product(callers.CHOICES, streaming.SETTINGS):
        parameters = {"Authorization": choice, "KmsKeyArn": "given", "MonthlyQuota": "1000"}
        if setting:
            parameters["Streaming"] = setting
        yield from faults_of(choice, setting, resolve(translated, parameters))
    for name, plan in resolve(translated, {})["RelayUsagePlan"]["Properties"].items():
        if name == "Quota":
            yield f"without MonthlyQuota there is a quota of {plan}"


def faults_of(choice, setting, resources):
    def of_type(name):
        return {k: r.get("Properties", {}) for k, r in resources.items() if r["Type"] == name}

    functions = of_type("AWS::Lambda::Function")
    if functions.keys() != ({"RelayFunction", "AuthorizerFunction"} if choice == "ApiKey" else {"RelayFunction"}):
        yield f"{choice}: the functions are {sorted(functions)}"
        return
    yield from callers.faults(choice, of_type, ALIAS)
    yield from streaming.faults(setting, of_type, ALIAS)
    yield from binary_faults(of_type)
    yield from log_faults(of_type, functions)
    for name, function in functions.items():
        yield from grant_faults(resources, function, ROLES[name])
        if function["TracingConfig"] != {"Mode": "Active"}:
            yield f"{name} is not traced"

    if ALIAS["Ref"] not in of_type("AWS::Lambda::Alias"):
        yield "the function has no alias"
    for name, schedule in of_type("AWS::Scheduler::Schedule").items() or [("the schedule", {"Target": {}})]:
        if schedule["Target"].get("Arn") != ALIAS:
            yield f"{name} does not target the alias"
        if schedule["Target"].get("RetryPolicy", {}).get("MaximumRetryAttempts") != 0:
            yield f"{name} is retried"
    function, authorizer = functions["RelayFunction"], functions.get("AuthorizerFunction", {})
    if set(function["Environment"]["Variables"]) != ENVIRONMENT:
        yield f"the environment is {sorted(function['Environment']['Variables'])}"
    if "Environment" in authorizer:
        yield "the authorizer is told something"
    if not 0 < authorizer.get("Timeout", 1) < function["Timeout"] < 29:
        yield "a function outlives API Gateway's integration"


def grant_faults(resources, function, role):
    if function["Role"] != {"Fn::GetAtt": [role, "Arn"]}:
        yield f"the role is {function['Role']}, not {role}"
    if resources[role]["Properties"].get("ManagedPolicyArns"):
        yield f"{role} has managed policies"
    policies = list(resources[role]["Properties"]["Policies"])
    for name, r in resources.items():
        if r["Type"] in ("AWS::IAM::RolePolicy", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            if r["Type"] != "AWS::IAM::RolePolicy" or r["Properties"]["RoleName"] not in [{"Ref": known} for known in GRANTS]:
                yield f"{name} is a policy that nobody has looked at"
            elif r["Properties"]["RoleName"] == {"Ref": role}:
                policies.append(r["Properties"])
    grants = GRANTS[role]
    statements = [s for p in policies for s in p["PolicyDocument"]["Statement"]]
    granted = {a for s in statements for a in as_list(s.get("Action"))}
    for statement in statements:
        for action in as_list(statement.get("Action")):
            if statement["Effect"] != "Allow" or as_list(statement.get("Resource")) != [grants.get(action)]:
                yield f"{role} may {action} on {statement.get('Resource')}"
        if "kms:Decrypt" in as_list(statement.get("Action")) and "kms:ViaService" not in str(statement.get("Condition")):
            yield "the key can be used without Secrets Manager"
    for action in grants.keys() - granted:
        yield f"{role} may not {action}"


def binary_faults(of_type):
    for name, api in of_type("AWS::ApiGateway::RestApi").items():
        binary = [*api.get("BinaryMediaTypes", []), *api["Body"].get("x-amazon-apigateway-binary-media-types", [])]
        if (binary := {kind.replace("~1", "/") for kind in binary}) != BINARY:
            yield f"{name} turns {sorted(binary)} into base64"


def log_faults(of_type, functions):
    groups = of_type("AWS::Logs::LogGroup")
    for name, group in groups.items():
        if not group.get("RetentionInDays"):
            yield f"{name} keeps logs for ever"
    for name, function in functions.items():
        if function.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref") not in groups:
            yield f"{name} logs to a group without retention"
    for name, stage in of_type("AWS::ApiGateway::Stage").items():
        access = stage.get("AccessLogSetting", {})
        if access.get("DestinationArn", {}).get("Fn::GetAtt", [""])[0] not in groups:
            yield f"{name} has no access log with retention"
        for variable in re.findall(r"\$context\.([A-Za-z.]+)|\$(\w+)", access.get("Format", "")):
            if not LOGGED.fullmatch(variable[0]):
                yield f"{name} logs {variable[0] or variable[1]}"
        for setting in stage.get("MethodSettings", []):
            if setting.get("LoggingLevel") != "OFF" or setting.get("DataTraceEnabled") is not False:
                yield f"{name} writes execution logs, into a group without retention"
        if stage.get("TracingEnabled") is not True:
            yield f"{name} is not traced"


def main():
    # Without aliases, as `sam build` writes it: what is spoilt in one place is spoilt in no other.
    template = json.loads(json.dumps(yaml_parse(open(sys.argv[-1], encoding="utf-8").read())))
    if "--self-test" not in sys.argv:
        return list(faults(template))
    missed = []
    for words, wrong in spoilt(template):
        said = list(faults(wrong))
        if not any(words in fault for fault in said):
            missed.append(f"not noticed: {words}; said: {said}")
    return missed


logging.disable()  # the translator's own housekeeping
found = main()
print("\n".join(found) or "as it should be")
sys.exit(bool(found))

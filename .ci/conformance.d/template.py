"""Asserts what SAM makes of the template: usage template.py [--self-test] TEMPLATE."""

import copy
import itertools
import json
import logging
import re
import sys
from unittest.mock import patch

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

import batches
import bucket
import callers
import streaming
import versions
import watching
import wiring
from conditions import Conditions, resolve
from spoilt import spoilt

TRACES = {"xray:PutTelemetryRecords": "*", "xray:PutTraceSegments": "*"}
# role: action: the one resource it must be granted on, or those of a list
GRANTS = {"RelayRole": {
    "secretsmanager:GetSecretValue": {"Ref": "SecretArn"},
    "kms:Decrypt": {"Ref": "KmsKeyArn"},
    "logs:CreateLogStream": {"Fn::GetAtt": ["RelayLogs", "Arn"]},
    "logs:PutLogEvents": {"Fn::GetAtt": ["RelayLogs", "Arn"]},
} | batches.RELAY_GRANTS | TRACES, "AuthorizerRole": {
    "logs:CreateLogStream": {"Fn::GetAtt": ["AuthorizerLogs", "Arn"]},
    "logs:PutLogEvents": {"Fn::GetAtt": ["AuthorizerLogs", "Arn"]},
} | TRACES, "BatchRole": {
    "secretsmanager:GetSecretValue": {"Ref": "SecretArn"},
    "kms:Decrypt": {"Ref": "KmsKeyArn"},
    "logs:CreateLogStream": {"Fn::GetAtt": ["BatchLogs", "Arn"]},
    "logs:PutLogEvents": {"Fn::GetAtt": ["BatchLogs", "Arn"]},
} | batches.STEP_GRANTS | TRACES, "BatchMachineRole": batches.MACHINE_GRANTS | TRACES}
DECRYPT_ONLY = {"StringEquals": {
    "kms:ViaService": {"Fn::Sub": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"},
    "kms:EncryptionContext:SecretARN": {"Ref": "SecretArn"},
}}
ROLES = {
    "RelayFunction": "RelayRole", "AuthorizerFunction": "AuthorizerRole", "BatchFunction": "BatchRole", "BatchStateMachine": "BatchMachineRole"}
# role: the service that takes it on
PRINCIPALS = {
    "RelayRole": "lambda.amazonaws.com",
    "AuthorizerRole": "lambda.amazonaws.com",
    "BatchRole": "lambda.amazonaws.com",
    "BatchMachineRole": "states.amazonaws.com",
    "WarmUpRole": "scheduler.amazonaws.com",
    "ApiGatewayWriterRole": "apigateway.amazonaws.com",
}
LOGGED = re.compile(
    r"requestId|requestTime|httpMethod|path|status|responseLength|responseLatency|xrayTraceId|error\.responseType"
    r"|integration\.(requestId|status|latency)|identity\.apiKeyId"
)
BINARY = {"multipart/form-data", "application/octet-stream", "application/zip"}
ALIAS = {"Ref": "RelayFunctionAliaslive"}


class NoManagedPolicies:
    def load(self):
        return {}


def translate(template, parameters=None):
    template = copy.deepcopy(template)
    # The translator runs after packaging, when the sources are in a bucket.
    for resource in template["Resources"].values():
        for uri in {"CodeUri", "DefinitionUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][uri] = "s3://bucket/key"
    with patch("boto3.session.Session.region_name", "us-east-1"):
        return transform(template, dict(parameters or {}), NoManagedPolicies())


def as_list(value):
    return value if isinstance(value, list) else [value]


def faults(template, check=None):
    """Each with the check that says it; where but one is asked, others may be left out."""
    if check != "watching":
        yield from made_faults(template)
    if check in ("watching", None):
        yield from watched_faults(template)


def watched_faults(template):
    try:
        yield from (("watching", fault) for fault in watching.faults(template, translate))
    except InvalidDocumentException as refused:
        yield "transform", str(refused)


def made_faults(template):
    try:
        translated = translate(template)
    except InvalidDocumentException as refused:
        yield "transform", str(refused)
        return
    # SAM makes a new deployment when the body changes, and does not see what a condition in it comes to.
    if template["Resources"]["RelayApi"]["Properties"].get("AlwaysDeploy") is not True:
        yield "callers", "another choice of authorization or streaming would not reach the stage"
    for fault in wiring.parameter_faults(template):
        yield "parameters", fault
    for choice, setting in itertools.product(callers.CHOICES, streaming.SETTINGS):
        parameters = {"Authorization": choice, "KmsKeyArn": "given", "MonthlyQuota": "1000", "ApiGatewayLogRole": "create", "Scans": "create"}
        if setting:
            parameters["Streaming"] = setting
        chosen = Conditions(translated, parameters)
        yield from faults_of(choice, setting, chosen.section(translated, "Resources"), chosen.section(translated, "Outputs"))
    for name, plan in resolve(translated, {})["RelayUsagePlan"]["Properties"].items():
        if name == "Quota":
            yield "callers", f"without MonthlyQuota there is a quota of {plan}"
    without_key = str(resolve(translated, {"KmsKeyArn": ""}).get("SecretPolicy"))
    if "kms:" in without_key:
        yield "grants", "without KmsKeyArn the function may use a key"
    for name in ("WarmUp", "WarmUpRole"):
        if name in resolve(translated, {"WarmUpMinutes": "0"}):
            yield "wiring", f"WarmUpMinutes=0 makes {name}"
    for fault in wiring.log_choice_faults(translated):
        yield "logs", fault
    for fault in bucket.faults(translated):
        yield "bucket", fault
    for fault in wiring.origin_faults(translated):
        yield "wiring", fault
    for fault in versions.faults(template, translate):
        yield "versions", fault


def faults_of(choice, setting, resources, outputs):
    def of_type(name):
        return {k: r.get("Properties", {}) for k, r in resources.items() if r["Type"] == name}

    functions = of_type("AWS::Lambda::Function")
    if functions.keys() != {"RelayFunction", "BatchFunction"} | ({"AuthorizerFunction"} if choice == "ApiKey" else set()):
        yield "wiring", f"{choice}: the functions are {sorted(functions)}"
        return
    for check, found in (
            ("callers", callers.faults(choice, of_type, ALIAS)),
            ("streaming", streaming.faults(setting, of_type, ALIAS)),
            ("bodies", binary_faults(of_type)),
            ("logs", log_faults(of_type, functions)),
            ("logs", wiring.format_faults(of_type)),
            ("grants", role_faults(of_type("AWS::IAM::Role"), choice)),
            ("grants", itertools.chain.from_iterable(grant_faults(resources, name, role) for name, role in ROLES.items() if name in resources)),
            ("wiring", function_faults(of_type, functions)),
            ("batches", batches.faults(resources)),
            ("wiring", wiring.faults(choice, of_type, resources, outputs, ALIAS))):
        for fault in found:
            yield check, fault


def function_faults(of_type, functions):
    for name, function in functions.items():
        if function.get("TracingConfig") != {"Mode": "Active"}:
            yield f"{name} is not traced"
    if ALIAS["Ref"] not in of_type("AWS::Lambda::Alias"):
        yield "the function has no alias"
    for name, schedule in of_type("AWS::Scheduler::Schedule").items() or [("the schedule", {"Target": {}})]:
        if schedule["Target"].get("Arn") != ALIAS:
            yield f"{name} does not target the alias"
        if schedule["Target"].get("RetryPolicy", {}).get("MaximumRetryAttempts") != 0:
            yield f"{name} is retried"
    authorizer = functions.get("AuthorizerFunction", {})
    if "Environment" in authorizer:
        yield "the authorizer is told something"
    if not 0 < authorizer.get("Timeout", 1) < functions["RelayFunction"]["Timeout"] < 29:
        yield "a function outlives API Gateway's integration"


def role_faults(roles, choice):
    wanted = PRINCIPALS.keys() - (set() if choice == "ApiKey" else {"AuthorizerRole"})
    if roles.keys() != wanted:
        yield f"the roles are {sorted(roles)}"
    for name, role in roles.items():
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            if (statement["Effect"], statement["Principal"], statement["Action"]) != ("Allow", {"Service": PRINCIPALS.get(name)}, "sts:AssumeRole"):
                yield f"{name} is for {statement['Principal']}"
            guard = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
            if name in ("WarmUpRole", "BatchMachineRole") and statement.get("Condition") != guard:
                yield f"{name} can be used from other accounts"
    warm_up = [s for p in roles.get("WarmUpRole", {}).get("Policies", []) for s in p["PolicyDocument"]["Statement"]]
    if warm_up != [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": ALIAS}]:
        yield f"WarmUpRole may {warm_up}"
    writer = roles.get("ApiGatewayWriterRole", {})
    wanted = [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}]
    if writer.get("ManagedPolicyArns") != wanted or writer.get("Policies"):
        yield f"ApiGatewayWriterRole may {writer.get('ManagedPolicyArns')}"


def grant_faults(resources, name, role):
    taken = resources[name]["Properties"].get("Role", resources[name]["Properties"].get("RoleArn"))
    if taken != {"Fn::GetAtt": [role, "Arn"]}:
        yield f"the role is {taken}, not {role}"
    if resources[role]["Properties"].get("ManagedPolicyArns"):
        yield f"{role} has managed policies"
    policies = list(resources[role]["Properties"]["Policies"])
    for name, r in resources.items():
        if r["Type"] in ("AWS::IAM::RolePolicy", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            roles = r["Properties"].get("Roles", [])
            if r["Type"] != "AWS::IAM::ManagedPolicy" or not roles or not all(known in [{"Ref": g} for g in GRANTS] for known in roles):
                yield f"{name} is a policy that nobody has looked at"
            elif {"Ref": role} in roles:
                policies.append(r["Properties"])
    missing = [(action, resource) for action, on in GRANTS[role].items() for resource in as_list(on)]
    for statement in (s for p in policies for s in p["PolicyDocument"]["Statement"]):
        for action, resource in itertools.product(as_list(statement.get("Action")), as_list(statement.get("Resource"))):
            if statement["Effect"] == "Allow" and (action, resource) in missing:
                missing.remove((action, resource))
            else:
                yield f"{role} may {action} on {resource}"
        if "kms:Decrypt" in as_list(statement.get("Action")):
            if statement.get("Condition") != DECRYPT_ONLY:
                yield f"the key can be used without Secrets Manager: {statement.get('Condition')}"
        elif "Condition" in statement:
            yield f"{role} may {statement.get('Action')} under a condition that nobody has looked at"
    for action, resource in missing:
        yield f"{role} may not {action} on {resource}"


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


def main(arguments):
    # Without aliases, as `sam build` writes it: what is spoilt in one place is spoilt in no other.
    template = json.loads(json.dumps(yaml_parse(open(arguments[-1], encoding="utf-8").read())))
    if "--self-test" not in arguments:
        return [f"{check}: {fault}" for check, fault in faults(template)]
    missed = []
    for words, wrong in spoilt(template):
        if not any(words in fault for _, fault in faults(wrong)):
            missed.append(f"not noticed: {words}; said: {list(faults(wrong))}")
    return missed


logging.disable()  # the translator's own housekeeping
if __name__ == "__main__":
    found = main(sys.argv[1:])
    print("\n".join(found) or "as it should be")
    sys.exit(bool(found))

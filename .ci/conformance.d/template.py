"""Asserts what SAM makes of the template: usage template.py [--self-test] TEMPLATE."""

import copy
import logging
import re
import sys
from unittest.mock import patch

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ENVIRONMENT = {
    "OMR_SECRET_ID", "OMR_BASE_URL", "OMR_TOKEN_URL", "OMR_WARMUP_INTERVAL", "AWS_ENDPOINT_URL_SECRETS_MANAGER",
}
# action: the one resource it may be granted on
GRANTS = {
    "secretsmanager:GetSecretValue": {"Ref": "SecretArn"},
    "kms:Decrypt": {"Ref": "KmsKeyArn"},
    "logs:CreateLogStream": {"Fn::GetAtt": ["RelayLogs", "Arn"]},
    "logs:PutLogEvents": {"Fn::GetAtt": ["RelayLogs", "Arn"]},
    "xray:PutTelemetryRecords": "*",
    "xray:PutTraceSegments": "*",
}
LOGGED = re.compile(
    r"requestId|requestTime|httpMethod|path|status|responseLength|responseLatency|xrayTraceId|error\.responseType"
    r"|integration\.(requestId|status|latency)|identity\.apiKeyId"
)
ALIAS = {"Ref": "RelayFunctionAliaslive"}


class NoManagedPolicies:
    def load(self):
        return {}


def translate(template):
    template = copy.deepcopy(template)
    # The translator runs after packaging, when the sources are in a bucket.
    template["Resources"]["RelayFunction"]["Properties"]["CodeUri"] = "s3://bucket/key"
    with patch("boto3.session.Session.region_name", "us-east-1"):
        return transform(template, {}, NoManagedPolicies())["Resources"]


def as_list(value):
    return value if isinstance(value, list) else [value]


def faults(resources):
    def of_type(name):
        return {k: r.get("Properties", {}) for k, r in resources.items() if r["Type"] == name}

    function = of_type("AWS::Lambda::Function")["RelayFunction"]
    yield from grant_faults(resources, function)
    yield from api_faults(of_type)
    yield from log_faults(of_type, function)

    if ALIAS["Ref"] not in of_type("AWS::Lambda::Alias"):
        yield "the function has no alias"
    for name, schedule in of_type("AWS::Scheduler::Schedule").items() or [("the schedule", {"Target": {}})]:
        if schedule["Target"].get("Arn") != ALIAS:
            yield f"{name} does not target the alias"
        if schedule["Target"].get("RetryPolicy", {}).get("MaximumRetryAttempts") != 0:
            yield f"{name} is retried"
    if set(function["Environment"]["Variables"]) != ENVIRONMENT:
        yield f"the environment is {sorted(function['Environment']['Variables'])}"
    if not 0 < function["Timeout"] < 29:
        yield "the function outlives API Gateway's integration"
    if function["TracingConfig"] != {"Mode": "Active"}:
        yield "the function is not traced"


def grant_faults(resources, function):
    role = function["Role"]["Fn::GetAtt"][0]
    if resources[role]["Properties"].get("ManagedPolicyArns"):
        yield f"{role} has managed policies"
    policies = list(resources[role]["Properties"]["Policies"])
    for name, r in resources.items():
        if r["Type"] in ("AWS::IAM::RolePolicy", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            policies.append(r["Properties"])
            if r["Type"] != "AWS::IAM::RolePolicy" or r["Properties"]["RoleName"] != {"Ref": role}:
                yield f"{name} is a policy that nobody has looked at"
    statements = [s for p in policies for s in p["PolicyDocument"]["Statement"]]
    granted = {a for s in statements for a in as_list(s.get("Action"))}
    for statement in statements:
        for action in as_list(statement.get("Action")):
            if statement["Effect"] != "Allow" or as_list(statement.get("Resource")) != [GRANTS.get(action)]:
                yield f"{role} may {action} on {statement.get('Resource')}"
        if "kms:Decrypt" in as_list(statement.get("Action")) and "kms:ViaService" not in str(statement.get("Condition")):
            yield "the key can be used without Secrets Manager"
    for action in GRANTS.keys() - granted:
        yield f"{role} may not {action}"


def api_faults(of_type):
    for name in ("AWS::ApiGatewayV2::Api", "AWS::Lambda::Url"):
        if of_type(name):
            yield f"a {name} opens a way around the key"
    for name, api in of_type("AWS::ApiGateway::RestApi").items():
        schemes = api["Body"].get("components", {}).get("securitySchemes", {})
        methods = [(p, m, o) for p, item in api["Body"]["paths"].items() for m, o in item.items()]
        if not methods:
            yield f"{name} has no method"
        for path, method, operation in methods:
            needs = [scheme for entry in operation.get("security", []) for scheme in entry]
            if not needs or any(schemes.get(scheme, {}).get("type") != "apiKey" for scheme in needs):
                yield f"{method} {path} of {name} wants no key"
            if ALIAS["Ref"] not in str(operation["x-amazon-apigateway-integration"]["uri"]):
                yield f"{method} {path} of {name} does not call the alias"
        if "BinaryMediaTypes" in api or "x-amazon-apigateway-binary-media-types" in api["Body"]:
            yield f"{name} turns JSON into base64"
    for name, permission in of_type("AWS::Lambda::Permission").items():
        if permission["FunctionName"] != ALIAS or "SourceArn" not in permission:
            yield f"{name} lets more than the API call more than the alias"


def log_faults(of_type, function):
    groups = of_type("AWS::Logs::LogGroup")
    for name, group in groups.items():
        if not group.get("RetentionInDays"):
            yield f"{name} keeps logs for ever"
    if function.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref") not in groups:
        yield "the function logs to a group without retention"
    for name, stage in of_type("AWS::ApiGateway::Stage").items():
        access = stage.get("AccessLogSetting", {})
        if access.get("DestinationArn", {}).get("Fn::GetAtt", [""])[0] not in groups:
            yield f"{name} has no access log with retention"
        for variable in re.findall(r"\$context\.([A-Za-z.]+)|\$(\w+)", access.get("Format", "")):
            if not LOGGED.fullmatch(variable[0]):
                yield f"{name} logs {variable[0] or variable[1]}"
        settings = {(s["ResourcePath"], s["HttpMethod"]): s for s in stage.get("MethodSettings", [])}
        everything = settings.get(("/*", "*"), {})
        if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= everything.keys():
            yield f"{name} is not throttled"
        for setting in settings.values():
            if setting.get("LoggingLevel") != "OFF" or setting.get("DataTraceEnabled") is not False:
                yield f"{name} writes execution logs, into a group without retention"
        if stage.get("TracingEnabled") is not True:
            yield f"{name} is not traced"


def spoilt(template):
    """Yields templates with one thing wrong, each with the words that must be said about it."""
    def spoil(words, change):
        wrong = copy.deepcopy(template)
        change(wrong["Resources"])
        return words, wrong

    def statements(r):
        return r["RelayRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]

    def properties(name, **changes):
        return lambda r: r[name]["Properties"].update(changes)

    yield spoil("GetSecretValue on *", lambda r: statements(r)[0].update(Resource="*"))
    yield spoil("may secretsmanager:*", lambda r: statements(r)[0].update(Action="secretsmanager:*"))
    yield spoil("may not secretsmanager", lambda r: statements(r).pop(0))
    yield spoil("managed policies", properties("RelayRole", ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]))
    yield spoil("without Secrets Manager", lambda r: r["RelayKmsPolicy"]["Properties"]["PolicyDocument"]["Statement"][0].pop("Condition"))
    yield spoil("wants no key", properties("RelayApi", Auth={"ApiKeyRequired": False}))
    yield spoil("wants no key", lambda r: r["RelayFunction"]["Properties"]["Events"]["Relay"]["Properties"].update(Auth={"ApiKeyRequired": False}))
    yield spoil("around the key", properties("RelayFunction", FunctionUrlConfig={"AuthType": "NONE"}))
    yield spoil("into base64", properties("RelayApi", BinaryMediaTypes=["*/*"]))
    yield spoil("for ever", lambda r: r["AccessLogs"]["Properties"].pop("RetentionInDays"))
    yield spoil("group without retention", lambda r: r["RelayFunction"]["Properties"].pop("LoggingConfig"))
    yield spoil("no access log", lambda r: r["RelayApi"]["Properties"].pop("AccessLogSetting"))
    yield spoil("logs requestOverride", lambda r: r["RelayApi"]["Properties"]["AccessLogSetting"].update(Format="$context.requestOverride.querystring.id"))
    yield spoil("not throttled", lambda r: r["RelayApi"]["Properties"].pop("MethodSettings"))
    yield spoil("execution logs", lambda r: r["RelayApi"]["Properties"]["MethodSettings"][0].update(LoggingLevel="INFO"))
    yield spoil("not target the alias", lambda r: r["WarmUp"]["Properties"]["Target"].update(Arn={"Ref": "RelayFunction"}))
    yield spoil("is retried", lambda r: r["WarmUp"]["Properties"]["Target"].pop("RetryPolicy"))
    yield spoil("the environment is", lambda r: r["RelayFunction"]["Properties"]["Environment"]["Variables"].pop("OMR_TOKEN_URL"))
    yield spoil("outlives", properties("RelayFunction", Timeout=30))


def main():
    template = yaml_parse(open(sys.argv[-1], encoding="utf-8").read())
    if "--self-test" not in sys.argv:
        return list(faults(translate(template)))
    missed = []
    for words, wrong in spoilt(template):
        said = list(faults(translate(wrong)))
        if not any(words in fault for fault in said):
            missed.append(f"not noticed: {words}; said: {said}")
    return missed


logging.disable()  # the translator's own housekeeping
found = main()
print("\n".join(found) or "as it should be")
sys.exit(bool(found))

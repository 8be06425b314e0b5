"""Says where the template's parts do not fit together, or its parameters do not arrive."""

import json
import re

import conditions
from versions import VALUES

FUNCTION = {
    "Handler": "bootstrap",
    "Runtime": "provided.al2023",
    "Architectures": [{"Ref": "Architecture"}],
    "MemorySize": {"Ref": "MemorySize"},
}
ENVIRONMENT = {
    "OMR_SECRET_ID": {"Ref": "SecretArn"},
    "OMR_BASE_URL": {"Ref": "BaseUrl"},
    "OMR_TOKEN_URL": {"Ref": "TokenUrl"},
    "OMR_STREAMING": {"Ref": "Streaming"},
    "OMR_ALLOW_ORIGIN": {"Ref": "AllowOrigin"},
    "OMR_WARMUP_INTERVAL": {"Fn::Sub": "${WarmUpMinutes}m"},
    "OMR_BUCKET": {"Ref": "ScansBucket"},
    "OMR_MAX_UPLOAD_MEGABYTES": {"Ref": "MaxUploadMegabytes"},
    "OMR_STATE_MACHINE": {"Ref": "BatchStateMachine"},
    "OMR_MAX_SHEETS": {"Ref": "MaxSheets"},
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": "",
    "AWS_ENDPOINT_URL_S3": "",
    "AWS_ENDPOINT_URL_SFN": "",
    "GOMAXPROCS": "1",
}
LOGGING = {"LogFormat": "JSON", "ApplicationLogLevel": {"Ref": "LogLevel"}, "SystemLogLevel": "INFO"}
SCHEDULE = {"ScheduleExpression": {"Fn::Sub": "rate(${WarmUpMinutes} minutes)"}, "FlexibleTimeWindow": {"Mode": "OFF"}}
API = {"EndpointConfiguration": {"Types": ["REGIONAL"]}, "SecurityPolicy": "SecurityPolicy_TLS13_1_2_2021_06", "EndpointAccessMode": "BASIC"}
THROTTLE = {"ThrottlingRateLimit": {"Ref": "ThrottleRate"}, "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"}}
STAGE = {"Ref": "RelayApiStage"}
# name: the group's name
GROUPS = {
    "RelayLogs": "/aws/lambda/${AWS::StackName}",
    "AuthorizerLogs": "/aws/lambda/${AWS::StackName}-authorizer",
    "BatchLogs": "/aws/lambda/${AWS::StackName}-batch",
    "AccessLogs": "/aws/apigateway/${AWS::StackName}",
}
OUTPUTS = {
    "ApiUrl": {"Fn::Sub": "https://${RelayApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${StageName}"},
    "ApiArn": {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${RelayApi}/${StageName}/*"},
    "FunctionArn": {"Fn::GetAtt": ["RelayFunction", "Arn"]},
    "FunctionAliasArn": {"Ref": "RelayFunctionAliaslive"},
    "ScansBucketName": {"Ref": "ScansBucket"},
    "BatchStateMachineArn": {"Ref": "BatchStateMachine"},
    "DashboardName": {"Ref": "Dashboard"},
    "FunctionLogGroup": {"Ref": "RelayLogs"},
    "AccessLogGroup": {"Ref": "AccessLogs"},
}
KEY_OUTPUTS = {
    "UsagePlanId": {"Ref": "RelayUsagePlan"},
    "ApiKeyId": {"Ref": "RelayKey"},
    "ApiKeyCommand": {"Fn::Sub": "aws apigateway get-api-key --api-key ${RelayKey} --include-value --query value --output text"},
}


def different(what, is_, wanted):
    """One fault for each member that is not as wanted."""
    for name, value in wanted.items():
        if is_.get(name) != value:
            yield f"{what}: {name} is {is_.get(name)}"


def faults(choice, of_type, resources, outputs, alias):
    functions = of_type("AWS::Lambda::Function")
    for name, function in functions.items():
        wanted = FUNCTION if name == "RelayFunction" else {k: v for k, v in FUNCTION.items() if k != "MemorySize"}
        yield from different(name, function, wanted)
        yield from different(f"the log of {name}", function.get("LoggingConfig", {}), LOGGING)
    yield from different("the environment", functions["RelayFunction"]["Environment"]["Variables"], ENVIRONMENT)
    for name in functions["RelayFunction"]["Environment"]["Variables"].keys() - ENVIRONMENT.keys():
        yield f"the environment: {name} is one that wiring.py does not know"

    for name, config in of_type("AWS::Lambda::EventInvokeConfig").items() or [("no EventInvokeConfig", {})]:
        yield from different(name, config, {"Qualifier": "live", "MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0})
    for name, schedule in of_type("AWS::Scheduler::Schedule").items():
        yield from different(name, {"State": "ENABLED"} | schedule, SCHEDULE | {"State": "ENABLED"})
        yield from different(f"the target of {name}", schedule["Target"], {"Arn": alias, "RoleArn": {"Fn::GetAtt": ["WarmUpRole", "Arn"]}})
    yield from api_faults(choice, of_type)
    yield from log_group_faults(resources)
    yield from account_faults(resources)
    wanted = OUTPUTS | (KEY_OUTPUTS if choice == "ApiKey" else {})
    yield from different("the outputs", {name: o["Value"] for name, o in outputs.items()}, wanted)
    for name in outputs.keys() - wanted.keys():
        yield f"the outputs: {name} is one too many"


def api_faults(choice, of_type):
    for name, api in of_type("AWS::ApiGateway::RestApi").items():
        yield from different(name, api, API)
        # Importing the body sets the source that the body names, or else the default.
        if api["Body"].get("x-amazon-apigateway-api-key-source") != api.get("ApiKeySourceType"):
            yield f"{name}: the body's source of keys is {api['Body'].get('x-amazon-apigateway-api-key-source')}"
        for path, item in api["Body"]["paths"].items():
            for method, operation in item.items():
                yield from different(f"{method} {path}", operation["x-amazon-apigateway-integration"], {"type": "aws_proxy", "httpMethod": "POST"})
    for name, stage in of_type("AWS::ApiGateway::Stage").items():
        yield from different(name, stage, {"StageName": {"Ref": "StageName"}, "TracingEnabled": True})
        for setting in stage.get("MethodSettings", []):
            yield from different(f"{name}, {setting['HttpMethod']} {setting['ResourcePath']}", setting, THROTTLE | {"MetricsEnabled": True})
    for name, plan in of_type("AWS::ApiGateway::UsagePlan").items():
        throttle = {"RateLimit": {"Ref": "ThrottleRate"}, "BurstLimit": {"Ref": "ThrottleBurst"}}
        yield from different(name, plan, {"ApiStages": [{"ApiId": {"Ref": "RelayApi"}, "Stage": STAGE}], "Throttle": throttle})
    for name, key in of_type("AWS::ApiGateway::UsagePlanKey").items():
        yield from different(name, key, {"KeyId": {"Ref": "RelayKey"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "RelayUsagePlan"}})
    for name, key in of_type("AWS::ApiGateway::ApiKey").items():
        yield from different(name, key, {"Enabled": True})


# What a page of the allowed origin is told, as package handler tells it where there is no API Gateway.
PREFLIGHT = {
    "Access-Control-Allow-Origin": {"Fn::Sub": "'${AllowOrigin}'"},
    "Access-Control-Allow-Methods": "'GET, POST, PUT, PATCH, DELETE'",
    "Access-Control-Allow-Headers": "'Authorization, Content-Type, Idempotency-Key, Prefer'",
    "Access-Control-Max-Age": "'600'",
    "Vary": "'Origin'",
}


def origin_faults(translated):
    """Preflights are answered by API Gateway alone, without a key, where an origin is allowed, and nowhere else."""
    for origin in ("", "https://portal.example"):
        chosen = conditions.Conditions(translated, {"AllowOrigin": origin})
        body = chosen.section(translated, "Resources")["RelayApi"]["Properties"]["Body"]
        preflights = {path: item["options"] for path, item in body["paths"].items() if "options" in item}
        if preflights.keys() != (body["paths"].keys() if origin else set()):
            yield f"AllowOrigin={origin}: preflights on {sorted(preflights)}"
        stage = chosen.section(translated, "Resources")["RelayApiStage"]["Properties"]
        throttled = {s["ResourcePath"] for s in stage["MethodSettings"] if s["HttpMethod"] == "OPTIONS"}
        if throttled != {"/" + path.replace("/", "~1") for path in preflights}:
            yield f"AllowOrigin={origin}: of the preflights, which are open to all, {sorted(throttled)} are throttled on their own"
        for path, operation in preflights.items():
            integration = operation["x-amazon-apigateway-integration"]
            yield from different(f"OPTIONS {path}", operation, {"security": []})
            yield from different(f"OPTIONS {path}", integration, {"type": "mock"})
            answer = integration["responses"]["default"]
            if answer.get("responseParameters") != {f"method.response.header.{n}": v for n, v in PREFLIGHT.items()}:
                yield f"OPTIONS {path} answers {answer}"
            if answer.get("statusCode") not in operation["responses"] or PREFLIGHT.keys() != operation["responses"][answer["statusCode"]]["headers"].keys():
                yield f"OPTIONS {path} declares another answer than it gives"
        for name, response in body["x-amazon-apigateway-gateway-responses"].items():
            headers = response["responseParameters"]
            if headers.get("gatewayresponse.header.Content-Type") != "'application/problem+json'":
                yield f"{name} is no problem document"
            if ("gatewayresponse.header.Access-Control-Allow-Origin" in headers) != bool(origin):
                yield f"AllowOrigin={origin}: {name} says otherwise who may read it"
            text = re.sub(r"\$context\.error\.messageString", '"0"', response["responseTemplates"]["application/json"])
            if {"type", "title", "detail", "instance", "code"} != json.loads(text).keys():
                yield f"{name} is {text}"


def log_group_faults(resources):
    for name, group in resources.items():
        if group["Type"] != "AWS::Logs::LogGroup":
            continue
        yield from different(name, group["Properties"], {
            "LogGroupName": {"Fn::Sub": GROUPS.get(name)}, "RetentionInDays": {"Ref": "LogRetentionDays"}})
        # A group of a fixed name that stayed would keep the stack from being created again.
        yield from different(name, group, {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"})


def account_faults(resources):
    """The role of the whole account: these are asked for with ApiGatewayLogRole=create."""
    for name in ("ApiGatewayAccount", "ApiGatewayWriterRole"):
        # Other APIs of the account may rely on them by then.
        yield from different(name, resources.get(name, {}), {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"})
    account = resources.get("ApiGatewayAccount", {}).get("Properties", {})
    yield from different("ApiGatewayAccount", account, {"CloudWatchRoleArn": {"Fn::GetAtt": ["ApiGatewayWriterRole", "Arn"]}})
    # The stage is created after the role is set: nothing else makes that order.
    tags = resources["RelayApiStage"]["Properties"].get("Tags", [])
    if {"Key": "logging", "Value": {"Ref": "ApiGatewayAccount"}} not in tags:
        yield f"the stage is not made after API Gateway may write logs: {tags}"


def log_choice_faults(translated):
    """No access log by default, one through the account's role, one through a role of the stack's own."""
    for choice, (group, account) in {None: (False, False), "existing": (True, False), "create": (True, True)}.items():
        parameters = {"ApiGatewayLogRole": choice} if choice else {}
        chosen = conditions.Conditions(translated, parameters)
        resources, outputs = chosen.section(translated, "Resources"), chosen.section(translated, "Outputs")
        made = {n for n in ("AccessLogs", "ApiGatewayAccount", "ApiGatewayWriterRole") if n in resources}
        wanted = ({"AccessLogs"} if group else set()) | ({"ApiGatewayAccount", "ApiGatewayWriterRole"} if account else set())
        if made != wanted:
            yield f"ApiGatewayLogRole={choice} makes {sorted(made)}"
        if ("AccessLogSetting" in resources["RelayApiStage"]["Properties"]) != group or ("AccessLogGroup" in outputs) != group:
            yield f"ApiGatewayLogRole={choice}: the stage or the outputs disagree on the access log"


def format_faults(of_type):
    for name, stage in of_type("AWS::ApiGateway::Stage").items():
        text = re.sub(r"\$context\.[A-Za-z.]+", "0", stage.get("AccessLogSetting", {}).get("Format", ""))
        try:
            members = dict(json.loads(text))
        except (TypeError, ValueError):
            yield f"{name}: the access log's lines are no JSON"
            continue
        if missing := {"requestId", "lambdaRequestId", "status", "path", "apiKeyId"} - members.keys():
            yield f"{name}: the access log lacks {sorted(missing)}"


# Each wrong in one way, and what CloudFormation must say of it.
REFUSED = [
    ({"SecretArn": "omr-relay/aspose"}, "must be the full ARN of a secret"),
    ({"SecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:omr-relay/aspose"}, "must be the full ARN of a secret"),
    ({"KmsKeyArn": "alias/omr"}, "must be empty or the ARN of a KMS key"),
    ({"BaseUrl": "http://api.aspose.cloud"}, "must be an https URL"),
    ({"BaseUrl": "https://user@api.aspose.cloud"}, "must be an https URL"),
    ({"BaseUrl": "https://example.com/" + "a" * 180}, "BaseUrl"),
    ({"TokenUrl": "http://api.aspose.cloud"}, "must be empty or an https URL"),
    ({"TokenUrl": "https://api.aspose.cloud/connect/token?x"}, "must be empty or an https URL"),
    ({"Architecture": "arm"}, "must be one of"),
    ({"MemorySize": "127"}, "out of range"),
    ({"MemorySize": "10241"}, "out of range"),
    ({"WarmUpMinutes": "1"}, "must be 0 or a whole number from 2 to 59"),
    ({"WarmUpMinutes": "60"}, "must be 0 or a whole number from 2 to 59"),
    ({"Authorization": "None"}, "must be one of"),
    ({"MonthlyQuota": "-1"}, "out of range"),
    ({"UserPoolArn": "eu-central-1_A"}, "must be empty or the ARN of a user pool"),
    ({"UserPoolScope": "recognize"}, "must be empty or of the form"),
    ({"StageName": "v1.0"}, "must be letters, digits and underscores"),
    ({"Streaming": "yes"}, "must be one of"),
    ({"ThrottleRate": "0"}, "out of range"),
    ({"ThrottleRate": "10001"}, "out of range"),
    ({"ThrottleBurst": "0"}, "out of range"),
    ({"ThrottleBurst": "5001"}, "out of range"),
    ({"Scans": "existing"}, "must be one of"),
    ({"Scans": "create", "MaxUploadMegabytes": "0"}, "must be a whole number from 1 to 200"),
    ({"Scans": "create", "MaxUploadMegabytes": "201"}, "must be a whole number from 1 to 200"),
    ({"Scans": "create", "MaxUploadMegabytes": "1.5"}, "must be a whole number from 1 to 200"),
    ({"Scans": "create", "MaxSheets": "0"}, "must be a whole number from 1 to 100000"),
    ({"Scans": "create", "MaxSheets": "100001"}, "must be a whole number from 1 to 100000"),
    ({"Scans": "create", "BatchConcurrency": "0"}, "must be a whole number from 1 to 1000"),
    ({"Scans": "create", "BatchConcurrency": "1001"}, "must be a whole number from 1 to 1000"),
    ({"Scans": "create", "ResultDays": "2"}, "must be a whole number from 3 to 90"),
    ({"Scans": "create", "ResultDays": "91"}, "must be a whole number from 3 to 90"),
    ({"Scans": "create", "ResultDays": "3.5"}, "must be a whole number from 3 to 90"),
    ({"ReservedConcurrency": "-1"}, "must be 0 or a whole number up to 99999"),
    ({"ProvisionedConcurrency": "1.5"}, "must be 0 or a whole number up to 99999"),
    ({"Deployment": "Canary"}, "must be one of"),
    ({"AlarmEmail": "on-call"}, "must be empty or an e-mail address"),
    ({"AlarmTopicArn": "on-call"}, "must be empty or the ARN of a standard SNS topic"),
    ({"AlarmTopicArn": VALUES["AlarmTopicArn"][1] + ".fifo"}, "must be empty or the ARN of a standard SNS topic"),
    ({"AlarmEmail": VALUES["AlarmEmail"][1], "AlarmTopicArn": VALUES["AlarmTopicArn"][1]}, "AlarmTopicArn cannot be given beside it"),
    ({"MonthlyBudget": "1e3"}, "must be 0 or a whole number up to 999999999"),
    ({"LogLevel": "TRACE"}, "must be one of"),
    ({"LogRetentionDays": "8"}, "must be one of"),
    ({"ApiGatewayLogRole": "new"}, "must be one of"),
    ({"Authorization": "Cognito", "UserPoolScope": "relay/recognize"}, "Authorization=Cognito needs UserPoolArn"),
    ({"Authorization": "Cognito", "UserPoolArn": VALUES["UserPoolArn"][1]}, "Authorization=Cognito needs UserPoolScope"),
    ({"UserPoolArn": VALUES["UserPoolArn"][1]}, "UserPoolArn is for Authorization=Cognito alone"),
    ({"Authorization": "Iam", "UserPoolScope": "relay/recognize"}, "UserPoolScope is for Authorization=Cognito alone"),
    ({"Authorization": "Iam", "MonthlyQuota": "1000"}, "MonthlyQuota is for Authorization=ApiKey alone"),
    ({"MaxUploadMegabytes": "100"}, "MaxUploadMegabytes is for Scans=create alone"),
    ({"MaxSheets": "100"}, "MaxSheets is for Scans=create alone"),
    ({"BatchConcurrency": "20"}, "BatchConcurrency is for Scans=create alone"),
    ({"ResultDays": "30"}, "ResultDays is for Scans=create alone"),
]
TAKEN = [
    {},
    {"AlarmEmail": "on.call+omr@school.example", "MonthlyBudget": "1", "Deployment": "Linear10PercentEvery1Minute"},
    {"AlarmTopicArn": VALUES["AlarmTopicArn"][1], "Deployment": "Canary10Percent30Minutes", "ReservedConcurrency": "20", "ProvisionedConcurrency": "20"},
    {"MonthlyQuota": "1000", "Streaming": "true", "KmsKeyArn": VALUES["KmsKeyArn"][1], "WarmUpMinutes": "59"},
    {"Authorization": "Iam", "WarmUpMinutes": "0", "Architecture": "x86_64", "ApiGatewayLogRole": "existing"},
    {"Authorization": "Cognito", "UserPoolArn": VALUES["UserPoolArn"][1], "UserPoolScope": "relay/recognize", "ApiGatewayLogRole": "create"},
    {"BaseUrl": "https://omr.example.com:8443/base", "TokenUrl": "https://omr.example.com/connect/token", "MemorySize": "10240"},
    {"Scans": "create", "MaxUploadMegabytes": "1", "MaxSheets": "1", "BatchConcurrency": "1", "ResultDays": "3"},
    {"Scans": "create", "MaxUploadMegabytes": "99", "Authorization": "Iam", "MaxSheets": "99999", "BatchConcurrency": "999", "ResultDays": "89"},
    {"Scans": "create", "MaxUploadMegabytes": "200", "AllowOrigin": "https://portal.example", "MaxSheets": "100000", "BatchConcurrency": "1000",
     "ResultDays": "90"},
]


def parameter_faults(template):
    secret = {"SecretArn": VALUES["SecretArn"][0]}
    if not any("SecretArn" in said for said in conditions.refusals(template, {})):
        yield "without SecretArn nothing is refused"
    for parameters, words in REFUSED:
        if not any(words in said for said in conditions.refusals(template, secret | parameters)):
            yield f"{parameters} is not refused with: {words}"
    for parameters in TAKEN:
        for said in conditions.refusals(template, secret | parameters):
            yield f"{parameters} is refused: {said}"
    # A default that nobody chose would change stacks that exist.
    for name, p in template["Parameters"].items():
        if name in VALUES and str(p.get("Default", "")) != ("" if name == "SecretArn" else VALUES[name][0]):
            yield f"the default of {name} is {p.get('Default')}"

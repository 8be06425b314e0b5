"""Deploys, calls, changes and deletes the stack on LocalStack, by the documents' command blocks: cloud_steps.py STEP.

CHECKOUT is a checkout whose lists of parameters name the stand-in. The steps follow one another. Needs the AWS CLI's Python.
"""

import contextlib
import functools
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

from awscli.clidriver import create_clidriver

import one_call
import transport
from blocks import blocks
from readme import GUID, shell
from standin import arrived, same, tell

CHECKOUT = os.environ["CHECKOUT"]
FIRST, SECOND = ({"client_id": f"9f0c-{name}", "client_secret": name + r"""+&%"'\n$(id)é"""} for name in ("first", "second"))
OTHER = {"client_id": "9f0c-other", "client_secret": "the-other-secret"}
POOL = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_AbCdEfGhI"


def run(name, stdin="", **options):
    """Each text that the documents have of the block."""
    texts = blocks()[0][name]
    if not texts:
        raise AssertionError(f"no document has the block {name}")
    return [shell(text, stdin, **({"cwd": CHECKOUT} | options)) for text in texts][-1]


cli = functools.cache(create_clidriver)


def aws(command):
    """What the AWS CLI answers, without a process for each question: most of its time is its start."""
    with contextlib.redirect_stdout(io.StringIO()) as stdout, contextlib.redirect_stderr(io.StringIO()) as stderr:
        status = cli().main([*shlex.split(command), "--output", "json"])
    if status != 0:
        raise AssertionError(f"aws {command}: exit status {status}:\n{stderr.getvalue()}")
    return json.loads(stdout.getvalue()) if stdout.getvalue().strip() else None


def make(arguments):
    return subprocess.run(["bash", "-c", f"make deploy {arguments}"], cwd=CHECKOUT, capture_output=True, text=True, timeout=300)


def deployed(arguments):
    made = make(arguments)
    if made.returncode != 0:
        raise AssertionError(f"make deploy {arguments}:\n{made.stdout[-3000:]}{made.stderr[-3000:]}")


def gone(stack):
    aws(f"cloudformation delete-stack --stack-name {stack}")
    aws(f"cloudformation wait stack-delete-complete --stack-name {stack}")


def outputs(stack="omr-relay"):
    found = aws(f"cloudformation describe-stacks --stack-name {stack}")["Stacks"][0]
    if not found["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
        raise AssertionError(f"{stack} is {found['StackStatus']}")
    resources = aws(f"cloudformation list-stack-resources --stack-name {stack}")["StackResourceSummaries"]
    same("incomplete", [r["LogicalResourceId"] for r in resources if not r["ResourceStatus"].endswith("_COMPLETE")], [])
    return {o["OutputKey"]: o["OutputValue"] for o in found["Outputs"]}, {r["LogicalResourceId"] for r in resources}


def live(stack="omr-relay"):
    """The version behind the alias, as Lambda runs it, and all versions."""
    function = outputs(stack)[0]["FunctionArn"]
    at = aws(f"lambda get-function --function-name {function} --qualifier live")["Configuration"]
    versions = aws(f"lambda list-versions-by-function --function-name {function}")["Versions"]
    return at, {v["Version"]: v["Description"] for v in versions}


def key_of(key_id):
    return aws(f"apigateway get-api-key --api-key {key_id} --include-value")["value"]


def call(url, *headers, path="/healthz", data=None):
    """Status and body."""
    command = ["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}", url + path]
    for header in headers:
        command += ["-H", header]
    if data is not None:
        command += ["--data-binary", data]
    body, _, status = subprocess.check_output(command, text=True, timeout=90).rpartition("\n")
    return int(status), body


def recognized(url, key):
    """A call that has to reach the upstream: its answer is a task's id."""
    status, body = call(url, f"Authorization: Bearer {key}", "Content-Type: application/json",
                        path="/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate", data='{"images":["aW1hZ2U="],"omrFile":"e30="}')
    if status != 200 or not re.fullmatch(GUID, body):
        raise AssertionError(f"the call got {status}: {body}")


def type_secret(block, pair):
    stdout, said = run(block, stdin=f"{pair['client_id']}\n{pair['client_secret']}\n")
    if pair["client_secret"] in said:
        raise AssertionError("the Client Secret is on the screen")
    stored = aws("secretsmanager get-secret-value --secret-id omr-relay/aspose")["SecretString"]
    same("stored", json.loads(stored), pair)
    return stdout


def create_secret():
    arn = type_secret("create-secret", FIRST).splitlines()[-1].strip()
    if not re.fullmatch(r"arn:aws:secretsmanager:.*:secret:omr-relay/aspose-\w{6}", arn):
        raise AssertionError(f"printed {arn!r}, no ARN")
    tell("accept", FIRST)


def deploy():
    run("deploy")
    told, resources = outputs()
    wanted = {"ApiUrl", "ApiArn", "UsagePlanId", "ApiKeyId", "ApiKeyCommand", "FunctionArn", "FunctionAliasArn", "FunctionLogGroup", "DashboardName"}
    same("outputs", sorted(told), sorted(wanted))
    same("without being asked for", sorted(resources & {"AccessLogs", "ApiGatewayAccount", "ApiGatewayWriterRole", "ScansBucket"}), [])
    same("the command of the output", shell(told["ApiKeyCommand"])[0].strip(), key_of(told["ApiKeyId"]))


def first_call():
    calls = arrived()["calls"]
    with tempfile.TemporaryDirectory() as where:
        for name in ("form.jpg", "pattern.omr"):
            with open(os.path.join(where, name), "wb") as f:
                f.write(os.urandom(200_000))
        stdout, said = run("first-call", cwd=where)
    if not re.fullmatch(GUID, stdout):
        raise AssertionError(f"no task's id in the answer:\n{said}")
    same("calls of the upstream", arrived()["calls"] - calls, len(blocks()[0]["first-call"]))


def recognition():
    """From scans to answers in one call, whose scans must arrive as they were sent, and a form as bytes."""
    told, _ = outputs()
    relay = transport.Curl(told["ApiUrl"], key_of(told["ApiKeyId"]))
    tell("ready-by", {"milliseconds": 1})
    for case in ("scan", "later", "printed", "wrong"):
        one_call.CASES[case](relay)
    # LocalStack writes forms anew, and a quote in a name without its escape.
    one_call.several(relay, ["first.jpg", "=HYPERLINK(1).jpg"])
    tell("ready-by", {"milliseconds": 0})


def keys():
    told, _ = outputs()
    url, key = told["ApiUrl"], key_of(told["ApiKeyId"])
    calls = arrived()["calls"]
    same("with the key", call(url, f"Authorization: Bearer {key}"), (200, '{"status":"ok"}'))
    for what, status, headers in (
            ("without a key", 401, ()),
            ("with a wrong key", 403, ("Authorization: Bearer " + key[:-1] + ("a" if key[-1] != "a" else "b"),)),
            ("with what cannot be a key", 401, ("Authorization: Bearer short",)),
            ("with the key under another scheme", 401, (f"Authorization: Basic {key}",)),
            ("with the key in x-api-key alone", 401, (f"x-api-key: {key}",)),
            ("with a wrong key, and the key in x-api-key", 403, (f"x-api-key: {key}", "Authorization: Bearer " + "x" * 40))):
        same(what, call(url, *headers)[0], status)
        same(what + ", of the upstream", call(url, *headers, path="/v5.0/omr/RecognizeTemplate?id=1")[0], status)
    form = f"grant_type=client_credentials&client_id=station&client_secret={key}"
    for path in ("/connect/token", "/oauth2/token"):
        status, body = call(url, "Content-Type: application/x-www-form-urlencoded", path=path, data=form)
        same(path, (status, json.loads(body)["access_token"]), (200, key))
        same(f"GET {path} without a key", call(url, path=path)[0], 401)
    same("calls of the upstream", arrived()["calls"], calls)


def add_caller():
    run("add-caller")
    told, _ = outputs()
    plan = aws(f"apigateway get-usage-plan-keys --usage-plan-id {told['UsagePlanId']}")["items"]
    added = [key for key in plan if key["id"] != told["ApiKeyId"]]
    same("keys that were added", {key["name"] for key in added}, {"station 7"})
    recognized(told["ApiUrl"], key_of(added[0]["id"]))
    # Switched off as documented, and withdrawn alone.
    value = key_of(added[0]["id"])
    run("disable-key", env=os.environ | {"id": added[0]["id"]})
    same("enabled", aws(f"apigateway get-api-key --api-key {added[0]['id']}")["enabled"], False)
    same("a key that is switched off", call(told["ApiUrl"], f"Authorization: Bearer {value}")[0], 403)
    aws(f"apigateway delete-api-key --api-key {added[0]['id']}")
    same("a key that was deleted", call(told["ApiUrl"], f"Authorization: Bearer {value}")[0], 403)
    recognized(told["ApiUrl"], key_of(told["ApiKeyId"]))
    run("add-caller")


def rotate():
    told, _ = outputs()
    key = key_of(told["ApiKeyId"])
    recognized(told["ApiUrl"], key)
    mints = arrived()["mints"]
    type_secret("rotate", SECOND)
    tell("accept", SECOND)
    tell("revoke")
    recognized(told["ApiUrl"], key)
    same("mints", arrived()["mints"], mints + 1)


def update():
    before, _ = live()
    run("update")
    after, versions = live()
    same("memory of the live version", (before["MemorySize"], after["MemorySize"]), (256, 512))
    same("the log's level", after["LoggingConfig"]["ApplicationLogLevel"], "DEBUG")
    if before["Version"] == after["Version"] or before["Version"] not in versions:
        raise AssertionError(f"live went from {before['Version']} to {after['Version']}; there are {versions}")
    told, _ = outputs()
    recognized(told["ApiUrl"], key_of(told["ApiKeyId"]))
    # Back, as documented, and forth.
    run("go-back", env=os.environ | {"version": before["Version"]})
    same("the version after going back", live()[0]["Version"], before["Version"])
    aws(f"lambda update-alias --function-name {told['FunctionArn']} --name live --function-version {after['Version']}")


def other_secret():
    """Another SecretArn, and nothing else of the function: the live version has to read the other secret."""
    arn = aws(f"secretsmanager create-secret --name omr-relay/other --secret-string '{json.dumps(OTHER)}'")["ARN"]
    before, _ = live()
    deployed(f"SECRET_ARN={arn} PARAMETERS='MemorySize=512 LogLevel=DEBUG'")
    after, versions = live()
    same("the secret of the live version", after["Environment"]["Variables"]["OMR_SECRET_ID"], arn)
    if before["Version"] == after["Version"] or before["Version"] not in versions:
        raise AssertionError(f"live went from {before['Version']} to {after['Version']}; there are {versions}")
    tell("accept", OTHER)
    tell("revoke")
    told, _ = outputs()
    recognized(told["ApiUrl"], key_of(told["ApiKeyId"]))
    tell("accept-any")


def refused():
    """Each before anything is deployed: no stack of the environment comes to be."""
    arn = aws("secretsmanager describe-secret --secret-id omr-relay/aspose")["ARN"]
    key = aws("kms create-key")["KeyMetadata"]["KeyId"]
    keyed = aws(f"secretsmanager create-secret --name omr-relay/keyed --kms-key-id {key} --secret-string '{json.dumps(OTHER)}'")["ARN"]
    for arguments, words in (
            (f"ENV=dev SECRET_ARN={arn} PARAMETERS=Authorization=Cognito", "Authorization=Cognito needs UserPoolArn"),
            (f"ENV=dev SECRET_ARN={arn} PARAMETERS='Authorization=Iam MonthlyQuota=1000'", "MonthlyQuota is for Authorization=ApiKey alone"),
            (f"ENV=dev SECRET_ARN={arn} PARAMETERS=MaxUploadMegabytes=100", "MaxUploadMegabytes is for Scans=create alone"),
            (f"ENV=dev SECRET_ARN={arn} PARAMETERS=MemorySize=64", "MemorySize"),
            (f"ENV=dev SECRET_ARN={arn} PARAMETERS=Memory=512", "there is no parameter 'Memory'"),
            (f"ENV=dev SECRET_ARN={keyed}", "give KmsKeyArn"),
            (f"ENV=dev SECRET_ARN={arn}x", "cannot be read from here"),
            ("ENV=dev SECRET_ARN=omr-relay/aspose", "must be the secret's full ARN"),
            ("ENV=dev", "SECRET_ARN is missing"),
            (f"ENV=test SECRET_ARN={arn}", "there is no environment 'test'")):
        made = make(arguments)
        if made.returncode == 0 or words not in made.stdout + made.stderr:
            raise AssertionError(f"make deploy {arguments} is not refused with {words!r}:\n{made.stdout[-2000:]}{made.stderr[-2000:]}")
    stacks = aws("cloudformation describe-stacks")["Stacks"]
    same("stacks of dev", [s["StackStatus"] for s in stacks if s["StackName"] == "omr-relay-dev" and s["StackStatus"] != "REVIEW_IN_PROGRESS"], [])


def environment():
    run("environment")
    at, _ = live("omr-relay-dev")
    same("the log's level", at["LoggingConfig"]["ApplicationLogLevel"], "DEBUG")
    same("a schedule", "WarmUp" in outputs("omr-relay-dev")[1], False)
    gone("omr-relay-dev")


def mode(authorization, more=""):
    """A stack of its own, without keys. LocalStack looks at no signature and no token of a user pool."""
    arn = aws("secretsmanager describe-secret --secret-id omr-relay/aspose")["ARN"]
    deployed(f"ENV=dev SECRET_ARN={arn} PARAMETERS='Authorization={authorization}{more}'")
    told, resources = outputs("omr-relay-dev")
    same("outputs", sorted(told), sorted({"ApiUrl", "ApiArn", "FunctionArn", "FunctionAliasArn", "FunctionLogGroup", "DashboardName"}))
    same("keys", sorted(r for r in resources if "Key" in r or "Authorizer" in r or "UsagePlan" in r), [])
    gone("omr-relay-dev")


def streaming():
    """With a key of the secret's own, a quota, and a role for access logs, which all stays together."""
    described = aws("secretsmanager describe-secret --secret-id omr-relay/keyed")
    key = aws(f"kms describe-key --key-id {described['KmsKeyId']}")["KeyMetadata"]["Arn"]
    deployed(f"ENV=prod SECRET_ARN={described['ARN']} PARAMETERS='Streaming=true MonthlyQuota=1000 KmsKeyArn={key} ApiGatewayLogRole=create'")
    told, resources = outputs("omr-relay-prod")
    same("for the access log", resources >= {"AccessLogs", "ApiGatewayAccount", "ApiGatewayWriterRole"} and "AccessLogGroup" in told, True)
    plan = aws(f"apigateway get-usage-plan --usage-plan-id {told['UsagePlanId']}")
    same("quota", (plan["quota"]["limit"], plan["quota"]["period"]), (1000, "MONTH"))
    # What Lambda would hand to API Gateway: the head, eight zero bytes, the body.
    with tempfile.NamedTemporaryFile() as answer:
        aws(f"lambda invoke --function-name {told['FunctionAliasArn']} "
            f"--payload fileb://{os.path.abspath('events/healthz.json')} {answer.name}")
        head, delimiter, body = answer.read().partition(bytes(8))
    same("streamed", (json.loads(head)["statusCode"], bool(delimiter), body), (200, True, b'{"status":"ok"}'))
    run("unprotect")
    gone("omr-relay-prod")


def delete():
    run("delete-keys")
    told, _ = outputs()
    left = [key["id"] for key in aws("apigateway get-api-keys")["items"]]
    same("keys", left, [told["ApiKeyId"]])
    run("delete-stack")
    stacks = [s["StackName"] for s in aws("cloudformation describe-stacks")["Stacks"] if s["StackStatus"] != "DELETE_COMPLETE"]
    same("stacks", sorted(s for s in stacks if s.startswith("omr-relay") and s != "omr-relay-dev"), [])
    same("functions", aws("lambda list-functions")["Functions"], [])
    same("APIs", aws("apigateway get-rest-apis")["items"], [])
    same("keys", aws("apigateway get-api-keys")["items"], [])
    # LocalStack writes functions' logs elsewhere than they are told to.
    groups = {group["logGroupName"] for group in aws("logs describe-log-groups")["logGroups"]}
    names = {f"/aws/{rest}" for stack in ("omr-relay", "omr-relay-dev", "omr-relay-prod")
             for rest in (f"lambda/{stack}", f"lambda/{stack}-authorizer", f"apigateway/{stack}")}
    same("logs", sorted(groups & names), [])
    # What stays, as the document says, and how to remove it.
    role = aws("apigateway get-account")["cloudwatchRoleArn"].rpartition("/")[2]
    same("roles", [r["RoleName"] for r in aws("iam list-roles")["Roles"]], [role])
    run("delete-log-role")
    same("roles", aws("iam list-roles")["Roles"], [])
    same("the account's role", aws("apigateway get-account").get("cloudwatchRoleArn", ""), "")
    run("delete-secret")
    same("the secret's end", "DeletedDate" in aws("secretsmanager describe-secret --secret-id omr-relay/aspose"), True)


STEPS = {
    "create-secret": create_secret, "deploy": deploy, "first-call": first_call, "recognition": recognition, "keys": keys, "add-caller": add_caller,
    "rotate": rotate, "update": update, "other-secret": other_secret, "refused": refused, "environment": environment,
    "iam": lambda: mode("Iam"), "cognito": lambda: mode("Cognito", f" UserPoolArn={POOL} UserPoolScope=relay/recognize"),
    "streaming": streaming, "delete": delete,
}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()

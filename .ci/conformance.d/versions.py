"""Says which parameters of the function would not reach the live alias, or would break an update.

A version is made anew when SAM gives it another name, or when a property of it changes that CloudFormation cannot
change in place: which these are, the schemas say that cfn-lint ships. Each parameter is given two values.
"""

import functools
import json

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from conditions import Conditions, in_one

ACCOUNT = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:omr-relay/"
# Two values of each parameter, the first a default where there is one.
VALUES = {
    "SecretArn": (ACCOUNT + "first-AbCdEf", ACCOUNT + "second-AbCdEf"),
    "KmsKeyArn": ("", "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"),
    "BaseUrl": ("https://api.aspose.cloud", "https://omr.example.com"),
    "TokenUrl": ("", "https://omr.example.com/connect/token"),
    "Architecture": ("arm64", "x86_64"),
    "MemorySize": ("256", "512"),
    "WarmUpMinutes": ("5", "0"),
    "ReservedConcurrency": ("0", "20"),
    "ProvisionedConcurrency": ("0", "2"),
    "Deployment": ("AllAtOnce", "Canary10Percent5Minutes"),
    "Authorization": ("ApiKey", "Iam"),
    "MonthlyQuota": ("0", "1000"),
    "UserPoolArn": ("", "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_A"),
    "UserPoolScope": ("", "relay/recognize"),
    "AllowOrigin": ("", "https://portal.example"),
    "StageName": ("live", "v1"),
    "Streaming": ("false", "true"),
    "ThrottleRate": ("10", "11"),
    "ThrottleBurst": ("20", "21"),
    "Scans": ("none", "create"),
    "MaxUploadMegabytes": ("50", "100"),
    "MaxSheets": ("3000", "100000"),
    "BatchConcurrency": ("10", "20"),
    "ResultDays": ("7", "30"),
    "AlarmEmail": ("", "on-call@school.example"),
    "AlarmTopicArn": ("", "arn:aws:sns:eu-central-1:123456789012:on-call"),
    "MonthlyBudget": ("0", "3000"),
    "LogLevel": ("INFO", "DEBUG"),
    "LogRetentionDays": ("30", "7"),
    "ApiGatewayLogRole": ("none", "existing"),
}
# property: (the most that AWS takes, what else may stand in it: attributes of resources and their longest value)
LIMITS = {("AWS::Lambda::Version", "Description"): 256, ("AWS::IAM::ManagedPolicy", "Description"): 1000}
ATTRIBUTES = {"${SecretPolicy.PolicyId}": 21, "${ScansAccess.PolicyId}": 21, "${ScansBucket}": 63}


def faults(template, translate):
    for name in template["Parameters"].keys() ^ VALUES.keys():
        yield f"versions.py does not know {name}, or knows it in vain"
    known = {name: values for name, values in VALUES.items() if name in template["Parameters"]}
    first = {name: values[0] for name, values in known.items()}
    before = Stack(translate(template, first), first)
    if before.version is None:
        yield "the live alias names no version of the stack"
        return
    yield from publishing_faults(template, translate, before, first, known)
    first |= {"Scans": "create"}
    with_bucket = Stack(translate(template, first), first)
    of_bucket = {name: known[name] for name in ("MaxUploadMegabytes", "AllowOrigin", "MaxSheets", "BatchConcurrency", "ResultDays") if name in known}
    yield from publishing_faults(template, translate, with_bucket, first, of_bucket)
    # Where it went with one update and came back with another it is another one.
    if "ScansBucket" in with_bucket.resources:
        another = Stack(translate(template, first), first)
        another.resources["ScansBucket"]["Properties"]["BucketName"] = "another"
        if another.identity(another.version_name) == with_bucket.version:
            yield "another bucket does not reach the live alias: no new version"
    retained = before.resources[before.version_name]
    if (retained.get("UpdateReplacePolicy"), retained.get("DeletionPolicy")) != ("Retain", "Retain"):
        yield "an update deletes the version before, and with it the way back"
    yield from length_faults(template, with_bucket)


def publishing_faults(template, translate, before, first, values):
    for name, (_, other) in values.items():
        second = first | {name: other}
        after = Stack(translate(template, second), second)
        changed, published = before.settings != after.settings, before.version != after.version
        if changed and not published:
            yield f"{name} does not reach the live alias: no new version"
        if published and not changed:
            yield f"{name} fails to deploy: Lambda publishes no version of an unchanged function"


class Stack:
    """What a template makes of parameters."""

    def __init__(self, translated, parameters):
        self.conditions = Conditions(translated, parameters)
        self.resources = self.conditions.section(translated, "Resources")
        # A reservation is the function's, whatever its versions are.
        self.settings = {k: v for k, v in self.conditions.fill(self.resources["RelayFunction"]["Properties"]).items() if k != "ReservedConcurrentExecutions"}
        alias = self.resources.get("RelayFunctionAliaslive", {}).get("Properties", {})
        self.version_name = alias.get("FunctionVersion", {}).get("Fn::GetAtt", [None])[0]
        self.version = self.identity(self.version_name) if self.version_name else None

    def identity(self, name):
        """What stays the same as long as CloudFormation keeps the resource."""
        resource = self.resources[name]
        kept = {p: v for p, v in resource.get("Properties", {}).items() if p in create_only(resource["Type"])}
        return name, json.dumps(self.told(self.conditions.fill(kept)), sort_keys=True)

    def told(self, value):
        """The value with resources' identities in the places of references to them."""
        text = json.dumps(value)
        for name in self.resources:
            if name in text and (f"${{{name}." in text or f"${{{name}}}" in text or f'["{name}"' in text or f'"Ref": "{name}"' in text):
                value = [value, self.identity(name)]
        return value


@functools.cache
def create_only(kind):
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return {path.removeprefix("/properties/") for path in schema.get("createOnlyProperties", [])}


def length_faults(template, stack):
    for name, resource in stack.resources.items():
        for (kind, member), limit in LIMITS.items():
            text = resource.get("Properties", {}).get(member) if resource["Type"] == kind else None
            if text is None:
                continue
            text = in_one(text["Fn::Sub"]) if isinstance(text, dict) else text
            for attribute, length in ATTRIBUTES.items():
                text = text.replace(attribute, "x" * length)
            for parameter, p in template["Parameters"].items():
                if f"${{{parameter}}}" in text:
                    if (length := longest(p)) is None:
                        yield f"{parameter} may be of any length, and does not fit into {name}"
                        length = 0
                    text = text.replace(f"${{{parameter}}}", "x" * length)
            if len(text) > limit:
                yield f"{name} may have {len(text)} characters in its {member}, more than {limit}"


def longest(p):
    if "AllowedValues" in p:
        return max(len(str(v)) for v in p["AllowedValues"])
    return p.get("MaxLength") or (len(str(p["MaxValue"])) if "MaxValue" in p else None)

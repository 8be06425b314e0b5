"""Says what is wrong with the bucket for scans: who may do what with it, how long it keeps things, and when it is there."""

from conditions import Conditions, in_one

ARN = {"Fn::GetAtt": ["ScansBucket", "Arn"]}
OBJECTS = {"Fn::Sub": "${ScansBucket.Arn}/*"}
# All that it has, so that nothing is added unseen.
BUCKET = {
    "PublicAccessBlockConfiguration": dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True),
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
    # Without a prefix, for everything; where two rules are for the same, S3 takes the shorter time.
    "LifecycleConfiguration": {"Rules": [
        {"Id": "everything", "Status": "Enabled", "ExpirationInDays": {"Ref": "ResultDays"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        {"Id": "uploads", "Status": "Enabled", "Prefix": "uploads/", "ExpirationInDays": 1},
        {"Id": "records", "Status": "Enabled", "Prefix": "idempotency/", "ExpirationInDays": 1},
    ]},
}
ONE_ORIGIN = {"CorsRules": [{"AllowedOrigins": [{"Ref": "AllowOrigin"}], "AllowedMethods": ["POST"], "MaxAge": 600}]}
REFUSED = ({"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": "1.2"}})
MADE = {
    "ScansBucket": "AWS::S3::Bucket", "ScansBucketPolicy": "AWS::S3::BucketPolicy", "ScansAccess": "AWS::IAM::ManagedPolicy",
    "BatchFunction": "AWS::Lambda::Function", "BatchRole": "AWS::IAM::Role", "BatchLogs": "AWS::Logs::LogGroup",
    "BatchStateMachine": "AWS::StepFunctions::StateMachine", "BatchMachineRole": "AWS::IAM::Role",
    "BatchesFailedAlarm": "AWS::CloudWatch::Alarm",
}
# variable of the function: what it is told with a bucket; without one it is empty
TOLD = {"OMR_BUCKET": {"Ref": "ScansBucket"}, "OMR_STATE_MACHINE": {"Ref": "BatchStateMachine"}}


def faults(translated):
    for scans in (None, "none", "create"):
        for origin in ("", "https://portal.example"):
            chosen = Conditions(translated, {"AllowOrigin": origin} | ({"Scans": scans} if scans else {}))
            resources, outputs = chosen.section(translated, "Resources"), chosen.section(translated, "Outputs")
            for fault in choice_faults(scans == "create", origin, resources, outputs):
                yield f"Scans={scans}, AllowOrigin={origin}: {fault}"


def choice_faults(create, origin, resources, outputs):
    made = {
        name: r["Type"] for name, r in resources.items()
        if name in MADE or name.startswith("Batch") or r["Type"].startswith(("AWS::S3::", "AWS::StepFunctions::"))}
    if made != (MADE if create else {}):
        yield f"it makes {made}"
        return
    if {"ScansBucketName", "BatchStateMachineArn"} & outputs.keys() != ({"ScansBucketName", "BatchStateMachineArn"} if create else set()):
        yield f"the outputs are {sorted(outputs)}"
    for variable, value in TOLD.items():
        told = resources["RelayFunction"]["Properties"]["Environment"]["Variables"].get(variable)
        if told != (value if create else ""):
            yield f"the function is told {variable}={told}"
    if create:
        yield from bucket_faults(origin, resources["ScansBucket"])
        yield from policy_faults(resources["ScansBucketPolicy"]["Properties"])
        yield from order_faults(resources)
        for name in ("ScansBucket", "ScansBucketPolicy"):
            # With something in the bucket its deletion would fail, and the stack's with it.
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resources[name].get(policy) != "Retain":
                    yield f"{name}: {policy} is {resources[name].get(policy)}"
    else:
        for name, resource in resources.items():
            for service in ("s3", "states"):
                if f"'{service}:" in str(resource):
                    yield f"{name} speaks of {service} without a bucket"


def bucket_faults(origin, bucket):
    wanted = BUCKET | ({"CorsConfiguration": ONE_ORIGIN} if origin else {})
    for member in sorted(bucket["Properties"].keys() | wanted.keys()):
        if bucket["Properties"].get(member) != wanted.get(member):
            yield f"{member} is {bucket['Properties'].get(member)}"


def policy_faults(policy):
    if policy["Bucket"] != {"Ref": "ScansBucket"}:
        yield f"the policy is that of {policy['Bucket']}"
    refused = []
    for statement in policy["PolicyDocument"]["Statement"]:
        statement = {k: v for k, v in statement.items() if k != "Sid"}
        refused.append(statement.pop("Condition", None))
        if statement != {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [ARN, OBJECTS]}:
            yield f"the bucket's policy has {statement}"
    for condition in REFUSED:
        if condition not in refused:
            yield f"not refused: {condition}"
    if len(refused) != len(REFUSED):
        yield f"refused are {refused}"


def order_faults(resources):
    """The bucket, what it refuses, the function's access to it, the version that uses it."""
    if resources["ScansAccess"].get("DependsOn") not in ("ScansBucketPolicy", ["ScansBucketPolicy"]):
        yield "the function has access before the bucket refuses what is no TLS"
    descriptions = [r["Properties"].get("Description") for r in resources.values() if r["Type"] == "AWS::Lambda::Version"]
    if not any("${ScansAccess.PolicyId}" in in_one(d["Fn::Sub"]) for d in descriptions if d):
        yield "the version may be live before it has access"

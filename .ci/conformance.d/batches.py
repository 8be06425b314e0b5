"""Says what is wrong with batches in the template: who may do what, and what the steps and their state machine are told."""

NAME = "${AWS::StackName}-batches"


def objects(*names):
    return [{"Fn::Sub": f"${{ScansBucket.Arn}}/{name}"} for name in names]


def states(kind, rest=""):
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:{kind}:{NAME}{rest}"}


MACHINE, EXECUTIONS = states("stateMachine"), states("execution", ":*")
# Of the map and its sheets: its label stands between the state machine's name and theirs.
MAP_RUNS, SHEETS = states("mapRun", "/Sheets:*"), states("execution", "/Sheets:*")
BUCKET = {"Fn::GetAtt": ["ScansBucket", "Arn"]}
# action: the resources on which the role must be able to do it, and no others
RELAY_GRANTS = {
    "s3:GetObject": objects("uploads/*", "idempotency/*", "batches/*/order.json", "batches/*/results/*"),
    "s3:PutObject": objects("uploads/*", "idempotency/*", "batches/*/pattern.omr", "batches/*/order.json"),
    "s3:ListBucket": BUCKET,
    "states:StartExecution": MACHINE,
    "states:ListExecutions": MACHINE,
    "states:DescribeExecution": EXECUTIONS,
    "states:StopExecution": EXECUTIONS,
    "states:ListMapRuns": EXECUTIONS,
    "states:DescribeMapRun": MAP_RUNS,
}
STEP_GRANTS = {
    "s3:GetObject": objects("uploads/*", "batches/*", "sheets/*"),
    "s3:PutObject": objects("batches/*", "sheets/*"),
    "s3:DeleteObject": objects("batches/*", "sheets/*"),
    "s3:ListBucket": BUCKET,
    "states:ListExecutions": MACHINE,
    "states:ListMapRuns": EXECUTIONS,
    "states:DescribeMapRun": MAP_RUNS,
    "states:UpdateMapRun": MAP_RUNS,
}
WORK = "batches/*/work"  # what the map reads and writes, under a batch's prefix
MACHINE_GRANTS = {
    "lambda:InvokeFunction": {"Fn::GetAtt": ["BatchFunction", "Arn"]},
    "s3:GetObject": objects(f"{WORK}/items.csv", f"{WORK}/map/*"),
    "s3:PutObject": objects(f"{WORK}/map/*"),
    "s3:ListMultipartUploadParts": objects(f"{WORK}/map/*"),
    "s3:AbortMultipartUpload": objects(f"{WORK}/map/*"),
    "states:StartExecution": MACHINE,
    "states:DescribeExecution": [EXECUTIONS, SHEETS],
    "states:StopExecution": [EXECUTIONS, SHEETS],
    "xray:GetSamplingRules": "*",
    "xray:GetSamplingTargets": "*",
}
ENVIRONMENT = {
    "OMR_SECRET_ID": {"Ref": "SecretArn"},
    "OMR_BASE_URL": {"Ref": "BaseUrl"},
    "OMR_TOKEN_URL": {"Ref": "TokenUrl"},
    "OMR_BUCKET": {"Ref": "ScansBucket"},
    "OMR_MAX_UPLOAD_MEGABYTES": {"Ref": "MaxUploadMegabytes"},
    "OMR_STATE_MACHINE": MACHINE,
    "OMR_MAX_SHEETS": {"Ref": "MaxSheets"},
    "OMR_BATCH_CONCURRENCY": {"Ref": "BatchConcurrency"},
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": "",
    "AWS_ENDPOINT_URL_S3": "",
    "AWS_ENDPOINT_URL_SFN": "",
    "GOMAXPROCS": "1",
}
FUNCTION = {"MemorySize": 1024, "EphemeralStorage": {"Size": 2048}, "Timeout": 900}
# All that it has but where its definition is, so that nothing is added unseen.
STATE_MACHINE = {
    "StateMachineName": {"Fn::Sub": NAME},
    "StateMachineType": "STANDARD",
    "RoleArn": {"Fn::GetAtt": ["BatchMachineRole", "Arn"]},
    "DefinitionSubstitutions": {"BatchFunction": {"Fn::GetAtt": ["BatchFunction", "Arn"]}, "ScansBucket": {"Ref": "ScansBucket"}},
    "TracingConfiguration": {"Enabled": True},
}
IGNORED = {"DefinitionS3Location", "Tags"}


def faults(resources):
    function, machine = resources["BatchFunction"]["Properties"], resources["BatchStateMachine"]["Properties"]
    yield from different("the function", {k: v for k, v in function.items() if k in FUNCTION}, FUNCTION)
    yield from different("its environment", function["Environment"]["Variables"], ENVIRONMENT)
    yield from different("the state machine", {k: v for k, v in machine.items() if k not in IGNORED}, STATE_MACHINE)
    for name, (first, words) in {
            "BatchFunction": ("SecretPolicy", "is told of a secret before it may read it"),
            "BatchRole": ("ScansBucketPolicy", "has access before the bucket refuses what is no TLS"),
            "BatchMachineRole": ("ScansBucketPolicy", "has access before the bucket refuses what is no TLS")}.items():
        if resources[name].get("DependsOn") not in (first, [first]):
            yield f"{name} {words}"
    # Whoever else may call it goes around the state machine, and its order.
    for name, resource in resources.items():
        if resource["Type"] in ("AWS::Lambda::Permission", "AWS::Lambda::Url", "AWS::Lambda::EventSourceMapping") and "BatchFunction" in str(resource):
            yield f"{name} lets somebody else call the steps"


def different(what, is_, wanted):
    for name in sorted(is_.keys() | wanted.keys()):
        if is_.get(name) != wanted.get(name):
            yield f"{what}: {name} is {is_.get(name)}"

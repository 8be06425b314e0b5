"""Says what is wrong with a state machine's definition: definition.py [--self-test] DEFINITION TEMPLATE STATELINT.

Three look at it: cfn-lint by its schema of what AWS takes, which it does not do where a template names a file; statelint
by the language's specification, for states that nothing leads to and names of states that there are not; and what
follows by what this project promises.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from samtranslator.yaml_helper import yaml_parse

# AWS has them, the specification does not.
AWS_ALONE = {
    'Field "Label" not allowed in State Machine.States.Sheets',
    'Field "InputType" not allowed in State Machine.States.Sheets.ItemReader.ReaderConfig',
    'Field "CSVHeaderLocation" not allowed in State Machine.States.Sheets.ItemReader.ReaderConfig',
}
# What LocalStack cannot run, no check would have seen run.
NEVER_RUN = ("JSONata", "ItemBatcher", "http:invoke", "States.TaskFailed")
# Repeated are what the function itself calls passing, what Lambda says of itself, and an invocation that broke off: each
# step may be run twice, and finds out by the bucket what the first has done.
REPEATED = {
    "Unavailable", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException", "Lambda.ResourceNotReadyException", "Lambda.ResourceConflictException",
    "Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Timedout"}
# What goes from state to state is kept for 90 days: keys, numbers, and ids of tasks.
SHEET = {"prefix.$": "$.prefix", "execution.$": "$$.Execution.Id", "scan.$": "$$.Map.Item.Value.scan", "sheet": {"is": {"tries": 0}}}
GO = pathlib.Path("internal/batch")


def states_of(machine):
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states_of(state["ItemProcessor"])


def faults(definition, template, statelint):
    yield from by_schema(definition, template)
    yield from by_specification(definition, statelint)
    yield from by_promise(definition, template)


def by_schema(definition, template):
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/batches", "Definition": definition, "DefinitionSubstitutions": substitutions(template)}
    alone = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    for match in lint(json.dumps(alone), config=ManualArgs(include_checks=["I"], regions=["us-east-1"])):
        yield f"cfn-lint {match.rule.id}: {match.message}"


def by_specification(definition, statelint):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(definition, file)
        file.flush()
        said = subprocess.run([statelint, file.name], capture_output=True, text=True, timeout=60)
    lines = [line.strip() for line in (said.stdout + said.stderr).splitlines() if line.strip()]
    for line in lines:
        if line not in AWS_ALONE and not re.fullmatch(r"(\d+|One) errors?:", line):
            yield f"statelint: {line}"
    for line in AWS_ALONE - set(lines):
        yield f"statelint does not say: {line}"


def substitutions(template):
    return {name: "given" for name in template["Resources"]["BatchStateMachine"]["Properties"]["DefinitionSubstitutions"]}


def by_promise(definition, template):
    text = json.dumps(definition)
    if (named := set(re.findall(r"\$\{(\w+)\}", text))) != substitutions(template).keys():
        yield f"it has to be told of {sorted(named)}"
    for word in NEVER_RUN:
        if word in text:
            yield f"it has {word}"
    if "TimeoutSeconds" not in definition:
        yield "it never ends"
    steps, known = set(re.findall(r'^\t"(\w+)": +\(\*Runner\)', (GO / "batch.go").read_text("utf-8"), re.M)), set()
    source = (GO / "runner.go").read_text("utf-8")
    members = set(re.findall(r'`json:"(\w+)[,"]', source[source.index("type Input struct"):source.index("type Output struct")]))
    for name, state in states_of(definition):
        if state.get("Type") == "Task":
            payload = state["Parameters"]["Payload"]
            known.add(payload["step"])
            if (state["Resource"], state["Parameters"]["FunctionName"]) != ("arn:aws:states:::lambda:invoke", "${BatchFunction}"):
                yield f"{name} calls {state['Resource']} of {state['Parameters']['FunctionName']}"
            for member in payload:
                if member.removesuffix(".$") not in members:
                    yield f"{name} hands on {member}, which the function does not know"
            for retrier in state.get("Retry", [{"ErrorEquals": []}]):
                # What Explain fails by is what the map did.
                if set(retrier["ErrorEquals"]) != REPEATED - ({"Unavailable"} if name == "Explain" else set()):
                    yield f"{name} repeats {sorted(retrier['ErrorEquals'])}"
        if "Catch" in state and name != "Sheets":
            yield f"{name} catches, which no check has seen"
        if state.get("Type") == "Wait" and "SecondsPath" not in state:
            yield f"{name} does not wait as long as it is told to"
    if known != steps:
        yield f"the steps are {sorted(known)}, those of the function {sorted(steps)}"
    yield from map_faults(definition["States"].get("Sheets", {}))


def map_faults(sheets):
    for member, value in {
            "Type": "Map", "Label": "Sheets", "ItemSelector": SHEET, "ToleratedFailureCount": 0, "ResultPath": None,
            "MaxConcurrencyPath": "$.manifest.is.concurrency",
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.map", "Next": "Explain"}]}.items():
        if sheets.get(member) != value:
            yield f"the map's {member} is {sheets.get(member)}"
    if sheets.get("ItemProcessor", {}).get("ProcessorConfig") != {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}:
        yield "the map is no distributed one of STANDARD executions"
    # The role may read and write there alone.
    if sheets.get("ResultWriter", {}).get("Parameters") != {
            "Bucket": "${ScansBucket}", "Prefix.$": "States.Format('{}work/map', $$.Execution.Input.prefix)"}:
        yield "the map writes elsewhere than to its own folder of the batch"
    for name, state in sheets.get("ItemProcessor", {}).get("States", {}).items():
        if state.get("End") and state.get("Result") != {"done": True}:
            yield f"{name} has in its output more than that it is the end"


def spoilt(definition):
    """Definitions with one thing wrong, each with the words that must be said about it."""
    def spoil(words, change):
        wrong = copy.deepcopy(definition)
        change(wrong["States"], wrong["States"]["Sheets"]["ItemProcessor"]["States"], wrong)
        return words, wrong

    def again(state):
        return state["Retry"][0]

    yield spoil("statelint: No state found named \"Nowhere\"", lambda top, sheet, _: sheet["Wait"].update(Next="Nowhere"))
    yield spoil("statelint: No transition found to state", lambda top, sheet, _: top.update(Lost={"Type": "Succeed"}))
    yield spoil("cfn-lint E3601: 'Type' is a required", lambda top, sheet, _: top["Merge"].pop("Type"))
    yield spoil("cfn-lint E3601: Additional properties", lambda top, sheet, _: sheet["Later"].update(SecondPath="$.sheet.is.seconds"))
    yield spoil("cfn-lint E3601: 'first' is not of type", lambda top, sheet, _: again(top["Erase"]).update(MaxAttempts="first"))
    yield spoil("cfn-lint E3601", lambda top, sheet, whole: whole.pop("StartAt"))
    yield spoil("it has to be told of", lambda top, sheet, _: top["Sheets"]["ItemReader"]["Parameters"].update(Bucket="${Bucket}"))
    yield spoil("Submit repeats", lambda top, sheet, _: again(sheet["Submit"]).update(ErrorEquals=["States.ALL"]))
    yield spoil("the map's Catch is", lambda top, sheet, _: top["Sheets"]["Catch"][0].update(Next="Merge"))
    yield spoil("Explain repeats", lambda top, sheet, _: again(top["Explain"])["ErrorEquals"].append("Unavailable"))
    yield spoil("Merge catches", lambda top, sheet, _: top["Merge"].update(Catch=[{"ErrorEquals": ["Unavailable"], "Next": "Gone"}]))
    yield spoil("Preflight repeats", lambda top, sheet, _: again(top["Preflight"])["ErrorEquals"].append("CredentialsRejected"))
    yield spoil("Fetch repeats []", lambda top, sheet, _: sheet["Fetch"].pop("Retry"))
    yield spoil("Submit repeats", lambda top, sheet, _: again(sheet["Submit"])["ErrorEquals"].remove("Runtime.ExitError"))
    yield spoil("hands on image", lambda top, sheet, _: sheet["Submit"]["Parameters"]["Payload"].update({"image.$": "$.image"}))
    yield spoil("the steps are", lambda top, sheet, _: top["Merge"]["Parameters"]["Payload"].update(step="tables"))
    yield spoil("the map's ItemSelector is", lambda top, sheet, _: top["Sheets"]["ItemSelector"].update({"image.$": "$$.Map.Item.Value.image"}))
    yield spoil("the map's ToleratedFailureCount is", lambda top, sheet, _: top["Sheets"].update(ToleratedFailureCount=10))
    yield spoil("the map's MaxConcurrencyPath is", lambda top, sheet, _: top["Sheets"].pop("MaxConcurrencyPath"))
    yield spoil("the map's Label is", lambda top, sheet, _: top["Sheets"].update(Label="Scans"))
    yield spoil("no distributed one", lambda top, sheet, _: top["Sheets"]["ItemProcessor"]["ProcessorConfig"].update(ExecutionType="EXPRESS"))
    yield spoil("writes elsewhere", lambda top, sheet, _: top["Sheets"]["ResultWriter"]["Parameters"].update({"Prefix.$": "$.prefix"}))
    yield spoil("has in its output", lambda top, sheet, _: sheet["Done"].pop("Result"))
    yield spoil("does not wait", lambda top, sheet, _: sheet["Wait"].update(Seconds=sheet["Wait"].pop("SecondsPath") and 5))
    yield spoil("it never ends", lambda top, sheet, whole: whole.pop("TimeoutSeconds"))


def main(arguments):
    path, template, statelint = arguments[-3:]
    definition = json.loads(pathlib.Path(path).read_text("utf-8"))
    template = json.loads(json.dumps(yaml_parse(pathlib.Path(template).read_text("utf-8"))))
    if "--self-test" not in arguments:
        return list(faults(definition, template, statelint))
    missed = []
    for words, wrong in spoilt(definition):
        said = list(faults(wrong, template, statelint))
        if not any(words in fault for fault in said):
            missed.append(f"not noticed: {words}; said: {said}")
    return missed


if __name__ == "__main__":
    found = main(sys.argv[1:])
    print("\n".join(found) or "as it should be")
    sys.exit(bool(found))

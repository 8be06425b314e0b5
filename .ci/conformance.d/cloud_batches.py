"""Batches on LocalStack, from the side of AWS alone, in a stack of their own: cloud_batches.py STEP.

The steps follow one another. Not seen there: the role's permissions, RedriveExecution, in whose place a second execution
stands, and UpdateMapRun, of which LocalStack takes no notice; nor ItemBatcher, http:invoke and JSONata, which the
definition does without.
"""

import csv
import io
import json
import os
import pathlib
import shlex
import signal
import sys
import tempfile
import time
import urllib.request

import one_call
from cloud_steps import aws, deployed, gone, outputs
from readme import shell
from standin import same, submitted, tell

STACK = "omr-relay-dev"
PAIR, WRONG = ({"client_id": f"9f0c-batch-{name}", "client_secret": name + "+&the-batches'"} for name in ("right", "wrong"))
PHOTOS, FEWER, PAGES = 296, 90, 3
SPOILT = {"empty.jpg": b"", "notes.jpg": b"no scan at all\n" * 9, "phone.webp": b"RIFF\x00\x10\x00\x00WEBPVP8 " + bytes(64)}
SAMPLE = pathlib.Path("events/sample")


def sheets(photos=PHOTOS):
    """Of different contents: the photos, the sample, the pages."""
    return photos + 1 + PAGES


def rows(photos=PHOTOS):
    return sheets(photos) + 1 + len(SPOILT)


def states(action, **members):
    """A call of Step Functions', without the second that the AWS CLI takes."""
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(members).encode(), {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AWSStepFunctions.{action}",
        "Authorization": "AWS4-HMAC-SHA256 Credential=example/20261125/us-east-1/states/aws4_request, SignedHeaders=host, Signature=0"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def told():
    return outputs(STACK)[0]


def bucket():
    return told()["ScansBucketName"]


def start(prefix, **more):
    given = json.dumps({"prefix": prefix} | more)
    return aws(f"stepfunctions start-execution --state-machine-arn {told()['BatchStateMachineArn']} --input {shlex.quote(given)}")["executionArn"]


def ended(execution, status, error=None, seconds=120):
    end = time.monotonic() + seconds
    while (found := states("DescribeExecution", executionArn=execution))["status"] == "RUNNING" and time.monotonic() < end:
        time.sleep(0.2)
    same(f"{execution}: {found.get('cause')}", (found["status"], found.get("error")), (status, error))
    return json.loads(found.get("output") or "null")


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def pdf(pages):
    """A document whose pages differ, as a program that reads PDF wants it."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b" ".join(b"%d 0 R" % (3 + 2 * n) for n in range(pages)))]
    for n in range(pages):
        drawn = b"0 0 %d %d re f" % (100 + n, 100 + n)
        objects += [b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>/Contents %d 0 R>>" % (4 + 2 * n),
                    b"<</Length %d>>\nstream\n%s\nendstream" % (len(drawn), drawn)]
    out, places = b"%PDF-1.4\n", []
    for n, text in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (n, text)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, len(out))


def scans(folder, photos=PHOTOS):
    for n in range(photos):
        (folder / f"scan-{n:04}.jpg").write_bytes(one_call.photo(20_000))
    (folder / "again.jpg").write_bytes((folder / "scan-0001.jpg").read_bytes())
    (folder / "form.png").write_bytes((SAMPLE / "answer-sheet.png").read_bytes())
    (folder / "class 7b.pdf").write_bytes(pdf(PAGES))
    for name, content in SPOILT.items():
        (folder / name).write_bytes(content)


def uploaded(prefix, photos=PHOTOS):
    """The scans, none of which was sent before but the sample, and a pattern of their own, so that it is paid for, too."""
    with tempfile.TemporaryDirectory() as where:
        folder = pathlib.Path(where)
        scans(folder, photos)
        (folder / "pattern.omr").write_bytes((SAMPLE / "form.omr").read_bytes() + b"\n" * len(prefix))
        shell(f"aws s3 cp . 's3://{bucket()}/{prefix}' --recursive --only-show-errors", cwd=where)


def table(prefix, name):
    text = shell(f"aws s3 cp 's3://{bucket()}/{prefix}results/{name}' -")[0]
    return list(csv.DictReader(io.StringIO(text))) if name.endswith(".csv") else [json.loads(line) for line in text.splitlines()]


def tables(prefix, photos=PHOTOS, unknown=(0, 0)):
    """A row for each sheet, and of those without an answer a reason; returns the number of unknown submissions."""
    answers, lines, exceptions = table(prefix, "answers.csv"), table(prefix, "answers.jsonl"), table(prefix, "exceptions.csv")
    same("rows", (len(answers), len(lines)), (rows(photos), rows(photos)))
    images = [row["image"] for row in answers]
    same("their order", images, [line["image"] for line in lines])
    same("rows of the same image", len(set(images)), rows(photos))
    same("pages", [i for i in images if i.startswith("class")], [f"class 7b.pdf#{n + 1}" for n in range(PAGES)])
    by = {}
    for row in exceptions:
        by.setdefault(row["status"], []).append(row["image"])
    lost = by.pop("submission_unknown", [])
    if not unknown[0] <= len(lost) <= unknown[1]:
        raise AssertionError(f"{len(lost)} submissions are unknown: {lost}")
    same("exceptions", {k: sorted(v) for k, v in by.items()}, {"unreadable": sorted(SPOILT), "duplicate": ["scan-0001.jpg"]})
    answered = {line["image"] for line in lines if line.get("answers")}
    same("without an answer", sorted(set(images) - answered), sorted([*SPOILT, *lost]))
    columns = list(answers[0])[2:]
    for row in answers:
        if (row["image"] in answered) != any(row[column] for column in columns):
            raise AssertionError(f"{row['image']} has answers in one table alone")
    return len(lost)


def paid(count, unknown=0):
    """Each content once, and none that was not asked for; of those that are unknown nobody can say."""
    found = submitted()
    if found["most"] != 1 or found["submissions"] != found["contents"] or not count - unknown <= found["contents"] <= count:
        raise AssertionError(f"taken: {found}, want {count} once each, but for {unknown}")


def deploy():
    arn = aws(f"secretsmanager create-secret --name omr-relay/batches --secret-string {shlex.quote(json.dumps(PAIR))}")["ARN"]
    deployed(f"ENV=dev SECRET_ARN={arn} PARAMETERS='Scans=create BatchConcurrency=40'")
    found = told()
    machine = states("DescribeStateMachine", stateMachineArn=found["BatchStateMachineArn"])
    same("named, of type", (machine["name"], machine["type"]), (f"{STACK}-batches", "STANDARD"))
    relay = aws(f"lambda get-function --function-name {found['FunctionArn']} --qualifier live")["Configuration"]["Environment"]["Variables"]
    same("what the relay is told", (relay["OMR_STATE_MACHINE"], relay["OMR_BUCKET"]), (found["BatchStateMachineArn"], found["ScansBucketName"]))
    steps = aws(f"lambda get-function-configuration --function-name {function()}")
    same("what the steps are told", steps["Environment"]["Variables"]["OMR_STATE_MACHINE"], found["BatchStateMachineArn"])
    same("their memory and time", (steps["MemorySize"], steps["Timeout"]), (1024, 900))
    # Step Functions' own judgement of the definition, with what CloudFormation has put into it.
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(machine["definition"])
        file.flush()
        verdict = aws(f"stepfunctions validate-state-machine-definition --type STANDARD --definition file://{file.name}")
    same("the definition", (verdict["result"], verdict["diagnostics"]), ("OK", []))
    tell("accept-any")
    tell("ready-by", {"milliseconds": 1})


def function():
    names = [f["FunctionName"] for f in aws("lambda list-functions")["Functions"]]
    return next(name for name in names if name.startswith(f"{STACK}-BatchFunction"))


def whole():
    """302 objects, of which three cannot be read, one is there twice, and one has three pages."""
    uploaded("batches/whole/")
    tell("forget")
    out = ended(start("batches/whole/"), "SUCCEEDED")
    same("the output", out, {"sheets": rows(), "answered": rows() - len(SPOILT), "exceptions": len(SPOILT) + 1})
    tables("batches/whole/")
    paid(sheets())
    # Again: there is nothing to pay for.
    same("the same once more", ended(start("batches/whole/"), "SUCCEEDED"), out)
    paid(sheets())


def processes(name):
    """The execution environments of a function of this run's LocalStack, by their authorities."""
    for entry in pathlib.Path("/proc").iterdir():
        try:
            environment = dict(e.split("=", 1) for e in (entry / "environ").read_text().split("\0") if "=" in e) if entry.name.isdigit() else {}
        except (OSError, UnicodeDecodeError):
            continue
        if environment.get("SSL_CERT_FILE") == os.environ["FUNCTION_CA"] and environment.get("AWS_LAMBDA_FUNCTION_NAME") == name:
            yield int(entry.name)


def kill():
    killed = 0
    for pid in list(processes(function_name)):
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass
    return killed


def killed():
    """Functions that are killed in the middle: Step Functions repeats the step, which looks at what was recorded."""
    global function_name
    function_name = function()
    # An intent is another's for as long as an invocation may take.
    aws(f"lambda update-function-configuration --function-name {function_name} --timeout 10")
    aws(f"lambda wait function-updated-v2 --function-name {function_name}")
    uploaded("batches/killed/")
    tell("forget")
    tell("slow", {"milliseconds": 100})
    execution = start("batches/killed/")
    count = 0
    for share in (20, 90, 160, 230):
        until(f"{share} sheets", lambda: submitted()["submissions"] >= share)
        count += kill()
    tell("slow", {"milliseconds": 0})
    if count < 4:
        raise AssertionError(f"{count} processes were killed")
    ended(execution, "SUCCEEDED")
    lost = tables("batches/killed/", unknown=(0, count))
    paid(sheets(), lost)
    print(f"{count} processes killed, {lost} submissions unknown")


def stopped():
    """Stopped in the middle; another that starts meanwhile fails by its name; the next one goes on."""
    uploaded("batches/stopped/", FEWER)
    tell("forget")
    tell("slow", {"milliseconds": 200})
    first = start("batches/stopped/")
    until("20 sheets", lambda: submitted()["submissions"] >= 20)
    ended(start("batches/whole/"), "FAILED", "AnotherBatchRuns")
    aws(f"stepfunctions stop-execution --execution-arn {first}")
    ended(first, "ABORTED")
    tell("slow", {"milliseconds": 0})
    so_far = submitted()["submissions"]
    if not 20 <= so_far < sheets(FEWER):
        raise AssertionError(f"stopped after {so_far} sheets")
    ended(start("batches/stopped/"), "SUCCEEDED")
    lost = tables("batches/stopped/", FEWER, unknown=(0, 40))
    paid(sheets(FEWER), lost)


def failing():
    """What is wrong with all sheets fails the batch, by its name, before anything is paid for."""
    tell("forget")
    where = bucket()
    shell(f"aws s3 cp {SAMPLE}/form.omr 's3://{where}/batches/no-scans/pattern.omr' --only-show-errors")
    shell(f"aws s3 cp {SAMPLE}/answer-sheet.png 's3://{where}/batches/no-pattern/form.png' --only-show-errors")
    for prefix, error in (
            ("batches/no-scans/", "NoScans"), ("batches/no-pattern/", "PatternMissing"), ("batches/nothing/", "PatternMissing"),
            ("uploads/", "BadInput"), ("batches/whole", "BadInput")):
        ended(start(prefix), "FAILED", error)
    tell("accept", WRONG)
    tell("revoke")
    global function_name
    function_name = function()
    kill()  # with the token that it holds
    began = time.monotonic()
    ended(start("batches/whole/"), "FAILED", "CredentialsRejected")
    if (took := time.monotonic() - began) > 15:
        raise AssertionError(f"it took {took:.0f} s to see that the secret is rejected")
    tell("accept-any")
    same("taken", submitted()["submissions"], 0)


def keys():
    return {o["Key"] for o in aws(f"s3api list-objects-v2 --bucket {bucket()}").get("Contents", [])}


def erased():
    """A batch ends whole: its scans, its tables, and the results of its sheets."""
    before = keys()
    ended(start("batches/stopped/", erase=True), "SUCCEEDED")
    left = keys()
    same("of the batch", [k for k in left if k.startswith("batches/stopped/")], [])
    # Of each sheet its result and the record of its submission.
    same("of its sheets", sum(not k.startswith("batches/stopped/") for k in before - left), 2 * sheets(FEWER))
    same("of another batch", tables("batches/whole/"), 0)
    # What is not the user's own bears no names of theirs.
    given = ("scan-0", "again", "class", "form", *SPOILT)
    same("names", [k for k in left if k.startswith("sheets/") or "/work/" in k if any(name in k for name in given)], [])


def delete():
    where = bucket()
    gone(STACK)
    same("the bucket stays", where in [b["Name"] for b in aws("s3api list-buckets")["Buckets"]], True)
    shell(f"aws s3 rb 's3://{where}' --force")
    same("state machines", aws("stepfunctions list-state-machines")["stateMachines"], [])
    aws("secretsmanager delete-secret --secret-id omr-relay/batches --force-delete-without-recovery")
    tell("ready-by", {"milliseconds": 0})


STEPS = {
    "deploy": deploy, "whole": whole, "killed": killed, "stopped": stopped, "failing": failing, "erased": erased, "delete": delete}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()

"""Batches on LocalStack, in a stack of their own: cloud_batches.py STEP.

The steps follow one another. Not seen there: the role's permissions, RedriveExecution, in whose place a second execution
stands, UpdateMapRun, of which LocalStack takes no notice, and maps that fail over a child: LocalStack's go on; nor ItemBatcher, http:invoke and JSONata, which the
definition does without.
"""

import csv
import hashlib
import io
import json
import os
import pathlib
import shlex
import signal
import struct
import sys
import tempfile
import time
import urllib.request
import zlib

import one_call
import transport
from blocks import blocks
from cloud_steps import aws, deployed, gone, key_of, outputs
from readme import shell
from standin import same, submitted, tell

STACK = "omr-relay-dev"
EXAM = "batches/exam-7b/"  # as documented
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


def png(side=64):
    """An image whole enough for who looks further than at its beginning."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + os.urandom(side) for _ in range(side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) \
        + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


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
    rules = aws(f"s3api get-bucket-lifecycle-configuration --bucket {found['ScansBucketName']}")["Rules"]
    same("what is kept how long", {r["ID"]: r["Expiration"]["Days"] for r in rules}, {"everything": 7, "uploads": 1, "records": 1})
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
    """302 objects, of which three cannot be read, one is there twice, and one has three pages: started and followed as documented."""
    tell("forget")
    with tempfile.TemporaryDirectory() as where:
        folder = pathlib.Path(where, "scans")
        folder.mkdir()
        scans(folder)
        same("objects", len(list(folder.iterdir())), 302)
        pathlib.Path(where, "form.omr").write_bytes((SAMPLE / "form.omr").read_bytes())
        started, _ = documented("batch-start", 'echo "$execution"', cwd=where)
        execution = started.split()[-1]
        out = ended(execution, "SUCCEEDED")
        same("the output", out, {"sheets": rows(), "answered": rows() - len(SPOILT), "exceptions": len(SPOILT) + 1})
        followed, _ = documented("batch-follow", cwd=where, env=os.environ | {"execution": execution, "bucket": bucket()})
        for word in ('"status": "SUCCEEDED"', f'"succeeded": {sheets()}'):
            if word not in followed:
                raise AssertionError(f"without {word}:\n{followed}")
        same("fetched", sorted(p.name for p in pathlib.Path(where).iterdir() if p.is_file()), ["answers.csv", "answers.jsonl", "exceptions.csv", "form.omr"])
    tables(EXAM)
    paid(sheets())
    # Again: there is nothing to pay for.
    same("the same once more", ended(start(EXAM), "SUCCEEDED"), out)
    paid(sheets())


def documented(name, more="", **options):
    """The block of the documents, for this stack."""
    text, = blocks()[0][name]
    return shell(text.replace("--stack-name omr-relay ", f"--stack-name {STACK} ") + more, **options)


def relay():
    return transport.Curl(told()["ApiUrl"], key_of(told()["ApiKeyId"]))


def called():
    """By the API, as documented: ordered, followed, its tables fetched by links, erased."""
    caller, ids = relay(), []
    tell("forget")
    with tempfile.TemporaryDirectory() as where:
        pathlib.Path(where, "form.omr").write_bytes((SAMPLE / "form.omr").read_bytes())
        for n in range(2):
            scan = transport.written(where, f"{n}.jpg", one_call.photo(20_000))
            form = caller.call("POST", "/uploads").json()
            fields = " ".join(f"-F {shlex.quote(f'{name}={value}')}" for name, value in form["fields"].items())
            shell(f"curl -sSf {fields} -F file=@{scan} {form['url']}")
            ids.append(form["upload"])
        text, = blocks()[0]["batch-call"]
        for one in ids:
            text = text.replace("…", one, 1)
        answered, _ = shell(text, cwd=where, env=os.environ | {"URL": caller.base, "KEY": caller.key})
    batch = json.loads(answered)["id"]
    found = {}

    def over():
        found.update(caller.call("GET", f"/batches/{batch}").json())
        return found["status"] != "running"

    until("the batch is over", over)
    same("the batch", {m: found.get(m) for m in ("name", "status", "answered", "exceptions")},
         {"name": "7b", "status": "succeeded", "answered": 2, "exceptions": 0})
    same("tables", sorted(found["results"]), ["answers.csv", "answers.jsonl", "exceptions.csv"])
    lines = shell(f"curl -sSf {shlex.quote(found['results']['answers.csv'])}")[0].splitlines()
    same("rows", [line.split(",")[:2] for line in lines], [["image", "status"], ["Anna.jpg", "Ok"], ["2", "Ok"]])
    paid(2)
    one_call.problem(caller.call("GET", f"/batches/{'0' * 32}"), 404, "batch_not_found")
    same("erasing", caller.call("DELETE", f"/batches/{batch}").status, 202)
    until("it is erased", lambda: caller.call("GET", f"/batches/{batch}").status == 404)
    same("of callers' batches", [k for k in keys() if batch in k], [])


def commanded():
    """By the command, as documented, from a folder."""
    tell("forget")
    with tempfile.TemporaryDirectory() as where:
        folder = pathlib.Path(where, "scans")
        folder.mkdir()
        for n in range(3):
            (folder / f"{n}.png").write_bytes(png())
        (folder / "class.pdf").write_bytes(pdf(PAGES))
        pathlib.Path(where, "form.omr").write_bytes((SAMPLE / "form.omr").read_bytes() + b" ")
        shell(f"go build -o {where}/local ./cmd/local")
        api = told()["ApiUrl"].removeprefix("https://").split(".")[0]
        # Names as AWS has them end in a certificate of LocalStack's own: on loopback none is needed.
        url = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}/live"
        text, = blocks()[0]["batch-command"]
        shell(text.replace("go run ./cmd/local", "./local"), cwd=where, env=os.environ | {"URL": url, "KEY": relay().key})
        with open(os.path.join(where, "answers.csv"), encoding="utf-8-sig", newline="") as f:
            images = [row["image"] for row in csv.DictReader(f)]
    same("rows", sorted(images), ["0.png", "1.png", "2.png", *(f"class.pdf#{n + 1}" for n in range(PAGES))])
    paid(3 + PAGES)


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
    for share in (30, 120, 210):
        until(f"{share} sheets", lambda: submitted()["submissions"] >= share)
        count += kill()
    tell("slow", {"milliseconds": 0})
    if count < 3:
        raise AssertionError(f"{count} processes were killed")
    ended(execution, "SUCCEEDED", seconds=300)
    lost = tables("batches/killed/", unknown=(0, count))
    paid(sheets(), lost)
    print(f"{count} processes killed, {lost} submissions unknown")


def settled():
    """How many sheets were submitted, once the steps that were under way are done: what breaks off beside them, LocalStack
    takes for an end of the sheet."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 2:
        if (now := submitted()["submissions"]) != last:
            last, since = now, time.monotonic()
        time.sleep(0.2)
    return last


def stopped():
    """Stopped in the middle; another that starts meanwhile fails by its name; the next one goes on."""
    uploaded("batches/stopped/", FEWER)
    tell("forget")
    tell("slow", {"milliseconds": 200})
    first = start("batches/stopped/")
    until("20 sheets", lambda: submitted()["submissions"] >= 20)
    ended(start(EXAM), "FAILED", "AnotherBatchRuns")
    aws(f"stepfunctions stop-execution --execution-arn {first}")
    ended(first, "ABORTED")
    tell("slow", {"milliseconds": 0})
    so_far = settled()
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
            ("uploads/", "BadInput"), (EXAM.rstrip("/"), "BadInput")):
        ended(start(prefix), "FAILED", error)
    explained()
    tell("accept", WRONG)
    tell("revoke")
    global function_name
    function_name = function()
    kill()  # with the token that it holds
    began = time.monotonic()
    ended(start(EXAM), "FAILED", "CredentialsRejected")
    if (took := time.monotonic() - began) > 15:
        raise AssertionError(f"it took {took:.0f} s to see that the secret is rejected")
    tell("accept-any")
    same("taken", submitted()["submissions"], 0)


def explained():
    """A map that fails has the batch fail by the name that a sheet's step left word of.

    LocalStack's maps do not fail over a child, so one is made to: of a machine that is this one but for its list of items.
    """
    machine = states("DescribeStateMachine", stateMachineArn=told()["BatchStateMachineArn"])
    definition = json.loads(machine["definition"])
    reader = definition["States"]["Sheets"]["ItemReader"]["Parameters"]
    del reader["Key.$"]
    reader["Key"] = "batches/none.csv"
    other = states("CreateStateMachine", name="no-items", definition=json.dumps(definition), roleArn=machine["roleArn"])["stateMachineArn"]
    shell(f"aws s3 cp {SAMPLE}/form.omr 's3://{bucket()}/batches/no-items/pattern.omr' --only-show-errors")
    shell(f"aws s3 cp {SAMPLE}/answer-sheet.png 's3://{bucket()}/batches/no-items/form.png' --only-show-errors")
    # Its sheet must be a new one: what is known is no item.
    shell(f"""echo '{{"threshold":17}}' | aws s3 cp - 's3://{bucket()}/batches/no-items/order.json' --only-show-errors""")
    for name, word in ("silent", "Failed"), ("told", "CredentialsRejected"):
        execution = other.replace(":stateMachine:", ":execution:") + ":" + name
        if name == "told":
            place = f"work/faults/{hashlib.sha256(execution.encode()).hexdigest()[:32]}/{word}.json"
            shell(f"""echo '{{"detail":"the secret is of no use","at":"2026-01-01T00:00:00Z"}}' |
              aws s3 cp - 's3://{bucket()}/batches/no-items/{place}' --only-show-errors""")
        started = states("StartExecution", stateMachineArn=other, name=name, input=json.dumps({"prefix": "batches/no-items/"}))
        same("its ARN", started["executionArn"], execution)
        ended(execution, "FAILED", word)
    states("DeleteStateMachine", stateMachineArn=other)
    shell(f"aws s3 rm 's3://{bucket()}/batches/no-items' --recursive --only-show-errors")


def keys():
    return {o["Key"] for o in aws(f"s3api list-objects-v2 --bucket {bucket()}").get("Contents", [])}


def erased():
    """A batch ends whole, as documented: its scans, its tables, and the results of its sheets."""
    before = keys()
    machine = told()["BatchStateMachineArn"]
    latest = states("ListExecutions", stateMachineArn=machine, maxResults=1)["executions"][0]["executionArn"]
    answers, _ = documented("batch-end", env=os.environ | {"execution": latest, "machine": machine})
    ended(json.loads("{" + answers.rpartition("{")[2])["executionArn"], "SUCCEEDED")
    left = keys()
    same("of the batch", [k for k in left if k.startswith(EXAM)], [])
    # Of each sheet its result and the record of its submission.
    same("of its sheets", sum(not k.startswith(EXAM) for k in before - left), 2 * sheets())
    tables("batches/stopped/", FEWER, unknown=(0, 40))
    # What is not the user's own bears no names of theirs.
    given = ("scan-0", "again", "class", "form", *SPOILT)
    same("names", [k for k in left if k.startswith("sheets/") or "work" in k.split("/") if any(name in k for name in given)], [])


def delete():
    where = bucket()
    gone(STACK)
    same("the bucket stays", where in [b["Name"] for b in aws("s3api list-buckets")["Buckets"]], True)
    shell(f"aws s3 rb 's3://{where}' --force")
    # The other stack has a state machine of its own, which is none of this one's.
    names = [machine["name"] for machine in aws("stepfunctions list-state-machines")["stateMachines"]]
    same("state machines of the stack", [name for name in names if name.startswith(STACK)], [])
    aws("secretsmanager delete-secret --secret-id omr-relay/batches --force-delete-without-recovery")
    tell("ready-by", {"milliseconds": 0})


STEPS = {
    "deploy": deploy, "whole": whole, "called": called, "commanded": commanded, "killed": killed, "stopped": stopped, "failing": failing,
    "erased": erased, "delete": delete}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()

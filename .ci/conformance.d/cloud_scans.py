"""The bucket for scans on LocalStack, in the stack of cloud_steps.py: cloud_scans.py STEP. The steps follow one another.

LocalStack looks at no signature and no permission: what it refuses, it refuses by a form's policy or a bucket's CORS.
"""

import base64
import contextlib
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

import one_call
import transport
from blocks import blocks
from cloud_steps import aws, deployed, key_of, live, outputs, run
from one_call import ORIGIN, PATTERN, Calls, problem, result
from readme import shell
from standin import arrived, same, tell

MEGABYTES = 31
SCAN = 30_000_000  # bytes
PARAMETERS = f"PARAMETERS='Scans=create MaxUploadMegabytes={MEGABYTES} AllowOrigin={ORIGIN}'"
PRIVATE = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}


def secret():
    return aws("secretsmanager describe-secret --secret-id omr-relay/aspose")["ARN"]


def bucket():
    return outputs()[0]["ScansBucketName"]


def keys():
    return [o["Key"] for o in aws(f"s3api list-objects-v2 --bucket {bucket()}").get("Contents", [])]


def relay():
    told, _ = outputs()
    return transport.Curl(told["ApiUrl"], key_of(told["ApiKeyId"]))


def other_caller():
    """The one that was added as documented."""
    told, _ = outputs()
    plan = aws(f"apigateway get-usage-plan-keys --usage-plan-id {told['UsagePlanId']}")["items"]
    return transport.Curl(told["ApiUrl"], key_of(next(key["id"] for key in plan if key["id"] != told["ApiKeyId"])))


@contextlib.contextmanager
def scan_of(size):
    """A file, and what is in it."""
    with tempfile.TemporaryDirectory() as where:
        data = one_call.photo(size - 4)
        yield transport.written(where, "scan.jpg", data), data


def form_of(caller):
    """The answer, whose form has to allow one object of this size, of the caller's, for a quarter of an hour."""
    answer = caller.call("POST", "/uploads")
    same("a form", (answer.status, answer.headers.get("cache-control")), (200, "no-store"))
    form = answer.json()
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    same("the policy's end", ended(policy["expiration"]), ended(form["expires"]))
    left = ended(form["expires"]) - datetime.datetime.now(datetime.timezone.utc)
    if not datetime.timedelta(minutes=14) < left <= datetime.timedelta(minutes=15):
        raise AssertionError(f"the form lives for {left}")
    ranges = [c[1:] for c in policy["conditions"] if isinstance(c, list) and c[0] == "content-length-range"]
    same("sizes that the policy allows", ranges, [[1, MEGABYTES << 20]])
    if not re.fullmatch(rf"uploads/[0-9a-f]{{32}}/{form['upload']}", form["fields"]["key"]):
        raise AssertionError(f"the key is {form['fields']['key']}")
    exact = [c for c in policy["conditions"] if c in ({"key": form["fields"]["key"]}, ["eq", "$key", form["fields"]["key"]])]
    same("the keys that the policy allows", len(exact), 1)
    return form


def ended(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(microsecond=0)


def send(form, path, more=()):
    """By the form, as it is: curl's exit status, and S3's status and answer."""
    command = ["curl", "-sS", "-w", "\n%{http_code}", *more]
    for name, value in form["fields"].items():
        command += ["-F", f"{name}={value}"]
    sent = subprocess.run([*command, "-F", f"file=@{path}", form["url"]], capture_output=True, text=True, timeout=120)
    answer, _, status = sent.stdout.rpartition("\n")
    return sent.returncode, int(status or 0), answer


def recognize(caller, upload, headers=()):
    task = {"images": [{"upload": upload}], "omrFile": base64.b64encode(PATTERN).decode()}
    return caller.call("POST", "/recognize", json.dumps(task).encode(), ["Content-Type: application/json", *headers])


def deploy():
    """An update of the stack that has none."""
    before, _ = live()
    same("buckets before", [n for n in outputs()[1] if n.startswith("Scans")], [])
    deployed(f"SECRET_ARN={secret()} {PARAMETERS}")
    _, resources = outputs()
    same("resources", sorted(n for n in resources if n.startswith("Scans")), ["ScansAccess", "ScansBucket", "ScansBucketPolicy"])
    after, versions = live()
    told = after["Environment"]["Variables"]
    same("the live version is told", (told["OMR_BUCKET"], told["OMR_MAX_UPLOAD_MEGABYTES"]), (bucket(), str(MEGABYTES)))
    if before["Version"] == after["Version"] or before["Version"] not in versions:
        raise AssertionError(f"live went from {before['Version']} to {after['Version']}; there are {versions}")
    as_it_should_be(bucket())
    rules = aws(f"s3api get-bucket-cors --bucket {bucket()}")["CORSRules"]
    same("origins and methods", [(r["AllowedOrigins"], r["AllowedMethods"]) for r in rules], [([ORIGIN], ["POST"])])


def as_it_should_be(name):
    def of(what):
        return aws(f"s3api get-{what} --bucket {name}")

    same("public access", of("public-access-block")["PublicAccessBlockConfiguration"], PRIVATE)
    same("owners", [r["ObjectOwnership"] for r in of("bucket-ownership-controls")["OwnershipControls"]["Rules"]], ["BucketOwnerEnforced"])
    encryption = of("bucket-encryption")["ServerSideEncryptionConfiguration"]["Rules"]
    same("encryption", [r["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for r in encryption], ["AES256"])
    rules = of("bucket-lifecycle-configuration")["Rules"]
    same("lifecycle", [(r["Status"], r["Filter"]["Prefix"], r["Expiration"]["Days"]) for r in rules],
         [("Enabled", "", 7), ("Enabled", "uploads/", 1), ("Enabled", "idempotency/", 1)])
    same("halves of uploads", [r["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for r in rules if "AbortIncompleteMultipartUpload" in r], [1])
    refused = [s["Condition"] for s in json.loads(of("bucket-policy")["Policy"])["Statement"] if s["Effect"] == "Deny"]
    same("refused", refused, [{"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}])


def upload():
    """A scan that no call could carry arrives as it is, by the commands of the documents and by the form's own fields."""
    tell("ready-by", {"milliseconds": 1})
    caller = relay()
    for text in blocks()[0]["upload"]:
        with scan_of(SCAN) as (path, _), Calls(2):
            transport.written(os.path.dirname(path), "form.omr", PATTERN)
            stdout, said = shell(text, cwd=os.path.dirname(path), env=os.environ | {"URL": caller.base, "KEY": caller.key})
            if not re.search(r'^Question1,"A"\r?$', stdout, re.M):
                raise AssertionError(f"no answers:\n{said}")
    with scan_of(SCAN) as (path, data):
        form = form_of(caller)
        same("sent", send(form, path)[:2], (0, 204))
        with Calls(1):
            answer = recognize(caller, form["upload"], ["Prefer: wait=0"])
        same("accepted", answer.status, 202)
        body = json.dumps({"images": [base64.b64encode(data).decode()], "omrFile": base64.b64encode(PATTERN).decode(), "outputFormat": "CSV"},
                          separators=(",", ":")).encode()
        seen = arrived()
        same("the submission", (seen["length"], seen["sha256"]), (len(body), hashlib.sha256(body).hexdigest()))
        # As a field of a form, and as often as it is wanted.
        with Calls(2):
            sheet = result(caller.form("/recognize", [("upload", None, form["upload"].encode()), one_call.pattern()]))
        same("answers", re.findall(r'^(Question\d),"(\w)"\r?$', sheet.body.decode(), re.M)[:1], [("Question1", "A")])
    tell("ready-by", {"milliseconds": 0})


def refused():
    """Whatever is not there for this caller: nothing is submitted."""
    caller, other = relay(), other_caller()
    with Calls(0):
        with scan_of((MEGABYTES << 20) + 1) as (path, _):
            form = form_of(caller)
            _, status, answer = send(form, path)
            same("too large", (status, "EntityTooLarge" in answer), (400, True))
            problem(recognize(caller, form["upload"]), 404, "upload_not_found")
        with scan_of(SCAN) as (path, _):
            # Broken off on the way.
            form = form_of(caller)
            same("curl's word for a time that is up", send(form, path, ["--limit-rate", "3M", "--max-time", "2"])[0], 28)
            problem(recognize(caller, form["upload"]), 404, "upload_not_found")
            # A form cannot be made to last: S3 looks at its end, and at the signature of it, which LocalStack does not.
            same("the end is past", send(ended_form(form), path)[1], 403)
            same("another key", send(form | {"fields": form["fields"] | {"key": form["fields"]["key"] + "0"}}, path)[1], 403)
            problem(recognize(caller, form["upload"]), 404, "upload_not_found")
        with scan_of(10_000) as (path, _):
            form = form_of(caller)
            same("sent", send(form, path)[:2], (0, 204))
            problem(recognize(other, form["upload"]), 404, "upload_not_found")
        for wrong in ("0" * 32, "../" + form["upload"], form["upload"].upper() + "/", ""):
            answer = recognize(caller, wrong)
            if (answer.status, answer.json()["code"]) not in ((404, "upload_not_found"), (422, "invalid_input")):
                raise AssertionError(f"{wrong!r} got {answer.status}: {answer.body[:500]}")
        # The documents' own way to erase all of them.
        run("erase")
        same("scans", [key for key in keys() if key.startswith("uploads/")], [])
        problem(recognize(caller, form["upload"]), 404, "upload_not_found")


def ended_form(form):
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    policy["expiration"] = "2020-01-01T00:00:00.000Z"
    return form | {"fields": form["fields"] | {"policy": base64.b64encode(json.dumps(policy).encode()).decode()}}


def browser():
    """A page of the one origin may upload, and no other may."""
    url = form_of(relay())["url"]
    for origin, status, allowed in ((ORIGIN, 200, ORIGIN), ("https://elsewhere.example", 403, None)):
        # A form has no header that a browser would ask about.
        asked = transport.Curl(url).call("OPTIONS", "", headers=[f"Origin: {origin}", "Access-Control-Request-Method: POST"])
        same(f"a page of {origin}", (asked.status, asked.headers.get("access-control-allow-origin")), (status, allowed))
    preflight = transport.Curl(relay().base).call("OPTIONS", "/uploads", headers=[f"Origin: {ORIGIN}", "Access-Control-Request-Method: POST"])
    same("the relay's preflight", (preflight.status, "Idempotency-Key" in preflight.headers["access-control-allow-headers"]), (204, True))


def once():
    """The same key and the same request are one submission, whoever asks again."""
    caller, other = relay(), other_caller()
    scan, another = one_call.image("scan.jpg", one_call.photo()), one_call.image("scan.jpg", one_call.photo())
    headers = [f"Idempotency-Key: {os.urandom(8).hex()}", "Prefer: wait=0"]
    with Calls(2):
        first, second = (caller.form("/recognize", [scan, one_call.pattern()], headers) for _ in range(2))
    same("again", (first.status, second.status, second.headers["location"]), (202, 202, first.headers["location"]))
    same("the second asked for the task of the first", arrived()["method"], "GET")
    with Calls(0):
        problem(caller.form("/recognize", [another, one_call.pattern()], headers), 422, "idempotency_key_reused")
    with Calls(1):
        same("another caller's key", other.form("/recognize", [scan, one_call.pattern()], headers).status, 202)
    tell("ready-by", {"milliseconds": 1})
    for text in blocks()[0]["idempotent"]:
        with scan_of(10_000) as (path, _), Calls(3):
            where = os.path.dirname(path)
            transport.written(where, "form.omr", PATTERN)
            said = [shell(text, cwd=where, env=os.environ | {"URL": caller.base, "KEY": caller.key})[0] for _ in range(2)]
        same("again, as documented", (said[1], bool(re.search(r'^Question1,"A"\r?$', said[0], re.M))), (said[0], True))
    tell("ready-by", {"milliseconds": 0})
    for key in keys():
        if not re.fullmatch(r"(uploads|idempotency)/[0-9a-f]{32}/[0-9a-f]+", key):
            raise AssertionError(f"an object is named {key}")


def another():
    """Without the bucket the function has none; with one again it is another one, and the live version knows it."""
    first = bucket()
    deployed(f"SECRET_ARN={secret()}")
    told, resources = outputs()
    # LocalStack goes on to list what was to be retained.
    same("without", ("ScansAccess" in resources, "ScansBucketName" in told), (False, False))
    same("the live version is told", live()[0]["Environment"]["Variables"]["OMR_BUCKET"], "")
    problem(relay().call("POST", "/uploads"), 404, "route_not_found")
    same("policies that speak of s3", [d for d in allowed() if "s3:" in d], [])
    # It stays as it was.
    as_it_should_be(first)
    deployed(f"SECRET_ARN={secret()} {PARAMETERS}")
    if bucket() == first:
        raise AssertionError(f"it is {first} again")
    same("the live version is told", live()[0]["Environment"]["Variables"]["OMR_BUCKET"], bucket())
    run("delete-bucket", env=os.environ | {"bucket": first})
    with scan_of(10_000) as (path, _):
        form = form_of(relay())
        same("sent", send(form, path)[:2], (0, 204))
        same("accepted", recognize(relay(), form["upload"], ["Prefer: wait=0"]).status, 202)


def allowed():
    """The policies of the account's own, as they are."""
    for policy in aws("iam list-policies --scope Local")["Policies"]:
        version = aws(f"iam get-policy-version --policy-arn {policy['Arn']} --version-id {policy['DefaultVersionId']}")
        yield json.dumps(version["PolicyVersion"]["Document"])


def left():
    """After the stack's deletion: the bucket with what is in it, and nothing that may read it."""
    names = [b["Name"] for b in aws("s3api list-buckets")["Buckets"] if b["Name"].startswith("omr-relay-scansbucket-")]
    same("buckets that stayed", len(names), 1)
    as_it_should_be(names[0])
    same("objects", bool(aws(f"s3api list-objects-v2 --bucket {names[0]}").get("Contents")), True)
    # A policy that was replaced may still be here; it reads a secret alone.
    same("policies that speak of s3", [d for d in allowed() if "s3:" in d], [])
    run("delete-bucket", env=os.environ | {"bucket": names[0]})
    same("buckets", [b["Name"] for b in aws("s3api list-buckets")["Buckets"] if b["Name"] == names[0]], [])


STEPS = {"deploy": deploy, "upload": upload, "refused": refused, "browser": browser, "once": once, "another": another, "left": left}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()

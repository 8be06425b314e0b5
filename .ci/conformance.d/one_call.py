"""From scans to answers in one call, as a user makes it: one_call.py CASE URL [KEY].

The stand-in's tasks must be ready before the relay asks for the first time, so that calls can be counted.
"""

import base64
import csv
import hashlib
import io
import json
import os
import sys
import zipfile

import transport
from standin import arrived, same

PATTERN = json.dumps({"Name": "conformance", "Pages": [{"Elements": []}]}).encode()
ANSWERS = {"Question1": "A", "Question2": "C", "Question3": "B"}  # the stand-in's
ORIGIN = "https://forms.example.org"


def photo(size=300_000):
    """No part of it is text, and it does not compress."""
    return b"\xff\xd8\xff\xe0" + os.urandom(size)


def pdf(pages):
    kids = b" ".join(b"%d 0 R" % (3 + n) for n in range(pages))
    return b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Count " + b"%d" % pages \
        + b"/Kids[" + kids + b"]>>\nendobj\ntrailer\n<</Root 1 0 R>>\n"


def image(name, data):
    return "image", name, data


def pattern(data=PATTERN):
    return "pattern", "form.omr", data


class Calls:
    """Asserts how many calls reach the upstream meanwhile."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.before = arrived()["calls"]

    def __exit__(self, kind, *_):
        if kind is None:
            same("calls of the upstream", arrived()["calls"] - self.before, self.count)


def media_type(answer):
    return answer.headers["content-type"].split(";")[0]


def result(answer, status=200):
    same("answer", (answer.status, answer.headers.get("omr-status")), (status, "Ok"))
    return answer


def problem(answer, status, code, field=None):
    said = answer.json()
    same("problem", (answer.status, media_type(answer), said.get("code"), said.get("field")),
         (status, "application/problem+json", code, field))


def sheet(answer):
    same("type", media_type(result(answer)), "text/csv")
    rows = list(csv.reader(io.StringIO(answer.body.decode())))
    same("answers", {row[0]: row[1] for row in rows} | ANSWERS, {row[0]: row[1] for row in rows})


def scan(relay):
    """The one call of the documents, with a scan as large as a phone makes it."""
    data = photo(2_300_000)
    with Calls(2):
        sheet(relay.form("/recognize", [image("scan.jpg", data), pattern()]))
    with Calls(2):
        answer = result(relay.form("/recognize", [image("scan.jpg", data), pattern(), ("format", None, b"json")]))
    same("JSON", (media_type(answer), answer.json()["RecognitionResults"][0]), ("application/json", {"ElementName": "Question1", "Value": "A"}))
    with Calls(2):
        answer = result(relay.form("/recognize", [image("scan.pdf", pdf(1)), pattern()], ["Accept: application/xml"]))
    same("XML", media_type(answer), "application/xml")
    with Calls(2):
        task = {"Images": [base64.b64encode(data).decode()], "OmrFile": base64.b64encode(PATTERN).decode()}
        sheet(relay.call("POST", "/recognize", json.dumps(task).encode(), ["Content-Type: application/json"]))


def several(relay):
    names = ["first.jpg", "=HYPERLINK(1).jpg", 'a, "quoted".jpg']
    form = [*(image(name, photo()) for name in names), pattern()]
    with Calls(6):
        answer = result(relay.form("/recognize", form))
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    same("rows", [(row["image"], row["status"]) for row in rows], [(name.replace("=", "'="), "Ok") for name in names])
    for row in rows:
        same("answers", {name: row[name] for name in ANSWERS}, ANSWERS)
    with Calls(6):
        entries = result(relay.form("/recognize", [*form, ("outputFormat", None, b"JSON")])).json()
    same("entries", [(e["image"], e["status"], len(e["result"]["RecognitionResults"])) for e in entries], [(n, "Ok", 3) for n in names])


def later(relay):
    """Submitted, and asked for until it is ready; cancelled, and gone."""
    data = photo()
    for count in (1, 3):
        with Calls(count):
            answer = relay.form("/recognize", [*[image("scan.jpg", data)] * count, pattern()], ["Prefer: wait=0"])
        same("accepted", (answer.status, answer.headers.get("preference-applied"), answer.json()["images"]), (202, "wait=0", count))
        seen, task = arrived(), {"images": [base64.b64encode(data).decode()], "omrFile": base64.b64encode(PATTERN).decode(), "outputFormat": "CSV"}
        body = json.dumps(task, separators=(",", ":")).encode()
        same("the last submission", (seen["method"], seen["length"], seen["sha256"]), ("POST", len(body), hashlib.sha256(body).hexdigest()))
        location = "/" + answer.headers["location"]
        for _ in range(50):
            answer = relay.call("GET", location, headers=["Prefer: wait=0"])
            if answer.status != 202:
                break
            if int(answer.headers["retry-after"]) < 1:
                raise AssertionError("it may not be asked for again at once")
        same("type", media_type(result(answer)), "text/csv")
        with Calls(count):
            answer = relay.call("DELETE", location)
        same("cancelled", (answer.status, answer.body), (204, b""))
        answer = relay.call("GET", location)
        if count == 1:
            problem(answer, 404, "task_not_found")
        else:
            same("gone", (answer.status, [row["status"] for row in csv.DictReader(io.StringIO(answer.body.decode()))]), (200, ["TaskNotFound"] * count))


def printed(relay):
    """A form of its markup."""
    text = ["Content-Type: text/plain", "Accept: application/zip"]
    with Calls(2):
        answer = result(relay.call("POST", "/generate?paperSize=A4", b"?text=Name\n", text))
    same("type", media_type(answer), "application/zip")
    files = zipfile.ZipFile(io.BytesIO(answer.body))
    same("files", (files.testzip(), files.namelist()), (None, ["page-1.png", "form.omr"]))
    with Calls(2):
        sheet(relay.form("/recognize", [image("page-1.png", files.read("page-1.png")), pattern(files.read("form.omr"))]))
    with Calls(2):
        result(relay.form("/generate", [("markup", None, b"?image=logo.png\n"), ("image", "logo.png", files.read("page-1.png"))], text[1:]))
    with Calls(0):
        problem(relay.call("POST", "/generate", b"?text=Name\n", text[:1]), 406, "not_acceptable")


def wrong(relay):
    """Nothing of it is paid for."""
    heic = b"\0\0\0\x18ftypheic\0\0\0\0" + os.urandom(1000)
    good = image("scan.jpg", photo(1000))
    with Calls(0):
        for form, field in (
                ([image("scan.heic", heic), pattern()], "image"),
                ([image("scan.jpg", b""), pattern()], "image"),
                ([image("scan.pdf", pdf(3)), pattern()], "image"),
                ([image("scan.jpg", b"?text=Name\n"), pattern()], "image"),
                ([pattern()], "image"),
                ([good], "omrFile"),
                ([good, pattern(b"")], "omrFile"),
                ([good, pattern(b"?text=Name\n")], "omrFile"),
                ([good, pattern(), ("format", None, b"PDF")], "outputFormat"),
                ([good, pattern(), ("recognitionThreshold", None, b"101")], "recognitionThreshold"),
                ([good, good, pattern(), ("format", None, b"XML")], "outputFormat"),
                ([good] * 41 + [pattern()], "image"),
                ([good, pattern(), ("recognitonThreshold", None, b"30")], None)):
            problem(relay.form("/recognize", form), 422, "invalid_input", field)
        problem(relay.form("/recognize?treshold=30", [good, pattern()]), 422, "invalid_input")
        problem(relay.call("POST", "/recognize", b"{}", ["Content-Type: text/plain"]), 415, "unsupported_media_type")
        problem(relay.call("POST", "/recognize", b"{", ["Content-Type: application/json"]), 400, "bad_request")
        problem(relay.call("GET", "/recognize/1~AA"), 404, "task_not_found")
        answer = relay.call("GET", "/recognize")
        problem(answer, 405, "method_not_allowed")
        same("methods", answer.headers["allow"], "POST")


def preflight(relay):
    """What a browser asks before it calls, without a key. No origin but one may read an answer."""
    asks = ["Origin: " + ORIGIN, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,prefer"]
    with Calls(0):
        answer = transport.Curl(relay.base).call("OPTIONS", "/recognize", headers=asks)
    allowed = {name: answer.headers.get("access-control-allow-" + name) for name in ("origin", "methods", "headers")}
    same("preflight", (answer.status, allowed["origin"], "POST" in allowed["methods"], "Authorization" in allowed["headers"],
                       "Prefer" in allowed["headers"]), (204, ORIGIN, True, True, True))
    answer = relay.form("/recognize", [image("scan.jpg", photo()), pattern()], ["Origin: " + ORIGIN, "Prefer: wait=0"])
    same("call", (answer.status, answer.headers["access-control-allow-origin"]), (202, ORIGIN))
    exposed = answer.headers["access-control-expose-headers"]
    same("exposed", [name for name in ("Location", "Retry-After", "Omr-Status") if name not in exposed], [])
    relay.call("DELETE", "/" + answer.headers["location"])


CASES = {"scan": scan, "several": several, "later": later, "printed": printed, "wrong": wrong, "preflight": preflight}

if __name__ == "__main__":
    case, where, *key = sys.argv[1:]
    CASES[case](transport.to(where, *key))

"""Judges what the relay made of a fixture: usage fixtures.py EVENT RESPONSE CALLS-BEFORE [streaming]."""

import base64
import hashlib
import json
import os
import re
import sys

from standin import arrived, same
from transport import streamed

API = "/v5.0/omr/RecognizeTemplate"
SUBMIT = f"POST {API}/PostRecognizeTemplate"
UNKNOWN = "12345678-1234-4123-8123-123456789abc"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TEXT, JSON = "text/plain; charset=utf-8", "application/json; charset=utf-8"

# file: (the upstream call that it makes, the judge of what comes back)
FIXTURES = {
    "recognize.json": (SUBMIT, "guid"),
    "base64.json": (SUBMIT, "guid"),
    "custom-domain.json": (SUBMIT, "guid"),
    "function-url.json": (SUBMIT, "guid"),
    "http-api.json": (SUBMIT, "guid"),
    "http-api-stage.json": (SUBMIT, "guid"),
    "result.json": (f"GET {API}/GetRecognizeTemplate?id={UNKNOWN}", "not found"),
    "http-api-result.json": (f"GET {API}/GetRecognizeTemplate?id={UNKNOWN}&", "not found"),
    "cancel.json": (f"DELETE {API}?id={UNKNOWN}", "empty"),
    "healthz.json": (None, "health"),
    "upload.json": (None, "no bucket"),
    "rule.json": (None, "warm"),
    "scheduler.json": (None, "warm"),
    "warmup.json": (None, "warm"),
    "connect-token.json": (None, "own key"),
    "connect-token-multipart.json": (None, "own key"),
    "authorizer.json": (None, "refused an API Gateway authorizer event"),
    "authorizer-no-key.json": (None, "refused an API Gateway authorizer event"),
    "unsupported-sqs.json": (None, "refused records of aws:sqs"),
}


def judge(event_file, response, calls_before):
    name = os.path.basename(event_file)
    if name not in FIXTURES:
        raise AssertionError(f"{name} is new: say in {os.path.basename(__file__)} what is to come of it")
    call, kind = FIXTURES[name]
    with open(event_file, encoding="utf-8") as f:
        event = json.load(f)
    if kind.startswith("refused "):
        refused(response, kind.removeprefix("refused "))
    else:
        JUDGES[kind](response)
    seen = arrived()
    if call is None:
        # A warm-up opens a connection with a HEAD or GET of "/", and no more.
        if kind != "warm":
            same("calls", seen["calls"], calls_before)
        return
    same("calls", seen["calls"], calls_before + 1)
    same("call", f"{seen['method']} {seen['target']}", call)
    body = (event.get("body") or "").encode()
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    same("body upstream", seen["sha256"], hashlib.sha256(body).hexdigest())
    strangers = {h for h in seen["headers"] if h.startswith(("X-Amz", "X-Api", "X-Forwarded", "Cookie"))}
    same("headers that the upstream must not see", strangers, set())


def guid(response):
    body = response.get("body")
    same("answer", response, answer(200, TEXT, body))
    if not GUID.fullmatch(body):
        raise AssertionError(f"the body is {body!r}, want a GUID")


def not_found(response):
    same("task", json.loads(response["body"]),
         {"id": UNKNOWN, "responseStatusCode": "TaskNotFound", "results": None, "error": None})
    same("answer", response, answer(200, JSON, response["body"]))


def empty(response):
    same("answer", response, answer(200, None, ""))


def health(response):
    headers = {"Cache-Control": "no-store", "Content-Type": "application/json"}
    same("answer", response,
         {"statusCode": 200, "headers": headers, "isBase64Encoded": False, "body": '{"status":"ok"}'})


def no_bucket(response):
    same("status", response["statusCode"], 404)
    same("code", json.loads(response["body"])["code"], "route_not_found")


def warm(response):
    left = response.get("token_expires_in", 0)
    same("warm", response.get("warm"), True)
    if not 3000 < left <= 3600:
        raise AssertionError(f"the token expires in {left} s, want almost an hour")


def refused(response, what):
    same("errorType", response.get("errorType"), "UnsupportedEvent")
    same("errorMessage", response.get("errorMessage"), "unsupported event: " + what)


def own_key(response):
    headers = {"Cache-Control": "no-store", "Content-Type": "application/json", "Pragma": "no-cache"}
    same("answer", response, {"statusCode": 200, "headers": headers, "isBase64Encoded": False, "body": response["body"]})
    same("token", json.loads(response["body"]),
         {"access_token": "example-api-key-of-nobody", "token_type": "Bearer", "expires_in": 3600})


def answer(status, content_type, body):
    headers = {"Content-Length": str(len(body))}
    if content_type:
        headers["Content-Type"] = content_type
    return {"statusCode": status, "headers": headers, "isBase64Encoded": False, "body": body}


def whole(raw, event_file):
    """An answer of a relay that streams, as it would have been otherwise. HTTP APIs and pings take no stream."""
    name = os.path.basename(event_file)
    _, kind = FIXTURES.get(name, (None, ""))
    if name.startswith("http-api") or kind.startswith(("warm", "refused ")):
        return json.loads(raw)
    head, body = streamed(raw)
    return head | {"isBase64Encoded": False, "body": body.decode()}


def without_date(response):
    """Every answer has the upstream's own Date."""
    if isinstance(response.get("headers"), dict):
        response["headers"].pop("Date", None)
    return response


JUDGES = {"guid": guid, "not found": not_found, "empty": empty, "health": health, "no bucket": no_bucket,
          "warm": warm, "own key": own_key}

if __name__ == "__main__":
    with open(sys.argv[2], "rb") as f:
        answered = f.read()
    decoded = whole(answered, sys.argv[1]) if sys.argv[4:] == ["streaming"] else json.loads(answered)
    judge(sys.argv[1], without_date(decoded), int(sys.argv[3]))

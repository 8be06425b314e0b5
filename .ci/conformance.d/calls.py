"""What callers do, against a running relay: usage calls.py CASE URL, or calls.py scheduled RESPONSE."""

import base64
import hashlib
import json
import os
import re
import sys

import transport
from standin import arrived, same, tell

API = "/v5.0/omr/RecognizeTemplate"
GUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
JSON = "Content-Type: application/json"


def noise(size):
    """A scan does not compress either."""
    return base64.b64encode(os.urandom(size)).decode()


def form():
    """A task of three megabytes: a filled form of 2.3 MB and its pattern."""
    return json.dumps({"images": [noise(2_300_000)], "omrFile": noise(60_000), "outputFormat": "CSV",
                       "recognitionThreshold": 35}).encode()


def submit(relay, body):
    answer = relay.call("POST", f"{API}/PostRecognizeTemplate", body, [JSON, "Authorization: Bearer of-the-caller"])
    same("status", answer.status, 200)
    if not GUID.fullmatch(answer.body):
        raise AssertionError(f"the answer is {answer.body!r}, want a GUID")
    seen = arrived()
    same("bytes upstream", (seen["length"], seen["sha256"]), (len(body), hashlib.sha256(body).hexdigest()))
    return answer.body.decode()


def recognition(relay):
    """Submit, poll, fetch, cancel."""
    task = submit(relay, form())
    states = []
    for _ in range(5):
        answer = relay.call("GET", f"{API}/GetRecognizeTemplate?id={task}")
        same("status", answer.status, 200)
        states.append(answer.json()["responseStatusCode"])
        if states[-1] == "Ok":
            break
    same("states", states, ["NotReady", "Ok"])
    result = answer.json()["results"][0]
    same("result", (result["type"], b"SAMPLE" in base64.b64decode(result["data"])), ("Csv", True))
    answer = relay.call("DELETE", f"{API}?id={task}")
    same("cancel", (answer.status, answer.body), (200, b""))
    gone = relay.call("GET", f"{API}/GetRecognizeTemplate?id={task}").json()
    same("cancelled task", gone["responseStatusCode"], "TaskNotFound")


def upstream_error(relay):
    """The upstream's own 400 and 404, not problems of the relay's making."""
    answer = relay.call("POST", f"{API}/PostRecognizeTemplate", b'{"images":[]}', [JSON])
    problem = answer.json()
    same("400", (answer.status, answer.headers["content-type"], list(problem["errors"]), "code" in problem),
         (400, "application/problem+json; charset=utf-8", ["images"], False))
    answer = relay.call("GET", "/v5.0/omr/no-such-call")
    same("404", (answer.status, answer.body), (404, b""))


def not_found(relay):
    calls = arrived()["calls"]
    answer = relay.call("GET", "/no-such-route")
    problem = answer.json()
    same("answer", (answer.status, answer.headers["content-type"], problem["code"], problem["status"]),
         (404, "application/problem+json", "route_not_found", 404))
    if not problem.get("instance"):
        raise AssertionError("the problem names no invocation")
    same("calls of the upstream", arrived()["calls"], calls)


def repair(relay):
    """One token serves call after call; a revoked one is replaced within the call that finds out."""
    submit(relay, form())
    before = arrived()
    submit(relay, form())
    between = arrived()
    same("a cached token", (between["mints"], between["calls"]), (before["mints"], before["calls"] + 1))
    tell("revoke")
    submit(relay, form())
    after = arrived()
    same("mints and calls of a repair", (after["mints"], after["calls"]), (between["mints"] + 1, between["calls"] + 2))


def scheduled(response):
    same("warm", response.get("warm"), True)
    if not 3000 < response["token_expires_in"] <= 3600:
        raise AssertionError(f"the token expires in {response['token_expires_in']} s, want almost an hour")


CASES = {"recognition": recognition, "upstream-error": upstream_error, "not-found": not_found, "repair": repair}

if __name__ == "__main__":
    case, where = sys.argv[1:3]
    if case == "scheduled":
        with open(where, encoding="utf-8") as f:
            scheduled(json.load(f))
    else:
        CASES[case](transport.to(where))

"""Ways to the relay: curl to an HTTP address, REST API events to a bare emulator."""

import base64
import json
import os
import subprocess
import tempfile
import urllib.parse
import urllib.request


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers.items()}

    def json(self):
        return json.loads(self.body)


class Curl:
    def __init__(self, base):
        self.base = base

    def call(self, method, target, body=None, headers=()):
        """body is bytes; target goes on the request line as it is."""
        with tempfile.TemporaryDirectory() as scratch:
            at = {name: os.path.join(scratch, name) for name in ("body", "headers", "answer")}
            command = ["curl", "-sS", "--max-time", "60", "--path-as-is", "-X", method, "-D", at["headers"],
                       "-o", at["answer"], "-w", "%{http_code}"]
            for header in headers:
                command += ["-H", header]
            if body is not None:
                with open(at["body"], "wb") as f:
                    f.write(body)
                command += ["--data-binary", "@" + at["body"]]
            status = int(subprocess.check_output(command + [self.base + target], timeout=90))
            return Answer(status, read_headers(at["headers"]), read(at["answer"]))


class Emulator:
    """An event is what API Gateway would send; the answer is what it would make of the response."""

    def __init__(self, url):
        self.url = url

    def call(self, method, target, body=None, headers=()):
        path, _, query = target.partition("?")
        values = urllib.parse.parse_qs(query, keep_blank_values=True) or None
        return self.answer(self.invoke(json.dumps({
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": method,
            "multiValueHeaders": {name: [value] for name, value in (h.split(": ", 1) for h in headers)},
            "multiValueQueryStringParameters": values,
            "pathParameters": {"proxy": path[1:]},
            "requestContext": {"resourcePath": "/{proxy+}", "httpMethod": method, "path": "/live" + path,
                               "stage": "live"},
            "body": None if body is None else body.decode(),
            "isBase64Encoded": False,
        }).encode()))

    def answer(self, raw):
        response = json.loads(raw)
        if "statusCode" not in response:
            raise AssertionError(f"the function answered {response}")
        answer = response["body"].encode()
        if response["isBase64Encoded"]:
            answer = base64.b64decode(answer)
        return Answer(response["statusCode"], response["headers"], answer)

    def invoke(self, event):
        request = urllib.request.Request(self.url, data=event, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


class StreamingEmulator(Emulator):
    def answer(self, raw):
        head, body = streamed(raw)
        return Answer(head["statusCode"], head["headers"], body)


def streamed(raw):
    """The two parts of an answer in the streaming format. The emulator hands it over when it is complete."""
    head, delimiter, body = raw.partition(bytes(8))
    if not delimiter:
        raise AssertionError(f"the answer is not streamed: {raw[:500]!r}")
    head = json.loads(head)
    if strange := head.keys() - {"statusCode", "headers", "multiValueHeaders", "cookies"}:
        raise AssertionError(f"API Gateway would not take {sorted(strange)} before the body")
    return head, body


def read(path):
    """curl writes no file for an empty body."""
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as f:
        return f.read()


def read_headers(path):
    lines = read(path).decode("latin-1").split("\r\n")
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def to(url):
    """The fragment, which nobody sends, says that an emulator's answers are streamed."""
    address, _, streams = url.partition("#")
    if not address.endswith("/invocations"):
        return Curl(url)
    return StreamingEmulator(address) if streams else Emulator(address)

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
    def __init__(self, base, key=None):
        self.base, self.key = base, key

    def call(self, method, target, body=None, headers=()):
        """body is bytes; target goes on the request line as it is."""
        with tempfile.TemporaryDirectory() as scratch:
            arguments = ["-X", method]
            if body is not None:
                arguments += ["--data-binary", "@" + written(scratch, "body", body)]
            return self.run(scratch, arguments, target, headers)

    def form(self, target, fields, headers=()):
        """fields are (name, name of a file or None, bytes)."""
        with tempfile.TemporaryDirectory() as scratch:
            arguments = []
            for n, (name, file, data) in enumerate(fields):
                at = written(scratch, f"field-{n}", data)
                quoted = (file or "").replace("\\", "\\\\").replace('"', '\\"')
                arguments += ["-F", f"{name}=<{at}" if file is None else f'{name}=@{at};filename="{quoted}"']
            return self.run(scratch, arguments, target, headers)

    def run(self, scratch, arguments, target, headers):
        head, body = os.path.join(scratch, "head"), os.path.join(scratch, "answer")
        command = ["curl", "-sS", "--max-time", "60", "--path-as-is", "-D", head, "-o", body, "-w", "%{http_code}", *arguments]
        for header in [*headers, *([f"Authorization: Bearer {self.key}"] if self.key else [])]:
            command += ["-H", header]
        status = int(subprocess.check_output(command + [self.base + target], timeout=90))
        return Answer(status, read_headers(head), read(body))


class Emulator:
    """An event is what API Gateway would send; the answer is what it would make of the response."""

    def __init__(self, url):
        self.url = url

    def call(self, method, target, body=None, headers=(), binary=False):
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
            "body": None if body is None else base64.b64encode(body).decode() if binary else body.decode(),
            "isBase64Encoded": binary,
        }).encode()))

    def form(self, target, fields, headers=()):
        """As Curl's; what is of a binary type comes in base64."""
        boundary = "conformance-" + os.urandom(16).hex()
        body = b""
        for name, file, data in fields:
            quoted = None if file is None else file.replace('"', "%22")
            disposition = f'form-data; name="{name}"' + ("" if file is None else f'; filename="{quoted}"')
            body += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        return self.call("POST", target, body, [f"Content-Type: multipart/form-data; boundary={boundary}", *headers], binary=True)

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


def written(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def read(path):
    """curl writes no file for an empty body."""
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as f:
        return f.read()


def read_headers(path):
    lines = read(path).decode("latin-1").split("\r\n")
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def to(url, key=None):
    """The fragment, which nobody sends, says that an emulator's answers are streamed."""
    address, _, streams = url.partition("#")
    if not address.endswith("/invocations"):
        return Curl(url, key)
    return StreamingEmulator(address) if streams else Emulator(address)

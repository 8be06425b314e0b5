"""The requests of the SDKs that do not run here, as they stand on the wire.

usage: sdk_shapes.py SDK URL KEY          its demo, with nothing configured but the URL and the key
       sdk_shapes.py SDK URL KEY refused  the same, with a key that the relay must turn away
"""

import http.client
import json
import sys
import urllib.parse

from standin import arrived, same

FORM = "application/x-www-form-urlencoded"
IMAGE = "iVBORw0KGgo="


BOUNDARY = "------------------------d74496d66958873e"


def multipart(fields):
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    return "".join(parts) + f"--{BOUNDARY}--\r\n"


def not_encoded(fields):
    return "&".join(f"{name}={value}" for name, value in fields.items())


class SDK:
    """What the SDKs of the v5 API have in common."""

    token_path, token_type, encode = "/connect/token", FORM, staticmethod(urllib.parse.urlencode)
    token_for_every_call = False
    submit_headers = {"Content-Type": "application/json"}
    token_headers, headers = {}, {}  # of the request for a token, and of those without a body

    def __init__(self, url, key):
        self.url, self.key, self.cached = url, key, None
        self.host = urllib.parse.urlsplit(url).netloc

    def send(self, method, target, body, headers):
        chunked = headers.get("Transfer-Encoding") == "chunked"
        connection = http.client.HTTPConnection(self.host, timeout=60)
        # Not request(), which would add headers and mend the target.
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None and not chunked:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders([body] if chunked else body, encode_chunked=chunked)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def token(self):
        if self.cached is None or self.token_for_every_call:
            fields = {"grant_type": "client_credentials", "client_id": "station 7", "client_secret": self.key}
            status, data = self.send("POST", self.token_path, self.encode(fields).encode(),
                                     {"Content-Type": self.token_type} | self.token_headers)
            same("token request", status, 200)
            answer = json.loads(data)
            self.cached = answer["token_type"] + " " + answer["access_token"]
        return self.cached

    def request(self, method, target, task=None):
        body = None if task is None else json.dumps(task).encode()
        headers = {"Authorization": self.token()} | (self.submit_headers if task is not None else self.headers)
        return self.send(method, target, body, headers)

    def call(self, method, target, task=None):
        """Only the status 200 counts."""
        status, answer = self.request(method, target, task)
        same(f"{method} {target}", status, 200)
        seen = arrived()
        # REST events carry no empty query and no trailing &.
        same("call", (seen["method"], seen["target"]), (method, target.rstrip("?&")))
        return answer

    def task_id(self, answer):
        return answer

    def submit(self, kind):
        return f"/v5.0/omr/{kind}/Post{kind}"

    def result(self, kind, task):
        return f"/v5.0/omr/{kind}/Get{kind}?id={task}"

    def cancel(self, kind, task):
        return f"/v5.0/omr/{kind}?id={task}"

    tasks = {
        "GenerateTemplate": {"MarkupFile": IMAGE, "Images": {}, "settings": {"PaperSize": "A4"}},
        "RecognizeTemplate": {"Images": [IMAGE], "OmrFile": IMAGE, "outputFormat": "CSV", "RecognitionThreshold": 30},
    }

    def demo(self):
        for kind, task in self.tasks.items():
            submitted = self.task_id(self.call("POST", self.submit(kind), task).decode())
            for state in ("NotReady", "Ok"):
                answer = json.loads(self.call("GET", self.result(kind, submitted)))
                same("state and id", (answer["responseStatusCode"], answer["id"]), (state, submitted))
            same("results", len(answer["results"]) > 0, True)
            same("cancel", self.call("DELETE", self.cancel(kind, submitted)), b"")

    def first_request(self):
        return self.request("POST", self.submit("RecognizeTemplate"), self.tasks["RecognizeTemplate"])


class Java(SDK):
    """Every URL ends in "?" or "&", and cancel has a spelling of its own."""

    token_for_every_call = True
    headers = {"Accept": "application/json"}

    def submit(self, kind):
        return super().submit(kind) + "?"

    def result(self, kind, task):
        return super().result(kind, task) + "&"

    def cancel(self, kind, task):
        return f"/v5.0/omr/{kind}/Cancel{kind}?id={task}&"


class Dart(Java):
    token_type = FORM + "; charset=utf-8"
    submit_headers = Java.submit_headers | {"User-Agent": "Dart/3.0 (dart:io)"}


class PHP(SDK):
    """cURL, which makes a multipart form of an array, and names a content type where there is no content."""

    token_for_every_call = True
    token_type, encode = f"multipart/form-data; boundary={BOUNDARY}", staticmethod(multipart)
    token_headers = {"Accept": "*/*"}
    headers = submit_headers = {"Accept": "*/*", "Content-Type": "application/json"}

    def cancel(self, kind, task):
        return f"/v5.0/omr/{kind}/Cancel{kind}?id={task}"


class TypeScript(PHP):
    """axios, which sends the form as a stream, of a length that it does not tell."""

    token_headers = {"Accept": "application/json, text/plain, */*", "User-Agent": "axios/0.27.2", "Transfer-Encoding": "chunked"}
    headers = {"Accept": "application/json", "User-Agent": "axios/0.27.2"}
    submit_headers = {"Accept": "application/json, text/plain, */*", "Content-Type": "application/json", "User-Agent": "axios/0.27.2"}

    def task_id(self, answer):
        """JSON where it is any: asked for JSON first, the upstream puts the id in quotes."""
        return json.loads(answer) if answer.startswith('"') else answer


class NetV5(SDK):
    submit_headers = {"Accept": "text/plain, application/json, text/json", "Content-Type": "application/json"}


class NetV3(SDK):
    """The v3 API: one call, and the form that asks for the token is not encoded."""

    version, member = "v3.0", "errorCode"
    encode = staticmethod(not_encoded)
    submit_headers = SDK.submit_headers | {"x-aspose-client": ".net sdk", "x-aspose-client-version": "20.11"}
    task = {"functionParam": "{}", "additionalParam": ""}

    def target(self):
        return f"/{self.version}/omr/scan.jpg/runOmrTask?actionName=RecognizeImage&folder="

    def demo(self):
        for _ in range(2):
            status, answer = self.first_request()
            same("status", status, 200)
            same("error code", json.loads(answer)[self.member], 0)
            seen = arrived()
            same("call", (seen["method"], seen["target"]), ("POST", self.target()))
            same("names its SDK", "X-Aspose-Client" in seen["headers"], "x-aspose-client" in self.submit_headers)

    def first_request(self):
        return self.request("POST", self.target(), self.task)


class Node(NetV3):
    version, member = "v1.1", "ErrorCode"
    token_path, encode = "/oauth2/token", staticmethod(urllib.parse.urlencode)
    submit_headers = SDK.submit_headers | {"Accept": "application/json"}


SDKS = {"java": Java, "dart": Dart, "net-v5": NetV5, "net-v3": NetV3, "node": Node, "php": PHP, "typescript": TypeScript}

if __name__ == "__main__":
    name, url, key = sys.argv[1:4]
    sdk = SDKS[name](url, key)
    if sys.argv[4:] == ["refused"]:
        calls = arrived()["calls"]
        status, _ = sdk.first_request()
        same("refused", status in (401, 403), True)
        same("calls of the upstream", arrived()["calls"], calls)
    else:
        sdk.demo()

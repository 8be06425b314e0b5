"""Rotates the secret with the AWS CLI while calls are running: usage rotation.py URL AWS-CLI."""

import collections
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse

from standin import arrived, same, tell

CALLERS = 4
ENOUGH = 50  # calls from one step to the next
TASK = json.dumps({"images": ["iVBORw0KGgo="], "omrFile": "e30="})
API = "/v5.0/omr/RecognizeTemplate"


class Callers:
    """Threads that call without pause and count what comes back."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc
        self.lock = threading.Lock()
        self.outcomes = collections.Counter()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        while not self.stopped.is_set():
            for request in (("POST", f"{API}/PostRecognizeTemplate", TASK, {"Content-Type": "application/json"}),
                            ("GET", f"{API}/GetRecognizeTemplate?id=12345678-1234-4123-8123-123456789abc")):
                try:
                    connection.request(*request)
                    answer = connection.getresponse()
                    answer.read()
                    outcome = answer.status
                except (OSError, http.client.HTTPException) as e:
                    outcome = repr(e)
                    connection.close()
                with self.lock:
                    self.outcomes[outcome] += 1

    def more(self):
        """Waits for ENOUGH further calls."""
        with self.lock:
            target = self.outcomes.total() + ENOUGH
        end = time.monotonic() + 30
        while True:
            with self.lock:
                if self.outcomes.total() >= target:
                    return
            if time.monotonic() > end:
                raise AssertionError(f"the calls stand still: {self.outcomes}")
            time.sleep(0.01)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)


class Operator:
    def __init__(self, cli, secret):
        self.cli, self.secret = cli, secret

    def aws(self, command, *arguments, stdin=None):
        output = subprocess.run(
            [self.cli, "secretsmanager", command, "--secret-id", self.secret, "--output", "json", *arguments],
            input=stdin, stdout=subprocess.PIPE, timeout=60, check=True).stdout
        return json.loads(output)

    def current(self):
        return self.aws("get-secret-value")["VersionId"]

    def put(self, credentials, *arguments):
        # Not on the command line, as in the README.
        return self.aws("put-secret-value", "--secret-string", "file:///dev/stdin", *arguments,
                        stdin=json.dumps(credentials).encode())["VersionId"]

    def move_current(self, old, new):
        self.aws("update-secret-version-stage", "--version-stage", "AWSCURRENT",
                 "--remove-from-version-id", old, "--move-to-version-id", new)


def rotate(callers, credentials, change):
    """The old credentials end at once, their tokens as soon as the secret is changed: one mint makes up for it."""
    mints = arrived()["mints"]
    tell("accept", credentials)
    result = change()
    callers.more()
    same("mints before the old tokens end", arrived()["mints"], mints)
    tell("revoke")
    callers.more()
    same("mints after the old tokens ended", arrived()["mints"], mints + 1)
    return result


def run(url, cli):
    operator = Operator(cli, os.environ["SECRET_ARN"])
    names = ("first", "second+&=%", "dritter Schlüssel")
    first, second, third = ({"client_id": f"client-{i}", "client_secret": name} for i, name in enumerate(names))
    operator.put(first)
    tell("revoke")
    callers = Callers(url)
    try:
        callers.more()
        one = operator.current()
        two = rotate(callers, second, lambda: operator.put(second))
        rotate(callers, first, lambda: operator.move_current(two, one))
        rotate(callers, second, lambda: operator.move_current(one, two))
        # As a rotation function does it: a pending version is nobody's business until it becomes current.
        three = operator.put(third, "--version-stages", "AWSPENDING")
        mints = arrived()["mints"]
        tell("accept", second)
        tell("revoke")
        callers.more()
        same("mints on a pending version", arrived()["mints"], mints + 1)
        rotate(callers, third, lambda: operator.move_current(two, three))
    finally:
        callers.stop()
        tell("accept-any")
    print(f"{callers.outcomes.total()} calls")
    same("failed calls", {k: v for k, v in callers.outcomes.items() if k != 200}, {})


if __name__ == "__main__":
    run(*sys.argv[1:])

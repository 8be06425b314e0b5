"""The stand-in's control address, for the checks written in Python."""

import json
import os
import urllib.request


def arrived():
    """What reached the upstream so far, and its latest call."""
    with urllib.request.urlopen(os.environ["STANDIN_CONTROL"] + "/arrived", timeout=10) as answer:
        return json.load(answer)


def submitted():
    """The recognitions that the upstream took, of how many contents, and the same one how often."""
    with urllib.request.urlopen(os.environ["STANDIN_CONTROL"] + "/submitted", timeout=10) as answer:
        return json.load(answer)


def tell(command, body=None):
    """revoke, accept (with the only credentials to take), accept-any."""
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(f"{os.environ['STANDIN_CONTROL']}/{command}", data=data, method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def same(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, want {want!r}")

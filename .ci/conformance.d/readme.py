"""Executes the command blocks of the documents as they are written: those that need no AWS.

usage: readme.py known     fails when a block is new, or one that is known here is gone
       readme.py list      names of the blocks to run
       readme.py run NAME  runs one

The others are run by cloud_steps.py, cloud_scans.py and cloud_batches.py.
"""

import fcntl
import glob
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zipfile

import ports
from blocks import blocks
from standin import same

GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def known():
    named, strange = blocks()
    if strange:
        raise AssertionError("blocks that nobody has looked at:\n" + "\n".join(f"{file}: {text}" for file, text in strange))
    same("blocks that are gone", [name for name, texts in named.items() if not texts], [])


def shell(block, stdin="", **options):
    run = subprocess.run(["bash", "-c", block], input=stdin.encode(), capture_output=True, timeout=600, **options)
    said = run.stdout.decode() + run.stderr.decode()
    if run.returncode != 0:
        raise AssertionError(f"exit status {run.returncode}:\n{said}")
    return run.stdout.decode(), said


def users_environment():
    """Without what the checks set: the two commands and the server need none of it, and Go caches tests by it."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "OMR_", "STANDIN_", "SECRET_", "PYTHON"))}


def invoke(block):
    stdout, said = shell(block, env=users_environment())
    answer = json.loads(stdout)
    same("status", answer["statusCode"], 200)
    if not re.fullmatch(GUID, answer["body"]):
        raise AssertionError(f"no task's id in the answer:\n{said}")


def test(block):
    shell(block, env=users_environment())


def fleet(block):
    """Not the two minutes of it: what was recorded makes the page and the chart that are there."""
    made = ["docs/fleet.md", "docs/fleet.svg", "internal/fleet/testdata"]
    shell(block.replace("OMR_FLEET=10000 ", "OMR_FLEET=0 "), env=users_environment())
    shell("git diff --exit-code -- " + " ".join(made))


def recognize(block):
    stdout, _ = shell(block, env=users_environment())
    with open("README.md", encoding="utf-8") as f:
        if "```text\n" + stdout.replace("\r", "") + "```\n" not in f.read():
            raise AssertionError(f"the README shows something else than\n{stdout}")


def keyed(block):
    """Runs a block that calls a relay of one's own: here cmd/local, which wants a key as the deployed one does."""
    key, sample = "a-key-of-the-documents-0001", os.path.abspath("events/sample")
    port = ports.free()
    with tempfile.TemporaryDirectory() as here:
        shell(f"go build -o {here}/local ./cmd/local", env=users_environment())
        for name, text in {"scan.jpg": f"{sample}/answer-sheet.png", "form.omr": f"{sample}/form.omr"}.items():
            shutil.copy(text, os.path.join(here, name))
        with open(os.path.join(here, "form.txt"), "w", encoding="utf-8") as f:
            f.write("?text=Name\n#One?\n\t(A) yes (B) no\n")
        server = subprocess.Popen([f"{here}/local", "start-api", "--port", str(port), "--api-key", key], stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 30
            while refused(port) and time.monotonic() < end:
                time.sleep(0.1)
            stdout, said = shell(block, cwd=here, env=users_environment() | {"KEY": key, "URL": f"http://127.0.0.1:{port}"})
            made = os.path.join(here, "form.zip")
            names = sorted(zipfile.ZipFile(made).namelist()) if os.path.exists(made) else []
        finally:
            server.terminate()
            server.wait(20)
    if names != ["form.omr", "page-1.png"] and not re.search(r'^Question1,"A"$', stdout, re.M):
        raise AssertionError(f"neither answers nor a form:\n{names}\n{said}")


def serve(block):
    loopback_up()
    if not refused(3000):
        raise AssertionError("port 3000, which the README names, is in use")
    server = subprocess.Popen(["bash", "-c", block], stdin=subprocess.DEVNULL, env=users_environment())
    try:
        end = time.monotonic() + 120
        while refused(3000):
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError("the server did not come up")
            time.sleep(0.1)
        stdout, said = shell(blocks()[0]["call"][0], env=users_environment())
        if not re.search(r'^Question1,"A"$', stdout, re.M):
            raise AssertionError(f"no answers:\n{said}")
    finally:
        # "go run" passes no signal on.
        for pid in [*children(server.pid), server.pid]:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        server.wait(20)


def children(pid):
    """Descendants, the youngest first. Any thread of a Go program may be the one that starts a process."""
    direct = []
    for tasks in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(tasks, encoding="ascii") as f:
            direct += [int(child) for child in f.read().split()]
    return [p for child in direct for p in [*children(child), child]]


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def loopback_up():
    """In a network namespace of its own the check has every port for itself, and a loopback that is down."""
    if "OWN_NETWORK" not in os.environ:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sH14x", b"lo", 0)
        flags, = struct.unpack_from("H", fcntl.ioctl(s, 0x8913, request), 16)  # SIOCGIFFLAGS
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", flags | 1))  # SIOCSIFFLAGS, IFF_UP


RUN = {"invoke": invoke, "recognize": recognize, "one-call": keyed, "form-call": keyed, "test": test, "fleet": fleet, "serve": serve}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    texts, _ = blocks()
    if sys.argv[1] == "known":
        known()
    elif sys.argv[1] == "list":
        for name in RUN:
            if texts[name]:
                print(name)
    else:
        for text in texts[sys.argv[2]]:
            RUN[sys.argv[2]](text)

"""Executes the command blocks of README.md as they are written.

usage: readme.py known         fails when a block is new, or one that is known here is gone
       readme.py list          names of the blocks to run
       readme.py run NAME URL  runs one; URL is a relay on the stand-in
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
import textwrap
import time

from standin import arrived, same

GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# name: how the block begins. "call" is run by "serve", which it follows.
BLOCKS = {
    "invoke": "go run ./cmd/local invoke ",
    "test": "go test ",
    "serve": "go run ./cmd/local start-api ",
    "call": "curl -sS -X POST http://127.0.0.1:3000/",
    "create-secret": "printf 'Client ID: ' && read -r id && printf 'Client Secret: ' && read -rs secret && echo\nid=\"$id\" secret=\"$secret\" jq -n '{client_id: env.id, client_secret: env.secret}' |\n  aws secretsmanager create-secret ",
    "build": "sam build && sam deploy --guided",
    "first-call": "url=$(aws cloudformation describe-stacks ",
    "add-caller": "plan=$(aws cloudformation describe-stacks ",
    "rotate": "printf 'Client ID: ' && read -r id && printf 'Client Secret: ' && read -rs secret && echo\nid=\"$id\" secret=\"$secret\" jq -n '{client_id: env.id, client_secret: env.secret}' |\n  aws secretsmanager put-secret-value ",
}
# What of a block is not run, and why.
NOT_RUN = {
    "build": ("sam deploy --guided", "it asks CloudFormation in an account to expand the template and create the stack"),
}


def blocks():
    """The sh blocks of the README by name, and those without one."""
    with open("README.md", encoding="utf-8") as f:
        found = [textwrap.dedent(text) for _, text in re.findall(r"^( *)```sh\n(.*?)^\1```$", f.read(), re.M | re.S)]
    named, strange = {}, []
    for block in found:
        names = [name for name, beginning in BLOCKS.items() if block.startswith(beginning) and name not in named]
        if len(names) == 1:
            named[names[0]] = block
        else:
            strange.append(block)
    return named, strange


def known():
    named, strange = blocks()
    with open("README.md", encoding="utf-8") as f:
        same("blocks", len(re.findall(r"^ *```(?:sh|bash|shell|console)$", f.read(), re.M)), len(named) + len(strange))
    if strange:
        raise AssertionError("blocks that nobody has looked at:\n" + "\n".join(strange))
    same("blocks that are gone", BLOCKS.keys() - named.keys(), set())


def shell(block, stdin="", **options):
    run = subprocess.run(["bash", "-c", block], input=stdin.encode(), capture_output=True, timeout=600, **options)
    said = run.stdout.decode() + run.stderr.decode()
    if run.returncode != 0:
        raise AssertionError(f"exit status {run.returncode}:\n{said}")
    return run.stdout.decode(), said


def users_environment():
    """Without what the checks set: the two commands and the server need none of it, and Go caches tests by it."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "OMR_", "STANDIN_", "SECRET_", "PYTHON"))}


def invoke(block, _):
    stdout, said = shell(block, env=users_environment())
    answer = json.loads(stdout)
    same("status", answer["statusCode"], 200)
    if not re.fullmatch(GUID, answer["body"]):
        raise AssertionError(f"no task's id in the answer:\n{said}")


def test(block, _):
    shell(block, env=users_environment())


def serve(block, _):
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
        stdout, said = shell(blocks()[0]["call"], env=users_environment())
        if not re.fullmatch(GUID, stdout):
            raise AssertionError(f"no task's id in the answer:\n{said}")
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


def type_secret(block, secret):
    typed = {"client_id": "9f0c-id", "client_secret": secret}
    stdout, said = shell(block, stdin=f"{typed['client_id']}\n{typed['client_secret']}\n")
    if secret in said:
        raise AssertionError("the Client Secret is on the screen")
    stored, _ = shell("aws secretsmanager get-secret-value --secret-id omr-relay/aspose --query SecretString --output text")
    same("stored", json.loads(stored), typed)
    return stdout


def create_secret(block, _):
    stdout = type_secret(block, r"""first+&%"'\n$(id)é""")
    with open("template.yaml", encoding="utf-8") as f:
        pattern = re.search(r"SecretArn:\n(?: +.*\n)*? +AllowedPattern: (.*)", f.read()).group(1)
    arn = stdout.splitlines()[-1].strip()
    if not re.fullmatch(pattern, arn):
        raise AssertionError(f"{arn!r} is no value for SecretArn")


def rotate(block, _):
    type_secret(block, r"""second+&%"'\n$(id)é""")


def build(block, _):
    command, not_run = block.strip().split(" && ")
    same("not run", not_run, NOT_RUN["build"][0])
    with tempfile.TemporaryDirectory() as copy:
        # In the work tree it would leave .aws-sam behind.
        here = os.path.join(copy, "omr-relay")
        shutil.copytree(".", here, ignore=shutil.ignore_patterns(".git", ".aws-sam"))
        shell(command, cwd=here)
        for function in ("RelayFunction", "AuthorizerFunction"):
            same("built", os.listdir(os.path.join(here, ".aws-sam/build", function)), ["bootstrap"])


def create_stack(outputs):
    """With outputs of the template, as another stack of the name would have them."""
    with open("template.yaml", encoding="utf-8") as f:
        declared = f.read().partition("\nOutputs:\n")[2]
    same("outputs that the template lacks", [o for o in outputs if f"\n  {o}:\n" not in "\n" + declared], [])
    stack = {"Resources": {"Any": {"Type": "AWS::SNS::Topic"}},
             "Outputs": {name: {"Value": value} for name, value in outputs.items()}}
    subprocess.run(["aws", "cloudformation", "delete-stack", "--stack-name", "omr-relay"], check=True, timeout=60)
    subprocess.run(["aws", "cloudformation", "create-stack", "--stack-name", "omr-relay",
                    "--template-body", json.dumps(stack)], check=True, timeout=60, stdout=subprocess.DEVNULL)


def first_call(block, url):
    """The stack's URL is that of a relay behind the key."""
    key = json.loads(shell("aws apigateway create-api-key --name conformance --enabled --output json --value "
                           + os.environ["CALLER_KEY"])[0])["id"]
    create_stack({"ApiUrl": url, "ApiKeyId": key})
    with tempfile.TemporaryDirectory() as where:
        for name in ("form.jpg", "pattern.omr"):
            with open(os.path.join(where, name), "wb") as f:
                f.write(os.urandom(200_000))
        calls = arrived()["calls"]
        stdout, said = shell(block, cwd=where)
    if not re.fullmatch(GUID, stdout):
        raise AssertionError(f"no task's id in the answer:\n{said}")
    # Twice if the rotation before it has ended the relay's token.
    same("calls of the upstream", arrived()["calls"] - calls in (1, 2), True)


def add_caller(block, _):
    plan = json.loads(shell("aws apigateway create-usage-plan --name conformance --output json")[0])["id"]
    create_stack({"UsagePlanId": plan})
    shell(block)
    keys = json.loads(shell(f"aws apigateway get-usage-plan-keys --usage-plan-id {plan} --output json")[0])["items"]
    same("keys of the plan", [key["name"] for key in keys], ["station 7"])


RUN = {"invoke": invoke, "test": test, "serve": serve, "create-secret": create_secret, "build": build,
       "first-call": first_call, "add-caller": add_caller, "rotate": rotate}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if sys.argv[1] == "known":
        known()
    elif sys.argv[1] == "list":
        for name in RUN:
            command, reason = NOT_RUN.get(name, ("", ""))
            print(name, f" (but for {command}: {reason})" if reason else "", sep="\t")
    else:
        RUN[sys.argv[2]](blocks()[0][sys.argv[2]], sys.argv[3])

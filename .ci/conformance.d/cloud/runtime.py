"""Executes functions as processes of their own, under a Runtime API that is no kinder than Lambda's."""

import collections
import http.server
import json
import os
import pathlib
import queue
import signal
import subprocess
import threading
import time

from localstack.services.lambda_.invocation import runtime_executor
from localstack.services.lambda_.invocation.lambda_models import InvocationResult

API = "/2018-06-01/runtime/"
LIMIT = 6 * 1024 * 1024  # of an answer that is not streamed
# What a function finds in its environment besides LocalStack's own.
LOGS, AUTHORITIES = os.environ["FUNCTION_LOGS"], os.environ["FUNCTION_CA"]

Outcome = collections.namedtuple("Outcome", "payload is_error")


def install():
    # Before the modules that take it from there are loaded.
    runtime_executor.get_runtime_executor = lambda: Process


def failure(kind, message):
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), True)


class Process(runtime_executor.RuntimeExecutor):
    """One execution environment: it serves one invocation at a time, as LocalStack's environments do."""

    def __init__(self, id, function_version):  # noqa: A002 - the base class has it so
        super().__init__(id=id, function_version=function_version)
        self.pending, self.outcomes = queue.Queue(), queue.Queue()
        self.current = None
        self.log = pathlib.Path(LOGS, f"{function_version.id.function_name}-{id}.log")
        self.process = self.environment = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(self):
        environment = self

        class Handler(RuntimeAPI):
            executor = environment

        return Handler

    def start(self, env_vars):
        self.environment = {name: str(value) for name, value in env_vars.items()} | {
            "AWS_LAMBDA_RUNTIME_API": "%s:%d" % self.server.server_address,
            "SSL_CERT_FILE": AUTHORITIES,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        # Credentials that LocalStack makes up for the role, and where its services are, it has set itself.
        self.spawn()

    def spawn(self):
        # What waited for the process before gets nothing more: it would answer to nobody.
        before, self.pending = self.pending, queue.Queue()
        before.put(None)
        code = self.function_version.config.code.get_unzipped_code_location()
        bootstrap = pathlib.Path(code, "bootstrap")
        if not os.access(bootstrap, os.X_OK):
            raise RuntimeError("the package has no executable bootstrap")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(  # its working directory is where LAMBDA_TASK_ROOT would be
                [str(bootstrap)], cwd=code, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process = self.process
        threading.Thread(target=self.watch, args=(process,), daemon=True).start()

    def watch(self, process):
        status = process.wait()
        if self.process is process:
            self.outcomes.put(failure("Runtime.ExitError", f"Runtime exited with status {status}"))

    def stop(self):
        process, self.process = self.process, None
        if process:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.server.shutdown()
        self.server.server_close()

    def invoke(self, payload):
        if self.process.poll() is not None:
            # As Lambda does it: the next invocation finds a fresh process.
            self.outcomes = queue.Queue()
            self.spawn()
        timeout = self.function_version.config.timeout
        self.current = payload["invoke-id"]
        self.pending.put(payload | {"deadline": int((time.time() + timeout) * 1000)})
        try:
            outcome = self.outcomes.get(timeout=timeout)
        except queue.Empty:
            outcome = failure("Sandbox.Timedout", f"RequestId: {self.current} Error: Task timed out after {timeout:.2f} seconds")
            process, self.process = self.process, None
            process.kill()
            process.wait()
            self.process = process
        return InvocationResult(payload["invoke-id"], outcome.payload, is_error=outcome.is_error, logs=self.get_logs()[-4096:])

    def get_logs(self):
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return "http://127.0.0.1:1/no-such-thing"  # of LocalStack's own init process, which does not run here

    @classmethod
    def prepare_version(cls, function_version):
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        """Leaves the package where it is: the version that follows may run the same."""


class RuntimeAPI(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    executor = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path != API + "invocation/next":
            self.send_error(404)
            return
        invocation = self.executor.pending.get()
        if invocation is None:
            self.close_connection = True
            return
        self.send_response(200)
        for name, value in (
                ("Content-Type", "application/json"),
                ("Lambda-Runtime-Aws-Request-Id", invocation["invoke-id"]),
                ("Lambda-Runtime-Deadline-Ms", invocation["deadline"]),
                ("Lambda-Runtime-Invoked-Function-Arn", invocation["invoked-function-arn"]),
                ("Lambda-Runtime-Trace-Id", invocation["trace-id"]),
                # Lambda tells no length.
                ("Transfer-Encoding", "chunked")):
            self.send_header(name, str(value))
        self.end_headers()
        payload = invocation["payload"].encode()
        for begin in range(0, len(payload), 32768):
            chunk = payload[begin:begin + 32768]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def do_POST(self):
        parts = self.path.removeprefix(API).split("/")
        body, trailers = self.body()
        if len(parts) != 3 or parts[0] != "invocation" or parts[2] not in ("response", "error"):
            self.answer(404, "InvalidPath")
            return
        if parts[1] != self.executor.current:
            self.answer(400, "InvalidRequestID")
            return
        streamed = self.headers.get("Lambda-Runtime-Function-Response-Mode", "").lower() == "streaming"
        if len(body) > LIMIT and not streamed:
            self.answer(413, "RequestEntityTooLarge")
            outcome = failure("Function.ResponseSizeTooLarge", f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes).")
        else:
            self.answer(202, "OK")
            outcome = Outcome(body, parts[2] == "error" or "lambda-runtime-function-error-type" in trailers)
        self.executor.current = None
        self.executor.outcomes.put(outcome)

    def body(self):
        """The request's body, and its trailers with names in small letters."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0))), {}
        body, trailers = bytearray(), {}
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            trailers[name.strip().lower()] = value.strip()
        return bytes(body), trailers

    def answer(self, status, word):
        body = json.dumps({"status": word} if status == 202 else {"errorMessage": word, "errorType": word}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

"""Finds a port for a server that is told one: usage ports.py HOST.

None of those that the kernel gives to whoever asks for any: before the server has it, a test's or a connection's would.
"""

import random
import socket
import sys


def free(host="127.0.0.1"):
    for port in random.sample(range(10000, 32768), 100):
        try:
            socket.create_server((host, port)).close()
        except OSError:
            continue
        return port
    raise AssertionError(f"no port is free on {host}")


if __name__ == "__main__":
    print(free(sys.argv[1]))

"""Says what is wrong with a bootstrap: usage binary.py ARCHITECTURE FUNCTION FILE."""

import struct
import sys

MACHINES = {"x86_64": 62, "arm64": 183}
PT_DYNAMIC, PT_INTERP = 2, 3
SHT_SYMTAB = 2
# Names of linked functions stay in a stripped Go binary: the runtime needs them for tracebacks.
HOLDS = {"RelayFunction": b"omr-relay/handler.", "AuthorizerFunction": b"omr-relay/internal/apikey.", "BatchFunction": b"omr-relay/internal/batch."}
LACKS = {
    "RelayFunction": (b"omr-relay/internal/batch.", b"omr-relay/internal/sandbox", b"net/http/httptest"),
    "BatchFunction": (b"omr-relay/internal/sandbox", b"net/http/httptest"),
    # Whoever calls the API reaches it: it has nothing of the relay's.
    "AuthorizerFunction": (b"omr-relay/handler.", b"omr-relay/secrets.", b"omr-relay/internal/token.", b"aws-sdk-go-v2"),
}


def faults(architecture, function, data):
    if data[:6] != b"\x7fELF\x02\x01":
        yield "not a 64-bit little-endian ELF file"
        return
    machine, = struct.unpack_from("<H", data, 18)
    if machine != MACHINES[architecture]:
        yield f"built for machine {machine}, not {architecture}"
    phoff, shoff = struct.unpack_from("<QQ", data, 32)
    phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 54)
    segments = {struct.unpack_from("<I", data, phoff + i * phentsize)[0] for i in range(phnum)}
    if segments & {PT_DYNAMIC, PT_INTERP}:
        yield "linked dynamically"
    sections = [struct.unpack_from("<I", data, shoff + i * shentsize + 4)[0] for i in range(shnum)]
    if SHT_SYMTAB in sections or b".debug_info\0" in data or b".zdebug_info\0" in data:
        yield "not stripped"
    if HOLDS[function] not in data:
        yield f"does not hold {HOLDS[function].decode()}"
    for package in LACKS[function]:
        if package in data:
            yield f"holds {package.decode()}"
    if b"net/rpc." in data:
        yield "built without the tag lambda.norpc"


found = list(faults(sys.argv[1], sys.argv[2], open(sys.argv[3], "rb").read()))
print("\n".join(found) or "as it should be")
sys.exit(bool(found))

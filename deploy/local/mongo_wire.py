"""Just enough of MongoDB's protocol to start a replica set: one command, one reply.

The standard library has no driver, and a wheel of one would be pinned per version of Python. Reads and writes the types
that those commands need: documents, lists, texts, integers, floating point numbers, booleans.
"""

import itertools
import socket
import struct

OP_MSG = 2013
REQUESTS = itertools.count(1)


class CommandFailed(Exception):
    """The server said no."""

    def __init__(self, reply):
        super().__init__(reply.get("errmsg", "no reason given"))
        self.name = reply.get("codeName", "")


def command(port, timeout=5, database="admin", **fields):
    """Runs a command on a database; its first field is its name."""
    document = encode({**fields, "$db": database})
    message = struct.pack("<iiiiIb", 21 + len(document), next(REQUESTS), 0, OP_MSG, 0, 0) + document
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(message)
        size = struct.unpack("<i", exactly(connection, 4))[0]
        reply = decode(exactly(connection, size - 4)[17:])[0]
    if reply.get("ok") != 1:
        raise CommandFailed(reply)
    return reply


def exactly(connection, size):
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the server closed the connection")
        data += chunk
    return data


def encode(document):
    body = b"".join(element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def element(name, value):
    key = name.encode() + b"\0"
    if isinstance(value, bool):
        return b"\x08" + key + bytes([value])
    if isinstance(value, int):
        return b"\x12" + key + struct.pack("<q", value)
    if isinstance(value, float):
        return b"\x01" + key + struct.pack("<d", value)
    if isinstance(value, str):
        text = value.encode()
        return b"\x02" + key + struct.pack("<i", len(text) + 1) + text + b"\0"
    if isinstance(value, dict):
        return b"\x03" + key + encode(value)
    if isinstance(value, list):
        return b"\x04" + key + encode({str(i): item for i, item in enumerate(value)})
    raise TypeError(f"no BSON for {type(value).__name__}")


FIXED = {0x01: "<d", 0x09: "<q", 0x10: "<i", 0x11: "<q", 0x12: "<q"}
SKIPPED = {0x07: 12, 0x0A: 0}  # object id, null: their bytes are not looked at


def decode(data):
    """The document at the beginning, and its size."""
    size, at, document = struct.unpack_from("<i", data)[0], 4, {}
    while data[at]:
        kind, end = data[at], data.index(b"\0", at + 1)
        name, at = data[at + 1:end].decode(), end + 1
        if kind in FIXED:
            value, length = struct.unpack_from(FIXED[kind], data, at)[0], struct.calcsize(FIXED[kind])
        elif kind == 0x02:
            length = 4 + struct.unpack_from("<i", data, at)[0]
            value = data[at + 4:at + length - 1].decode()
        elif kind in (0x03, 0x04):
            value, length = decode(data[at:])
            value = list(value.values()) if kind == 0x04 else value
        elif kind == 0x05:
            length = 5 + struct.unpack_from("<i", data, at)[0]
            value = data[at + 5:at + length]
        elif kind == 0x08:
            value, length = bool(data[at]), 1
        elif kind in SKIPPED:
            value, length = None, SKIPPED[kind]
        else:
            raise ValueError(f"BSON type 0x{kind:02x} of {name} is not known here")
        document[name], at = value, at + length
    return document, size

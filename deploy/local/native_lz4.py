"""ClickHouse's compressed blocks (`decompress=1`): LZ4 and stored ones. Reads only; checksums are not looked at."""

import struct

HEADER = 16 + 9  # a checksum, then method, compressed size (with these nine bytes) and plain size


def decompress(data):
    """All blocks of a body, joined. ValueError says what is wrong with it."""
    out, at = [], 0
    while at < len(data):
        if len(data) - at < HEADER:
            raise ValueError("a compressed block is cut off in its header")
        method, packed, plain = struct.unpack_from("<BII", data, at + 16)
        block = data[at + HEADER:at + 16 + packed]
        if packed < 9 or len(block) != packed - 9:
            raise ValueError("a compressed block is cut off")
        if method == 0x82:
            block = lz4_block(block)
        elif method != 0x02:
            raise ValueError(f"unknown compression method 0x{method:02x}: LZ4 (0x82) or none (0x02)")
        if len(block) != plain:
            raise ValueError(f"a block of {len(block)} bytes where its header says {plain}")
        out.append(block)
        at += 16 + packed
    return b"".join(out)


def lz4_block(data):
    out, at, end = bytearray(), 0, len(data)
    try:
        while at < end:
            token = data[at]
            at += 1
            length = token >> 4
            if length == 15:
                length, at = longer(data, at, length)
            if at + length > end:
                raise ValueError("an LZ4 block is cut off in its literals")
            out += data[at:at + length]
            at += length
            if at == end:
                break
            back = data[at] | data[at + 1] << 8
            at += 2
            length = token & 15
            if length == 15:
                length, at = longer(data, at, length)
            length += 4
            start = len(out) - back
            if back == 0 or start < 0:
                raise ValueError("an LZ4 block points before its beginning")
            if back >= length:
                out += out[start:start + length]
            else:  # it repeats what it is writing
                out += (out[start:] * (length // back + 1))[:length]
    except IndexError:
        raise ValueError("an LZ4 block is cut off") from None
    return bytes(out)


def longer(data, at, length):
    while True:
        byte = data[at]
        at += 1
        length += byte
        if byte != 255:
            return length, at

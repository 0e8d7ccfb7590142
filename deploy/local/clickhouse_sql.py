"""What the HTTP front must know of a statement's text, and the errors it answers with.

No parser: it blanks out what is quoted or commented, and looks at words in the rest.
"""

import re

VERSION = b"25.8.2.1"  # of the pinned package
# Texts, quoted names and comments: where a `;`, a FORMAT or a `{name:` means nothing.
OPAQUE = re.compile(rb"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`|--[^\n]*|#[! ][^\n]*|/\*.*?\*/"
                    rb"|\$(\w*)\$.*?\$\1\$", re.S)
READS = re.compile(rb"\s*\(*\s*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN)\b", re.I)


class QueryError(Exception):
    """What the caller is told, in ClickHouse's form."""

    def __init__(self, code, message, name):
        super().__init__(message)
        self.code, self.name = code, name
        self.body = b"Code: %d. DB::Exception: %s. (%s) (version %s)\n" % (
            code, message if isinstance(message, bytes) else message.encode(), name.encode(), VERSION)

    @classmethod
    def of(cls, raw):
        """From the engine's text, which may quote the data's own bytes and may name the code twice."""
        match = re.match(rb"(?:Code: \d+\. DB::Exception: )*?Code: (\d+)\. DB::Exception: (?!Code: )(.*)\((\w+)\)\s*$", raw, re.S)
        if not match:
            return cls(1001, raw, "STD_EXCEPTION")
        text = re.sub(rb" \(\w+\) \(version [^)]*\)\.?\s*$", b"", match[2])
        return cls(int(match[1]), text.strip().rstrip(b"."), match[3].decode())


def blank(query):
    """The query with everything opaque blanked out; positions stay."""
    return OPAQUE.sub(lambda m: b" " * len(m[0]), query)


def reads(query):
    """Whether the statement only reads."""
    return READS.match(blank(query)) is not None


def without_sync(query, seen):
    """A DROP that does not wait until the data is off the disk. chDB never takes it off, so it would wait for ever; what
    a statement after it can see is the same."""
    match = re.match(rb"\s*(?:DROP|DETACH|TRUNCATE)\b.*?\b(SYNC|NO\s+DELAY)[\s;]*$", seen, re.I | re.S)
    if not match:
        return query, seen
    return tuple(text[:match.start(1)] + text[match.end(1):] for text in (query, seen))


def of_one_server(query):
    """What a statement for all servers of the cluster tfx_local means on its only one, which has no Keeper to share rows by."""
    on = b" ON CLUSTER 'tfx_local'"
    if on not in query:
        return query
    return re.sub(rb"Replicated(\w*MergeTree)\('[^']*', '\{replica\}'(?:, )?", rb"\1(", query.replace(on, b"", 1))


def quoted(text):
    return b"'" + text.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def word(name):
    if not re.fullmatch(r"\w+", name):
        raise QueryError(115, f"Unknown setting '{name}'", "UNKNOWN_SETTING")
    return name.encode()


def split_insert(query, seen, data):
    """An INSERT with its rows behind it: the statement, reading a file, and the rows, byte for byte."""
    match = re.search(rb"\b(?:FORMAT\s+(\w+)|(VALUES)\b)", seen, re.I)
    if not match or re.search(rb"\b(SELECT|INFILE)\b", seen[:match.start()], re.I):
        return query, None, seen
    rows = query[match.end():]
    if match[2]:
        rows, end = rows.lstrip(), b"Values"
    else:
        # The rows begin after the spaces behind the format's name and one line break.
        rows, end = re.sub(rb"^[ \t\f]*\r?\n?", b"", rows, count=1), match[1]
        if rows.strip() == b";":
            rows = b""
    before = re.search(rb"\bSETTINGS\b", seen[:match.start()], re.I)
    at = before.start() if before else match.start()
    statement = query[:at] + b"\0INFILE\0" + query[at:match.start()] + b" FORMAT " + end
    return statement, rows + (data or b""), blank(statement)

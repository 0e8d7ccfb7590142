"""What the HTTP front makes of statements and bodies, without an engine: python3 -m unittest discover deploy/local"""

import struct
import unittest

import mongo_wire
import native_lz4
from clickhouse_sql import QueryError, blank, reads, split_insert, without_sync


def split(query, data=None):
    return split_insert(query, blank(query), data)[:2]


class Statements(unittest.TestCase):
    def test_rows_of_an_insert_are_kept_byte_for_byte(self):
        rows = b"\x20\n;\x00'\xff"
        for query, data in ((b"INSERT INTO t FORMAT RowBinary", rows), (b"INSERT INTO t FORMAT RowBinary\n" + rows, None)):
            self.assertEqual(split(query, data), (b"INSERT INTO t \0INFILE\0 FORMAT RowBinary", rows))

    def test_the_file_comes_before_the_settings(self):
        self.assertEqual(split(b"insert into t (a) settings x=1 format TSV", b"1\n"),
                         (b"insert into t (a) \0INFILE\0settings x=1  FORMAT TSV", b"1\n"))

    def test_values_and_selects(self):
        self.assertEqual(split(b"INSERT INTO t VALUES ('a;')"), (b"INSERT INTO t \0INFILE\0 FORMAT Values", b"('a;')"))
        self.assertEqual(split(b"INSERT INTO t SELECT 1 FORMAT Null"), (b"INSERT INTO t SELECT 1 FORMAT Null", None))

    def test_quotes_and_comments_hide_what_is_in_them(self):
        for text in (b"'a;''b\\';'", b'"a;"', b"`a;`", b"-- a;", b"/* a; */", b"$x$a;$x$"):
            self.assertEqual(blank(b"x" + text), b"x" + b" " * len(text))

    def test_only_reading_statements_read(self):
        self.assertTrue(reads(b"/* x */ (select 1)"))
        self.assertFalse(reads(b"-- select\ndrop table t"))

    def test_a_drop_does_not_wait(self):
        for query in (b"DROP TABLE t SYNC", b"drop database `x` sync;", b"DROP TABLE t NO DELAY"):
            self.assertNotRegex(without_sync(query, blank(query))[0].upper(), b"SYNC|DELAY")
        for query in (b"DROP TABLE `SYNC`", b"SYSTEM SYNC REPLICA t", b"SELECT 1 AS sync"):
            self.assertEqual(without_sync(query, blank(query))[0], query)

    def test_errors_keep_code_name_and_bytes(self):
        error = QueryError.of(b"Code: 27. DB::Exception: Code: 27. DB::Exception: bad \xff. (SOME_NAME) (version 1.2). (SOME_NAME)")
        self.assertEqual((error.code, error.name), (27, "SOME_NAME"))
        self.assertTrue(error.body.startswith(b"Code: 27. DB::Exception: bad \xff. (SOME_NAME) (version "), error.body)


class Blocks(unittest.TestCase):
    @staticmethod
    def block(method, data, plain):
        return bytes(16) + struct.pack("<BII", method, len(data) + 9, plain) + data

    def test_blocks_are_joined(self):
        # One literal, then a match that repeats what it writes, then literals.
        lz4 = bytes([0x13]) + b"a" + b"\x01\x00" + bytes([0x20]) + b"bc"
        self.assertEqual(native_lz4.decompress(self.block(0x82, lz4, 10) + self.block(2, b"x", 1)), b"a" * 8 + b"bcx")

    def test_every_cut_is_an_error(self):
        whole = self.block(0x82, bytes([0x13]) + b"a" + b"\x01\x00" + bytes([0x20]) + b"bc", 10)
        for end in range(1, len(whole)):
            with self.assertRaises(ValueError, msg=str(end)):
                native_lz4.decompress(whole[:end])

    def test_unknown_methods_and_wrong_sizes_are_errors(self):
        for bad in (self.block(0x90, b"x", 1), self.block(2, b"x", 2), self.block(0x82, b"\x04\x01\x00\x00", 8)):
            with self.assertRaises(ValueError):
                native_lz4.decompress(bad)


class Documents(unittest.TestCase):
    def test_documents_survive_the_wire(self):
        document = {"a": 1, "b": True, "c": "ü", "d": [1, {"e": 2.5}], "f": {}}
        self.assertEqual(mongo_wire.decode(mongo_wire.encode(document))[0], document)


if __name__ == "__main__":
    unittest.main()

//! Every form of a file of rows, and what is none.

use super::{Form, Rows};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rows");
    fs::write(&path, bytes).expect("written");
    (dir, path)
}

/// `line: cells` of each row with a `!` before its problem, or why there are no more.
fn read(bytes: &[u8]) -> Vec<String> {
    let (_dir, path) = file(bytes);
    let mut rows = match Rows::open(&path, None) {
        Ok(rows) => rows,
        Err(failure) => return vec![format!("! {}", failure.message)],
    };
    let mut all = Vec::new();
    loop {
        match rows.next() {
            Ok(None) => return all,
            Ok(Some(row)) => {
                let cells: Vec<_> = row.cells.iter().map(|c| String::from_utf8_lossy(c)).collect();
                let problem = row.problem.map(|why| format!(" ! {why}")).unwrap_or_default();
                all.push(format!("{}: {}{problem}", row.line, cells.join("·")));
            }
            Err(failure) => {
                let message = failure.message.replace(&path.display().to_string(), "FILE");
                all.push(format!("! {message}"));
                return all;
            }
        }
    }
}

#[test]
fn csv_of_every_system_is_read_and_nothing_is_passed_over() {
    let table: [(&[u8], &[&str]); 13] = [
        (b"a,b\n1,2\n3,4", &["2: 1·2", "3: 3·4"]),
        (b"\xef\xbb\xbfa;b\r\n1;2\r\n\r\n3;4\r\n", &["2: 1·2", "4: 3·4"]),
        (b"a\tb\r1\t2\r3\t4\r", &["2: 1·2", "3: 3·4"]),
        (b"a|b\n\"1|x\"|\"say \"\"so\"\"\"\n", &["2: 1|x·say \"so\""]),
        (b"\"a,1\";b\n1;2\n", &["2: 1·2"]),
        (b"a,b\n\"1\n2\",3\n4,5\n", &["2: 1\n2·3", "4: 4·5"]),
        (b"a,b\n5\" pipe,2\n", &["2: 5\" pipe·2"]),
        (b"a,b\n,\n\"\"\n", &["2: ·", "3:  ! it has 1 cells, and the header has 2"]),
        (
            b"a,b\n1\n1,2,3\n",
            &[
                "2: 1 ! it has 1 cells, and the header has 2",
                "3: 1·2·3 ! it has 3 cells, and the header has 2",
            ],
        ),
        (
            b"a,b\n1,2\n3,\"4\n5,6\n",
            &[
                "2: 1·2",
                "! FILE, line 3: the quote that opens here does not close; what stands behind it is in no row",
            ],
        ),
        (
            b"a,b\n1,\"x\n2,\"y\n",
            &[
                "! FILE, line 2: text stands behind a quote that closes: a quote that is meant is written twice, and a cell \
             that has one is in quotes",
            ],
        ),
        (b"a,b\n", &[]),
        (b"a,b", &[]),
    ];
    for (bytes, want) in table {
        assert_eq!(read(bytes), want, "{:?}", String::from_utf8_lossy(bytes));
    }
    let long = [b"a,b\n1,\"".as_slice(), &b"x\n".repeat(50_000)].concat();
    assert_eq!(read(&long), ["! FILE, line 2: the quote that opens here does not close within 64 KiB"]);
    let long = [b"a,b\n1,".as_slice(), &b"x".repeat(70_000)].concat();
    assert_eq!(read(&long), ["! FILE, line 2: the row is longer than 64 KiB"]);
}

#[test]
fn an_object_on_each_line_keeps_its_digits() {
    let lines =
        b"{\"a\": 12345678901234567890123, \"b\": 1.50}\n\n{\"a\": null, \"b\": \"x\"}\nnope\n{\"a\": {}}\n";
    let read = read(lines);
    assert_eq!(read[..2], ["1: 12345678901234567890123·1.50", "3: ·x"]);
    assert!(read[2].starts_with("4:  ! it is no object of JSON: "), "{read:?}");
    assert_eq!(read[3], "5:  ! a is an object or a list; allowed is a text or a number");
}

#[test]
fn what_is_no_file_of_rows_is_named() {
    let table: [(&[u8], &str); 8] = [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\x1f\x8b\x08\x00", "is compressed by gzip"),
        (b"PK\x03\x04rest", "is a ZIP archive, as workbooks of Excel are"),
        (b"\xff\xfea\x00,\x00", "is written in UTF-16"),
        (b"a,b\n\x00\x01", "is no text"),
        (b"[{\"a\": 1}]", "is a list of JSON; an object on each line is read"),
        (b"alone\n1\n", "has no , ; tab or | in its first line, so its columns cannot be told"),
    ];
    for (bytes, want) in table {
        let read = read(bytes);
        assert!(read.len() == 1 && read[0].ends_with(want), "{read:?}, not {want}");
    }
}

/// From any place behind a row the same rows come.
#[test]
fn a_file_is_gone_on_with_where_it_was_left() {
    let (_dir, path) = file(b"\xef\xbb\xbfa;b\r\n1;\"2\r\n2\"\r\n\r\n3;4\r\n5;6");
    let open = || Rows::open(&path, None).expect("opened");
    let mut rows = open();
    assert_eq!((rows.form, rows.size), (Form::Csv(b';'), Some(28)));
    let mut all = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        all.push(row);
    }
    assert_eq!(all.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 5, 6]);
    for n in 0..all.len() {
        let mut rows = open();
        rows.go_on(&path, all[n].end).expect("gone on");
        let mut rest = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            rest.push((row.line, row.cells));
        }
        let want: Vec<_> = all[n + 1..].iter().map(|row| (row.line, row.cells.clone())).collect();
        assert_eq!(rest, want);
    }
}

//! A database of one's own on the ClickHouse of `make engines`, dropped at the end.

use crate::place::Place;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

/// The tables of the product, without queues: nothing reads topics into them.
const FILES: [&str; 3] = [
    include_str!("../../../deploy/clickhouse/init/002_early_tables.sql"),
    include_str!("../../../deploy/clickhouse/init/003_mvp_event_tables.sql"),
    include_str!("../../../deploy/clickhouse/init/007_use_of_caps.sql"),
];

/// A database of one's own.
pub(crate) struct ClickHouse {
    host: String,
    user: String,
    password: String,
    pub(crate) name: String,
}

impl ClickHouse {
    /// Its name is nobody else's; nothing is made yet.
    pub(crate) fn unmade() -> Self {
        let own = tempfile::Builder::new().prefix("tfx_cli_").rand_bytes(10).tempdir().expect("a name");
        let name = own.path().file_name().and_then(|n| n.to_str()).expect("a name").to_lowercase();
        let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/engines/env"));
        let file = std::env::var_os("TFX_ENGINES").map_or_else(default, PathBuf::from);
        let text = fs::read_to_string(&file).unwrap_or_else(|e| {
            panic!(
                "{}: {e}: run `make engines` first: it brings up the real engines that this test needs",
                file.display()
            )
        });
        let of = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_else(|| panic!("no {name} in {}", file.display())).to_owned()
        };
        let url = of("CLICKHOUSE_HTTP_URL");
        let host = url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("a host").to_owned();
        Self { host, user: of("CLICKHOUSE_USER"), password: of("CLICKHOUSE_PASSWORD"), name }
    }

    /// With the tables of the product.
    pub(crate) fn new() -> Self {
        let new = Self::unmade();
        new.ask("default", &format!("CREATE DATABASE {}", new.name));
        for file in FILES {
            let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with("--")).collect();
            for statement in lines.join("\n").split(";\n").map(str::trim) {
                if !statement.is_empty() && !statement.starts_with("USE ") {
                    new.run(statement.trim_end_matches(';'));
                }
            }
        }
        new
    }

    /// Lines that are typed there work with it.
    pub(crate) fn at(&self, place: &mut Place) {
        place.set("EVENT_BROKERS", "127.0.0.1:1");
        place.set("CLICKHOUSE_HTTP_URL", &format!("http://{}/", self.host));
        place.set("CLICKHOUSE_USER", &self.user);
        place.set("CLICKHOUSE_PASSWORD", &self.password);
        place.set("CLICKHOUSE_DATABASE", &self.name);
    }

    /// Clicks of these numbers, in three months, with a sale for each tenth.
    pub(crate) fn fill(&self, from: u64, many: u64) {
        self.run(&format!(
            "INSERT INTO click_events (click_id, at, kind, country, subs, cost, event, _offset)
             SELECT toString(number), toDateTime64('2026-09-01 00:00:00', 3, 'UTC') + toIntervalSecond(number * 900 % 7776000),
                 'click', ['DE', 'FR'][number % 2 + 1], [toString(number % 7)], number / 100,
                 concat('{{\"ip\":\"192.0.2.', toString(number % 256), '\"}}', repeat('x', 200)), number
             FROM numbers({from}, {many})"
        ));
        self.run(&format!(
            "INSERT INTO conversion_events (conversion_id, version, created_at, destination_id, status, revenue)
             SELECT toString(number), 1, toDateTime64('2026-10-05 00:00:00', 3, 'UTC'), 'dst', 'sale', 5
             FROM numbers({from}, {many}) WHERE number % 10 = 0"
        ));
    }

    /// All that reports are made of.
    pub(crate) fn counts(&self) -> String {
        ["click_events", "conversion_events", "conversion_use"]
            .map(|t| self.run(&format!("SELECT count(), sum(cityHash64(*)) FROM {t} FINAL")))
            .join(" ")
    }

    /// What a statement answers.
    pub(crate) fn run(&self, statement: &str) -> String {
        self.ask(&self.name, statement)
    }

    /// The same where the database may not be there yet.
    pub(crate) fn run_or(&self, statement: &str, otherwise: &str) -> String {
        match self.answer(&self.name, statement) {
            Ok((status, body)) if status.contains(" 200 ") => body.trim_end().to_owned(),
            _ => otherwise.to_owned(),
        }
    }

    fn ask(&self, database: &str, statement: &str) -> String {
        let (status, body) = self.answer(database, statement).expect("ClickHouse answers");
        assert!(status.contains(" 200 "), "{statement}: {status}: {body}");
        body.trim_end().to_owned()
    }

    fn answer(&self, database: &str, statement: &str) -> std::io::Result<(String, String)> {
        let Self { host, user, password, .. } = self;
        let mut server = TcpStream::connect(host)?;
        write!(
            server,
            "POST /?database={database} HTTP/1.1\r\nHost: {host}\r\nX-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {password}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{statement}",
            statement.len()
        )?;
        let mut text = Vec::new();
        server.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        let _ = self.answer("default", &format!("DROP DATABASE IF EXISTS {}", self.name));
    }
}

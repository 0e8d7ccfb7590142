//! A statement with its values: what users say is never part of its text.

use clickhouse::query::Query;
use tfx_domain::{Timestamp, event::TestTraffic};

/// A value that is bound.
#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(i64),
}

/// A statement and the values of its question marks, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// A statement of a file, in which a question mark is only that.
    pub(crate) fn verbatim(text: &str) -> Self {
        Self::new(text.replace('?', "??"))
    }

    /// More of the statement, our own words only; each question mark in it is bound next.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// The value of the next question mark.
    pub(crate) fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.values.push(Value::Text(value.into()));
        self
    }

    /// The value of the next question mark, as a list.
    pub(crate) fn texts(&mut self, values: Vec<String>) -> &mut Self {
        self.values.push(Value::Texts(values));
        self
    }

    /// The value of the next question mark.
    pub(crate) fn number(&mut self, value: i64) -> &mut Self {
        self.values.push(Value::Number(value));
        self
    }

    /// A condition on a column of times: it is at or after (`>=`), or before (`<`), a millisecond.
    pub(crate) fn at(&mut self, column: &str, comparison: &str, ms: i64) -> &mut Self {
        self.push(" AND ").push(column).push(" ").push(comparison);
        self.push(" fromUnixTimestamp64Milli(toInt64(?), 'UTC')").number(ms)
    }

    /// Another statement after it.
    pub(crate) fn then(&mut self, other: Self) -> &mut Self {
        self.text.push_str(&other.text);
        self.values.extend(other.values);
        self
    }

    pub(crate) fn query(self, client: &clickhouse::Client) -> Query {
        self.values.into_iter().fold(client.query(&self.text), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Texts(texts) => query.bind(texts),
            Value::Number(number) => query.bind(number),
        })
    }
}

/// A literal of ClickHouse's SQL, where no value can be bound.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The condition on rows of tests.
pub(crate) const fn tests(test: TestTraffic) -> &'static str {
    match test {
        TestTraffic::Exclude => " AND NOT test",
        TestTraffic::Include => "",
        TestTraffic::Only => " AND test",
    }
}

/// The first millisecond not before `at`: a stored millisecond is at or after `at` exactly if it is at or after this.
/// Within what an id can say.
pub(crate) fn ceil_ms(at: Timestamp) -> i64 {
    let ms = at.as_millisecond();
    // as_millisecond cuts towards zero.
    let ms = if at.subsec_nanosecond() % 1_000_000 > 0 { ms + 1 } else { ms };
    ms.clamp(0, 1 << 48)
}

//! ClickHouse.

use crate::{Secret, source::Reader, vars};

/// ClickHouse.
#[derive(Debug, Clone)]
pub struct ClickHouse {
    /// `CLICKHOUSE_HTTP_URL`: may carry credentials.
    pub url: Secret,
}

impl ClickHouse {
    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.secret(&vars::CLICKHOUSE_HTTP_URL).map(|url| Self { url })
    }
}

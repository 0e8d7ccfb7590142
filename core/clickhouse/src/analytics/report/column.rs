//! The value of each dimension: how the server computes it, and its text.

use super::ReportTable;
use crate::sql::Sql;
use smol_str::{SmolStr, format_smolstr};
use tfx_domain::report::{Dimension, hour_label, weekday_label};

/// Where a dimension's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DimensionColumn {
    /// A column of texts, or an expression of such columns.
    Text(&'static str),
    /// The click's network, or who reported a conversion.
    Network,
    /// One of the list in `subs`, from 1.
    Sub(u8),
    /// The status of a conversion; empty for clicks.
    Status,
    /// Whether it was a bot.
    Bot,
    /// Local time, as a number that has the digits of its text, and the offset in seconds plus 100000:
    /// 2026013114 103600.
    Hour,
    /// 20260131.
    Day,
    /// 202605.
    Week,
    /// 202601.
    Month,
    /// 0 to 23.
    HourOfDay,
    /// 1, Monday, to 7.
    Weekday,
}

impl DimensionColumn {
    pub(super) fn of(dimension: Dimension) -> Self {
        match dimension {
            Dimension::DecidingCampaign => {
                Self::Text("if(deciding_campaign_id = '', campaign_id, deciding_campaign_id)")
            }
            Dimension::Network => Self::Network,
            Dimension::Sub(n) => Self::Sub(n),
            Dimension::Status => Self::Status,
            Dimension::Bot => Self::Bot,
            Dimension::Hour => Self::Hour,
            Dimension::Day => Self::Day,
            Dimension::Week => Self::Week,
            Dimension::Month => Self::Month,
            Dimension::HourOfDay => Self::HourOfDay,
            Dimension::Weekday => Self::Weekday,
            // All others are facts, whose columns have their names.
            fact => Self::Text(fact.fact().map_or("''", |f| f.name)),
        }
    }

    /// The expression to group by. Numbers group faster than texts. `local_` is the local time, in UTC.
    pub(super) fn select(self, sql: &mut Sql, source: ReportTable) {
        match self {
            Self::Text(name) => drop(sql.push(name)),
            Self::Network => drop(sql.push(source.network)),
            Self::Sub(n) => drop(sql.push(&format!("subs[{n}]"))),
            Self::Status if source.has_status => drop(sql.push("status")),
            Self::Status => drop(sql.push("''")),
            Self::Bot => drop(sql.push("toUInt8(is_bot)")),
            Self::Hour => {
                sql.push(
                    "(toUInt64(toYYYYMMDD(local_, 'UTC')) * 100 + toHour(local_, 'UTC')) * 1000000 + 100000",
                );
                sql.push(" + dateDiff('second', ").push(source.at).push(", local_)");
            }
            Self::Day => drop(sql.push("toYYYYMMDD(local_, 'UTC')")),
            Self::Week => {
                sql.push("toUInt32(toISOYear(local_, 'UTC')) * 100 + toISOWeek(local_, 'UTC')");
            }
            Self::Month => drop(sql.push("toYYYYMM(local_, 'UTC')")),
            Self::HourOfDay => drop(sql.push("toHour(local_, 'UTC')")),
            Self::Weekday => drop(sql.push("toDayOfWeek(local_, 0, 'UTC')")),
        }
    }

    /// What the server gives for the text of a time; none if it is no such text.
    pub(super) fn number(self, text: &str) -> Option<u64> {
        let digits = |text: &str| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            digits.parse::<u64>().ok()
        };
        match self {
            Self::Day | Self::Week | Self::Month | Self::HourOfDay => digits(text),
            Self::Weekday => digits(text.get(..1)?),
            Self::Hour => {
                let (hour, offset) = text.split_at_checked("2026-01-31T14".len())?;
                let (sign, offset) = (offset.get(3..4)?, offset.get(4..)?);
                let parts = offset.split(':').map(|part| part.parse::<u64>().ok()).zip([3_600, 60, 1]);
                let seconds = parts.map(|(part, unit)| Some(part? * unit)).sum::<Option<u64>>()?;
                let offset = if sign == "-" { 100_000_u64.checked_sub(seconds)? } else { 100_000 + seconds };
                Some(digits(hour)? * 1_000_000 + offset)
            }
            _ => None,
        }
    }

    /// The text of what the server gives for it.
    pub(super) fn text(self, value: &str) -> SmolStr {
        let part = |from: usize, to: usize| value.get(from..to).unwrap_or_default();
        match self {
            Self::Text(_) | Self::Network | Self::Sub(_) | Self::Status => SmolStr::new(value),
            Self::Bot => SmolStr::new_static(if value == "1" { "true" } else { "false" }),
            Self::Hour => {
                let number = |text: &str| text.parse().unwrap_or(0);
                let date = format_args!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8)).to_string();
                hour_label(date, i64::from(number(part(8, 10))), number(part(10, 16)) - 100_000)
            }
            Self::Day => format_smolstr!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8)),
            Self::Week => format_smolstr!("{}-W{}", part(0, 4), part(4, 6)),
            Self::Month => format_smolstr!("{}-{}", part(0, 4), part(4, 6)),
            Self::HourOfDay => format_smolstr!("{value:0>2}"),
            Self::Weekday => weekday_label(value.parse().unwrap_or(0)),
        }
    }
}

//! Room on a disk: how much is free, how much is wanted, and how long it lasts.

use rustix::fs::statvfs;
use std::{fmt, io, path::Path};

/// What a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes that are free for this user.
    pub(crate) bytes: u64,
    /// Bytes in all.
    pub(crate) of_bytes: u64,
    /// Files that can still be made.
    pub(crate) files: u64,
    /// Files in all; 0: they are not counted.
    pub(crate) of_files: u64,
}

/// Asks for the room where `path` is. A file system that is away (NFS) may keep it for long: not to be awaited on a thread of
/// the runtime.
///
/// # Errors
/// It cannot be asked.
pub(crate) fn at(path: &Path) -> io::Result<Room> {
    let disk = statvfs(path)?;
    Ok(Room {
        bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        of_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
        files: disk.f_favail,
        of_files: disk.f_files,
    })
}

/// So much, or such a part of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    Bytes(u64),
    Percent(u64),
}

impl Amount {
    /// In bytes, of so many.
    pub(crate) fn of(self, all: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(part) => {
                u64::try_from(u128::from(all) * u128::from(part) / 100).unwrap_or(u64::MAX)
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&shown(*bytes)),
            Self::Percent(part) => write!(f, "{part}%"),
        }
    }
}

/// `5%`, `512M`, `2GiB`, `1T`; a number alone is of bytes.
///
/// # Errors
/// It is none.
pub(crate) fn amount(text: &str) -> Result<Amount, String> {
    let form = || "must be a part (5%) or a size (512M, 2GiB, 1T)".to_owned();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: u64 = digits.parse().map_err(|_| form())?;
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "%" if number <= 100 => return Ok(Amount::Percent(number)),
        "" => 0,
        "K" | "k" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(form()),
    };
    number.checked_mul(1 << shift).map(Amount::Bytes).ok_or_else(form)
}

/// `1.5 GiB`.
pub(crate) fn shown(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// How long something of a rate in bytes a second lasts, in hours; none: nothing goes.
pub(crate) fn hours(bytes: u64, rate: f64) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let hours = bytes as f64 / rate / 3_600.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is finite and small")]
    (hours.is_finite() && hours < 1e6).then_some(hours as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_wanted_in_parts_or_sizes() {
        for (text, want) in [
            ("5%", Some(Amount::Percent(5))),
            ("0", Some(Amount::Bytes(0))),
            ("512M", Some(Amount::Bytes(512 << 20))),
            ("2GiB", Some(Amount::Bytes(2 << 30))),
            ("2GB", Some(Amount::Bytes(2 << 30))),
            ("101%", None),
            ("", None),
            ("G", None),
            ("-1", None),
            ("5 %", None),
            ("99999999999T", None),
        ] {
            assert_eq!(amount(text).ok(), want, "{text}");
        }
        assert_eq!((Amount::Percent(5).of(1_000), Amount::Bytes(7).of(1_000)), (50, 7));
        assert_eq!(Amount::Percent(100).of(u64::MAX), u64::MAX);
    }

    #[test]
    fn what_does_not_go_lasts_for_no_known_time() {
        assert_eq!((hours(7_200, 1.0), hours(7_200, 0.0), hours(0, 1.0)), (Some(2), None, Some(0)));
    }
}

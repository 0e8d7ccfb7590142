//! One record: how an event lies in a segment. The layout is in the module header of `journal`.

use smol_str::SmolStr;
use std::ops::Range;
use tfx_domain::event::{Event, Topic};

/// Bytes before the part that `length` counts: length and checksum.
const PREFIX: usize = 8;
/// Bytes of sequence, time, topic and the two lengths.
const FIXED: usize = 8 + 8 + 3;
/// Smallest record.
pub(crate) const SMALLEST: usize = PREFIX + FIXED;
/// Largest `length`. The top byte of the field is always 0, which no JSON text and no id contains: the bytes inside
/// a record never look like the start of one.
pub(crate) const MAX_LENGTH: usize = (1 << 24) - 1;

/// An event ready to be framed; its sizes are known to fit.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    topic: Topic,
    id: SmolStr,
    key: SmolStr,
    payload: Vec<u8>,
}

/// Why an event has no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("the event has no JSON: {0}")]
    Json(String),
    #[error("the event has {0} bytes, more than the journal takes at once ({MAX_LENGTH})")]
    TooLarge(usize),
}

impl Encoded {
    pub(crate) fn of(event: &Event) -> Result<Self, EncodeError> {
        let payload = event.to_json().map_err(|e| EncodeError::Json(e.to_string()))?;
        Self::new(event.topic(), event.id(), event.key(), payload)
    }

    pub(crate) fn new(
        topic: Topic,
        id: SmolStr,
        key: SmolStr,
        payload: Vec<u8>,
    ) -> Result<Self, EncodeError> {
        let encoded = Self { topic, id, key, payload };
        let longest = encoded.id.len().max(encoded.key.len());
        if encoded.size() - PREFIX > MAX_LENGTH || longest > usize::from(u8::MAX) {
            return Err(EncodeError::TooLarge(encoded.size()));
        }
        Ok(encoded)
    }

    /// Bytes of the record.
    pub(crate) fn size(&self) -> usize {
        SMALLEST + self.id.len() + self.key.len() + self.payload.len()
    }

    /// Appends the record; [`stamp`] fills in what is known only when it is written.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        out.reserve(self.size());
        let length = u32::try_from(self.size() - PREFIX).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 4 + 8 + 8]);
        let short = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[self.topic.code(), short(&self.id), short(&self.key)]);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(&self.payload);
    }
}

/// Gives each record in `records` its sequence, the time (milliseconds) and its checksum. Returns how many there are.
pub(crate) fn stamp(records: &mut [u8], first: u64, at: i64) -> u64 {
    let mut rest = records;
    let mut sequence = first;
    while let Some(length) = u32_at(rest, 0) {
        let (record, after) = rest.split_at_mut(PREFIX + length as usize);
        record[8..16].copy_from_slice(&sequence.to_le_bytes());
        record[16..24].copy_from_slice(&at.to_le_bytes());
        let crc = crc32fast::hash(&record[PREFIX..]);
        record[4..8].copy_from_slice(&crc.to_le_bytes());
        sequence += 1;
        rest = after;
    }
    sequence - first
}

/// A record of a buffer that was framed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framed<'a> {
    pub(crate) topic: Topic,
    pub(crate) id: &'a str,
    pub(crate) payload: &'a [u8],
}

/// Each record of a buffer that was framed here, in order.
pub(crate) fn framed(mut records: &[u8]) -> impl Iterator<Item = Framed<'_>> {
    std::iter::from_fn(move || {
        let (record, rest) = records.split_at_checked(PREFIX + u32_at(records, 0)? as usize)?;
        records = rest;
        let id_end = SMALLEST + usize::from(*record.get(25)?);
        let key_end = id_end + usize::from(*record.get(26)?);
        Some(Framed {
            topic: Topic::from_code(*record.get(24)?)?,
            id: std::str::from_utf8(record.get(SMALLEST..id_end)?).ok()?,
            payload: record.get(key_end..)?,
        })
    })
}

/// A record found in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View<'a> {
    pub(crate) sequence: u64,
    pub(crate) at: i64,
    pub(crate) topic: Topic,
    pub(crate) id: &'a str,
    pub(crate) key: &'a str,
    /// Where the payload is, from the record's first byte.
    pub(crate) payload: Range<usize>,
    /// Bytes of the record.
    pub(crate) size: usize,
}

/// Why there is no record at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It would be this long, and the bytes end before.
    Short(usize),
    /// These bytes are no record.
    Broken,
}

/// The record at the start of `bytes`, if it is whole and its sequence is one of `expected`.
pub(crate) fn parse<'a>(bytes: &'a [u8], expected: &Range<u64>) -> Result<View<'a>, Bad> {
    let length = u32_at(bytes, 0).ok_or(Bad::Short(SMALLEST))? as usize;
    if !(FIXED..=MAX_LENGTH).contains(&length) {
        return Err(Bad::Broken);
    }
    let size = PREFIX + length;
    // Asked before the checksum: it tells almost every wrong place from a record at once.
    let sequence = u64_at(bytes, 8).ok_or(Bad::Short(size))?;
    if !expected.contains(&sequence) {
        return Err(Bad::Broken);
    }
    let record = bytes.get(..size).ok_or(Bad::Short(size))?;
    if u32_at(record, 4) != Some(crc32fast::hash(&record[PREFIX..])) {
        return Err(Bad::Broken);
    }
    let topic = Topic::from_code(record[24]).ok_or(Bad::Broken)?;
    let key_start = SMALLEST + usize::from(record[25]);
    let payload = key_start + usize::from(record[26])..size;
    let text = |r: Range<usize>| record.get(r).and_then(|b| std::str::from_utf8(b).ok()).ok_or(Bad::Broken);
    let id = text(SMALLEST..key_start)?;
    let key = text(key_start..payload.start)?;
    let at = u64_at(record, 16).map_or(0, u64::cast_signed);
    Ok(View { sequence, at, topic, id, key, payload, size })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(id: &str, key: &str, payload: &[u8]) -> Vec<u8> {
        let encoded =
            Encoded::new(Topic::ClickEvents, id.into(), key.into(), payload.to_vec()).expect("fits");
        let mut out = Vec::new();
        encoded.push(&mut out);
        assert_eq!(out.len(), encoded.size());
        out
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_went_in(id in "\\PC{0,60}", key in "\\PC{0,60}", payload: Vec<u8>, first in 1u64..1 << 60) {
            let mut bytes = framed(&id, &key, &payload);
            bytes.extend(framed("b", "", b"{}"));
            let all: Vec<_> = super::framed(&bytes).map(|r| (r.id.to_owned(), r.payload.to_vec())).collect();
            prop_assert_eq!(all, [(id.clone(), payload.clone()), ("b".to_owned(), b"{}".to_vec())]);
            prop_assert_eq!(stamp(&mut bytes, first, 77), 2);
            let view = parse(&bytes, &(first..first + 2)).expect("whole");
            prop_assert_eq!((view.sequence, view.at, view.id, view.key), (first, 77, id.as_str(), key.as_str()));
            prop_assert_eq!(&bytes[view.payload.clone()], &payload[..]);
            prop_assert_eq!(parse(&bytes[view.size..], &(0..u64::MAX)).expect("whole").sequence, first + 1);
            prop_assert_eq!(parse(&bytes, &(first + 1..u64::MAX)), Err(Bad::Broken), "a sequence of another place");
        }

        #[test]
        fn one_changed_bit_is_noticed(payload in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = framed("id", "key", &payload);
            stamp(&mut bytes, 5, 1);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(parse(&bytes, &(0..u64::MAX)).is_err());
        }

        #[test]
        fn no_bytes_make_parsing_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes, &(0..u64::MAX));
        }
    }

    #[test]
    fn a_record_that_is_cut_says_how_long_it_would_be() {
        let mut bytes = framed("id", "key", b"{}");
        stamp(&mut bytes, 1, 1);
        for end in 0..bytes.len() {
            let expected = if end < 4 { SMALLEST } else { bytes.len() };
            assert_eq!(parse(&bytes[..end], &(0..9)), Err(Bad::Short(expected)), "{end}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = "x".repeat(256);
        let new = |id: &str, payload| Encoded::new(Topic::ClickEvents, id.into(), "k".into(), payload);
        assert!(matches!(new(&long, vec![]), Err(EncodeError::TooLarge(_))));
        assert!(matches!(new("id", vec![0; MAX_LENGTH]), Err(EncodeError::TooLarge(_))));
        assert!(new("id", vec![0; MAX_LENGTH - FIXED - 3]).is_ok());
        assert!(new("id", vec![0; MAX_LENGTH - FIXED - 2]).is_err());
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(parse(&[0; 100], &(0..u64::MAX)), Err(Bad::Broken));
    }
}

//! The id of a request: taken from `X-Request-Id` or made. It stands in the request's own header when a handler
//! sees it, in the answer and in the log line.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

/// The header.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request that [`crate::serve`] has handed over.
pub fn of(headers: &HeaderMap) -> &str {
    headers.get(HEADER).and_then(|v| v.to_str().ok()).unwrap_or("")
}

/// Leaves the header's value if it is 1 to 64 visible ASCII characters, else puts a new id there; returns it.
pub(crate) fn ensure(headers: &mut HeaderMap) -> HeaderValue {
    if let Some(value) = headers.get(HEADER)
        && (1..=64).contains(&value.len())
        && value.as_bytes().iter().all(u8::is_ascii_graphic)
    {
        return value.clone();
    }
    let value = make();
    headers.insert(HEADER, value.clone());
    value
}

/// 16 hexadecimal digits: 8 of the process, 8 counting. Unique enough for logs, and it costs one allocation.
fn make() -> HeaderValue {
    static PROCESS: LazyLock<u32> = LazyLock::new(|| (tfx_ports::entropy::random_u128() >> 96) as u32);
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = (u64::from(*PROCESS) << 32) | u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut text = [0; 16];
    for (i, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(id >> (60 - 4 * i)) as usize & 15];
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usable_id_is_taken_and_any_other_replaced() {
        let long = "x".repeat(64);
        for good in ["a", "req-1/2:3", long.as_str()] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(good).expect("value"));
            assert_eq!(ensure(&mut headers), good);
        }
        let too_long = "x".repeat(65);
        for bad in [b"".as_slice(), b"a b", b"\xff\xfe", too_long.as_bytes()] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(bad).expect("value"));
            let made = ensure(&mut headers);
            assert_eq!(made.len(), 16, "{made:?}");
            assert_eq!(of(&headers), made);
        }
    }

    #[test]
    fn made_ids_differ() {
        assert_ne!(make(), make());
    }
}

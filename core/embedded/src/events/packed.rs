//! Whole events as they lie in `bodies`: JSON; of what strangers left, the names of its fields and their usual values
//! packed, since they are most of it. A packed one begins with [`MARK`], which no JSON does.

use std::borrow::Cow;

/// The first byte of a packed body. Another dictionary needs another mark.
const MARK: u8 = 1;

/// What is not written again. It never changes: what was packed with it could not be read any more.
const DICTIONARY: &[u8] = br#"{"schema":1,"id":"01K","at":"2026-11-20T10:00:00.","network":"acme","network_id":"net_","template":"","remote_ip":"192.0.2.1","method":"POST","params":[["click_id","{click_id}"],["payout","1.00"],["status","sale"],["txid","1"]],"result":"rejected","reason":"the secret is not the network's","reason":"the network is paused","reason":"the network is archived","reason":"there is no such template","reason":"there is no such network","status":403}{"schema":1,"click_id":"01K","at":"2026-11-20T10:00:00.","outcome":"not_found","request":"prefetch","request":"head","request":"visit","country":"DE","region":"BE","device_type":"mobile","os":"Android","browser":"Chrome","device_type":"unknown","device_type":"desktop","os":"Windows","browser":"Firefox","is_bot":true,"is_bot":false,"campaign_slug":"summer","visitor_id":"","ip":"192.0.2.1","continent":"EU","asn":1,"user_agent":"curl/8","user_agent":"Mozilla/5.0 (","referrer":"https://www.","params":[["sub1",""],["utm_source",""]],"bot_reason":"user agent","unique_campaign":false,"unique_stream":false,"unique_destination":false,"final_url":"https://","status":302,"bound":false,"config_revision":1}"#;

/// A body that takes less room, if it does.
pub(super) fn pack(json: &[u8]) -> Cow<'_, [u8]> {
    let Ok(length) = u16::try_from(json.len()) else { return Cow::Borrowed(json) };
    let mut packed = vec![MARK];
    packed.extend(length.to_le_bytes());
    packed.extend(lz4_flex::block::compress_with_dict(json, DICTIONARY));
    if packed.len() < json.len() { Cow::Owned(packed) } else { Cow::Borrowed(json) }
}

/// The JSON of a body.
///
/// # Errors
/// It is damaged.
pub(crate) fn unpack(body: &[u8]) -> Result<Cow<'_, [u8]>, lz4_flex::block::DecompressError> {
    let [MARK, low, high, packed @ ..] = body else { return Ok(Cow::Borrowed(body)) };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    lz4_flex::block::decompress_with_dict(packed, length, DICTIONARY).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_what_it_was() {
        let json =
            br#"{"schema":1,"click_id":"01K00000000000000000000000","at":"2026-01-01T00:00:00.123456Z"}"#;
        let packed = pack(json);
        assert!(packed.len() < json.len() * 2 / 3 && packed[0] == MARK, "{} bytes", packed.len());
        assert_eq!(unpack(&packed).expect("whole").as_ref(), json);
        // What does not become smaller, or is too long, stays as it is.
        for plain in [b"{}".to_vec(), vec![b'{'; 70_000], Vec::new()] {
            assert_eq!(pack(&plain).as_ref(), plain);
            assert_eq!(unpack(&plain).expect("plain").as_ref(), plain);
        }
        for end in 3..packed.len() {
            assert!(unpack(&packed[..end]).map_or(true, |j| j.as_ref() != json), "cut short at {end}");
        }
    }
}

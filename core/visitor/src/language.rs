//! The language a visitor likes best, from `Accept-Language`.

use smol_str::{SmolStr, StrExt as _};

/// The tag with the highest weight, the first of equals, lower-case. None if there is none.
pub(crate) fn preferred(header: &[u8]) -> Option<SmolStr> {
    let text = std::str::from_utf8(header).ok()?;
    let mut best: Option<(&str, u32)> = None;
    // Nobody speaks more languages than that; somebody may send more.
    for entry in text.split(',').take(32) {
        let (tag, params) = entry.split_once(';').unwrap_or((entry, ""));
        let tag = tag.trim();
        let well_formed = (2..=35).contains(&tag.len())
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && tag.as_bytes()[0].is_ascii_alphabetic();
        let weight = weight(params);
        if well_formed && weight > best.map_or(0, |(_, w)| w) {
            best = Some((tag, weight));
        }
    }
    best.map(|(tag, _)| tag.to_ascii_lowercase_smolstr())
}

/// `q=0.8` in thousandths; 1000 if it is not said or not a weight.
fn weight(params: &str) -> u32 {
    let said = params.split(';').find_map(|p| p.trim().strip_prefix("q="));
    let weight = said.and_then(|q| q.trim().parse::<f32>().ok()).filter(|q| (0.0..=1.0).contains(q));
    weight.map_or(1000, |q| (q * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_weight_wins_and_garbage_is_passed_over() {
        let table = [
            ("en-US,en;q=0.9,de;q=0.8", Some("en-us")),
            ("de;q=0.5, fr;q=0.9, en;q=0.8", Some("fr")),
            ("*, de;q=0.1", Some("de")),
            ("en;q=0, de;q=0.1", Some("de")),
            ("zh-Hant-TW", Some("zh-hant-tw")),
            ("en;q=x", Some("en")),
            ("<script>, de", Some("de")),
            (",,;q=1,", None),
            ("*", None),
            ("", None),
        ];
        for (header, want) in table {
            assert_eq!(preferred(header.as_bytes()).as_deref(), want, "{header}");
        }
        assert_eq!(preferred(b"\xff"), None);
    }
}

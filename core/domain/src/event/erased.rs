//! What stays of an event when the person it tells of is erased: what the house did, and nothing of him.

use super::{ClickDims, PostbackLogEvent};
use crate::postback::Conversion;
use rustc_hash::FxHashSet;

impl ClickDims {
    /// Which campaign, stream, destination, source and network it was, whether it was a bot or a test; nothing else.
    #[must_use]
    pub fn without_person(&self) -> Self {
        Self {
            campaign_id: self.campaign_id.clone(),
            deciding_campaign_id: self.deciding_campaign_id.clone(),
            stream_id: self.stream_id.clone(),
            destination_id: self.destination_id.clone(),
            source_id: self.source_id.clone(),
            network_id: self.network_id.clone(),
            is_bot: self.is_bot,
            test: self.test,
            ..Self::default()
        }
    }
}

impl Conversion {
    /// The money, whose it is and how it stands; of its click only [`ClickDims::without_person`].
    #[must_use]
    pub fn without_person(&self) -> Self {
        Self { click: self.click.without_person(), ..self.clone() }
    }
}

impl PostbackLogEvent {
    /// Which network, when, and what became of it; nothing of what it said or was answered. `addresses`: those that are
    /// not kept as where it came from.
    #[must_use]
    pub fn without_person(&self, addresses: &[String]) -> Self {
        let his = addresses.iter().any(|a| *a == self.remote_ip);
        Self {
            params: Vec::new(),
            reason: String::new(),
            url: String::new(),
            answer: String::new(),
            body: String::new(),
            remote_ip: if his { "".into() } else { self.remote_ip.clone() },
            ..self.clone()
        }
    }
}

/// Ids and addresses of a person, as they may stand in what others wrote.
#[derive(Debug, Clone, Default)]
pub struct PersonNames(FxHashSet<String>);

impl PersonNames {
    /// Those of these texts that are not empty.
    pub fn new<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self(texts.into_iter().map(Into::into).filter(|text| !text.is_empty()).collect())
    }

    /// Whether one of them stands in it, whole: `10.0.0.1` does not stand in `110.0.0.12`.
    pub fn stand_in(&self, text: &[u8]) -> bool {
        let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':');
        let known = |word: &[u8]| std::str::from_utf8(word).is_ok_and(|word| self.0.contains(word));
        let words = text.split(|b| !part(b)).filter(|word| !word.is_empty());
        !self.0.is_empty()
            && words.into_iter().any(|word| {
                let edge = |b: &u8| matches!(b, b'.' | b':');
                let from = word.iter().position(|b| !edge(b)).unwrap_or(0);
                let until = word.iter().rposition(|b| !edge(b)).map_or(word.len(), |at| at + 1);
                known(word)
                    || known(word.get(from..until).unwrap_or_default())
                    || word.split(|b| !b.is_ascii_alphanumeric()).any(known)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::JsonType;

    #[test]
    fn of_a_click_only_ids_of_the_house_and_two_marks_stay() {
        let full: ClickDims = serde_json::from_value(serde_json::json!({
            "campaign_id": "cmp_0000000000000000001", "deciding_campaign_id": "cmp_0000000000000000002",
            "stream_id": "str_0000000000000000001", "destination_id": "dst_0000000000000000001",
            "source_id": "src_0000000000000000001", "network_id": "net_0000000000000000001",
            "country": "DE", "region": "BE", "city": "Berlin", "isp": "x", "connection_type": "cellular",
            "device_type": "mobile", "os": "iOS", "browser": "Safari", "language": "de", "referrer_host": "a.example",
            "keyword": "shoes", "subs": ["one"], "is_bot": true, "test": true,
        }))
        .expect("facts");
        let left = serde_json::to_value(full.without_person()).expect("JSON");
        let before = serde_json::to_value(&full).expect("JSON");
        for field in ClickDims::FIELDS {
            let stays = matches!(field.json, JsonType::Id(_) | JsonType::Mark);
            let same = left[field.name] == before[field.name];
            assert_eq!(same, stays, "{}: {left}", field.name);
        }
        assert_eq!(full.without_person().without_person(), full.without_person());
    }

    #[test]
    fn a_name_is_found_where_it_stands_whole() {
        let names = PersonNames::new(["10.0.0.1", "2001:db8::1", "00000000000000000000000000c0ffee", ""]);
        for text in [
            "10.0.0.1",
            r#"{"ip":"10.0.0.1"}"#,
            "a=1&ip=10.0.0.1&b=2",
            "from 10.0.0.1.",
            "[2001:db8::1]:443",
            "v:00000000000000000000000000c0ffee",
            "x_00000000000000000000000000c0ffee_y",
        ] {
            assert!(names.stand_in(text.as_bytes()), "{text}");
        }
        for text in
            ["", "110.0.0.1", "10.0.0.12", "2001:db8::11", "c0ffee", "00000000000000000000000000c0ffeee"]
        {
            assert!(!names.stand_in(text.as_bytes()), "{text}");
        }
        assert!(!PersonNames::default().stand_in(b"anything"));
    }
}

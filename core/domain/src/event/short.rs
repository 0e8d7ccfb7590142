//! The short form of what was refused: a stranger decides how much he sends, not how much of it is kept.

use super::{ClickDims, ClickEvent, PostbackLogEvent};
use smol_str::SmolStr;

/// Most parameters.
const PARAMS: usize = 2;
/// Longest name of a parameter, bytes.
const NAME: usize = 12;
/// Longest value and any other text, bytes.
const VALUE: usize = 16;
/// Longest slug, bytes.
const SLUG: usize = 32;
/// Longest reason, bytes.
const REASON: usize = 128;

impl ClickEvent {
    /// What is kept of a request for which there is no campaign: who asked for what, and little more.
    pub(crate) fn shorten(&mut self) {
        clip_small(&mut self.campaign_slug, SLUG);
        clip(&mut self.user_agent, VALUE);
        clip(&mut self.referrer, VALUE);
        clip(&mut self.final_url, SLUG);
        self.external_id.clear();
        for text in [&mut self.device_model, &mut self.os_version, &mut self.browser_version] {
            *text = SmolStr::default();
        }
        clip_small(&mut self.bot_reason, VALUE);
        self.shorten_facts();
        self.params.truncate(PARAMS);
        for (name, value) in &mut self.params {
            clip_small(name, NAME);
            clip(value, VALUE);
        }
    }
}

impl ClickEvent {
    /// Facts that are not named here go.
    fn shorten_facts(&mut self) {
        let facts = std::mem::take(&mut self.dims);
        self.dims = ClickDims {
            campaign_id: facts.campaign_id,
            deciding_campaign_id: facts.deciding_campaign_id,
            stream_id: facts.stream_id,
            destination_id: facts.destination_id,
            source_id: facts.source_id,
            network_id: facts.network_id,
            country: facts.country,
            region: facts.region,
            device_type: facts.device_type,
            os: facts.os,
            browser: facts.browser,
            is_bot: facts.is_bot,
            test: facts.test,
            ..ClickDims::default()
        };
        clip_small(&mut self.dims.os, VALUE);
        clip_small(&mut self.dims.browser, VALUE);
    }
}

impl PostbackLogEvent {
    /// What is kept of a postback that may not speak for a network: enough to see whose it was meant to be.
    pub fn shorten(&mut self) {
        clip_small(&mut self.network, SLUG);
        clip_small(&mut self.template, VALUE);
        let is_cut = self.reason.len() > REASON;
        clip(&mut self.reason, REASON);
        if is_cut {
            self.reason.push('…');
        }
        self.params.truncate(2 * PARAMS);
        for (name, value) in &mut self.params {
            clip(name, NAME);
            clip(value, VALUE);
        }
    }
}

/// What JSON has to escape goes: a control character would take six bytes.
fn clip(text: &mut String, max: usize) {
    text.truncate(text.floor_char_boundary(max));
    text.retain(|c| !c.is_control() && c != '"' && c != '\\');
}

fn clip_small(text: &mut SmolStr, max: usize) {
    let mut clipped = text.to_string();
    clip(&mut clipped, max);
    if clipped.len() < text.len() {
        *text = clipped.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    /// Bytes of an event of a stranger, at most; most of them are names of fields, ids and times, which the embedded store
    /// packs.
    const CEILING: usize = 700;

    #[test]
    fn what_a_stranger_leaves_is_a_few_hundred_bytes_whatever_he_sends() {
        for text in ["x", "é", "\"", "\u{1}", "日本"] {
            let long = text.repeat(5000);
            let mut click: ClickEvent = serde_json::from_value(serde_json::json!({
                "schema": 1, "click_id": "01K00000000000000000000000", "at": "2026-01-01T00:00:00.123456Z",
                "visitor_id": "f".repeat(32), "device_type": "desktop", "is_bot": true, "status": 404,
                "config_revision": 1_000_000, "outcome": "not_found", "campaign_slug": long, "ip": "2001:db8::1:2:3:4",
                "user_agent": long, "referrer": long, "external_id": long, "final_url": long, "bot_reason": long,
                "device_model": long, "os_version": long, "browser_version": long, "connection_type": long,
                "language": long, "referrer_host": long, "keyword": long, "city": long, "isp": long, "os": long,
                "browser": long, "subs": vec![&long; 20], "params": vec![(&long, &long); 64],
            }))
            .expect("a click");
            click.shorten();
            let size = Event::Click(Box::new(click)).to_json().expect("json").len();
            assert!(size < CEILING, "{size} bytes of {text:?}");

            let mut postback: PostbackLogEvent = serde_json::from_value(serde_json::json!({
                "schema": 1, "id": "01K00000000000000000000000", "at": "2026-01-01T00:00:00.123456Z", "network": long,
                "template": long, "remote_ip": "2001:db8::1:2:3:4", "method": "POST", "result": "rejected",
                "reason": long, "status": 404, "params": vec![(&long, &long); 64],
            }))
            .expect("a postback");
            postback.shorten();
            let size = Event::PostbackLog(Box::new(postback)).to_json().expect("json").len();
            assert!(size < CEILING, "{size} bytes of {text:?}");
        }
    }
}

//! The line of the postback log of an attempt.

use super::{mask::masked, outcome::Outcome};
use crate::masks::Masks;
use tfx_domain::{
    entity::Source,
    event::{PostbackDirection, PostbackLogEvent, PostbackResult, SCHEMA},
    id::ClickId,
    tell::{Message, Tell},
};
use tfx_ports::{clock, entropy};

/// The longest reason.
const REASON: usize = 1024;

/// What an attempt was about.
pub(super) struct Line<'a> {
    pub(super) tell: &'a Tell,
    /// None: it is gone.
    pub(super) source: Option<&'a Source>,
    /// Its key in the queue.
    pub(super) key: &'a str,
    /// From 1; 0: none was made.
    pub(super) attempt: u32,
    /// Somebody tries it.
    pub(super) test: bool,
}

impl Line<'_> {
    /// It was sent.
    pub(super) fn sent(
        &self,
        message: &Message,
        outcome: &Outcome,
        latency: u32,
        masks: &Masks,
    ) -> PostbackLogEvent {
        let reason = masks.masked(&outcome.reason);
        PostbackLogEvent {
            method: message.method.into(),
            result: outcome.result,
            status: outcome.status,
            latency_ms: Some(latency),
            url: masked(&masks.masked(&message.url)),
            answer: masks.masked(&outcome.answer),
            ..self.dead(&reason)
        }
    }

    /// It was given up.
    pub(super) fn dead(&self, why: &str) -> PostbackLogEvent {
        let (at, conversion) = (clock::now(), &self.tell.conversion);
        PostbackLogEvent {
            schema: SCHEMA,
            id: ClickId::generate(at, entropy::random_u128()),
            at,
            network: "".into(),
            network_id: None,
            template: "".into(),
            remote_ip: "".into(),
            method: "".into(),
            params: Vec::new(),
            result: PostbackResult::Dead,
            reason: why[..why.floor_char_boundary(REASON)].to_owned(),
            status: 0,
            click_id: Some(conversion.click_id),
            conversion_id: Some(conversion.id.clone()),
            conversion_status: Some(conversion.status.clone()),
            revenue: Some(conversion.revenue),
            test: self.test || conversion.click.test,
            direction: PostbackDirection::Out,
            source: self.source.map(|s| s.spec.slug.as_str().into()).unwrap_or_default(),
            source_id: Some(self.tell.source.clone()),
            job: self.key.to_owned(),
            attempt: u16::try_from(self.attempt).unwrap_or(u16::MAX),
            latency_ms: None,
            url: String::new(),
            answer: String::new(),
        }
    }
}

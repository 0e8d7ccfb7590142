//! The line of the postback log of an attempt.

use super::{mask::Hidden, outcome::Outcome};
use crate::masks::Masks;
use tfx_domain::{
    entity::Source,
    event::{PostbackDirection, PostbackLogEvent, PostbackResult, SCHEMA},
    id::ClickId,
    source_postback::{Message, SourcePostback},
};
use tfx_ports::{clock, entropy};

/// The longest reason.
const REASON: usize = 1024;

/// What an attempt was about.
pub(super) struct Line<'a> {
    pub(super) tell: &'a SourcePostback,
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
        let hidden = Hidden::of(self.source.map(|s| &s.spec), &self.tell.conversion.status);
        let mut reason = hidden.text(&masks.masked(&outcome.reason));
        let mut note = |said: &str| {
            let then = if reason.is_empty() { "" } else { "; " };
            reason += &format!("{then}{said}");
        };
        if !message.empty.is_empty() {
            note(&format!("empty: {}", message.empty.join(", ")));
        }
        if !outcome.ended {
            note("its answer was left open, which holds up what it is told next");
        }
        PostbackLogEvent {
            method: message.method.into(),
            result: outcome.result,
            status: outcome.status,
            latency_ms: Some(latency),
            url: hidden.url(&masks.masked(&message.url)),
            answer: hidden.answer(&masks.masked_beginning(&outcome.answer)),
            body: hidden.body(&masks.masked(&message.body), message.content_type),
            ..self.dead(&reason)
        }
    }

    /// It is not told, and rightly so.
    pub(super) fn left(&self, result: PostbackResult, why: &str) -> PostbackLogEvent {
        PostbackLogEvent { result, ..self.dead(why) }
    }

    /// It was given up.
    pub(super) fn dead(&self, why: &str) -> PostbackLogEvent {
        let conversion = &self.tell.conversion;
        PostbackLogEvent {
            click_id: Some(conversion.click_id),
            conversion_id: Some(conversion.id.clone()),
            conversion_status: Some(conversion.status.clone()),
            revenue: Some(conversion.revenue),
            test: self.test || conversion.click.test,
            source: self.source.map(|s| s.spec.slug.as_str().into()).unwrap_or_default(),
            source_id: Some(self.tell.source.clone()),
            attempt: u16::try_from(self.attempt).unwrap_or(u16::MAX),
            ..given_up(self.key, why)
        }
    }
}

/// Of a job that cannot be read: what its key says.
pub(super) fn unread(key: &str, why: &str) -> PostbackLogEvent {
    let mut parts = key.split('/');
    let (source, conversion) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    PostbackLogEvent {
        source_id: source.parse().ok(),
        conversion_id: conversion.parse().ok(),
        ..given_up(key, why)
    }
}

fn given_up(key: &str, why: &str) -> PostbackLogEvent {
    let at = clock::now();
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
        click_id: None,
        conversion_id: None,
        conversion_status: None,
        revenue: None,
        test: false,
        direction: PostbackDirection::Out,
        source: "".into(),
        source_id: None,
        job: key.to_owned(),
        attempt: 0,
        latency_ms: None,
        url: String::new(),
        answer: String::new(),
        body: String::new(),
    }
}

//! postback-service.

use crate::{source::Reader, vars};
use std::{str::FromStr, time::Duration};

/// What happens to a postback whose click is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LookupFailure {
    /// It is kept and tried again until its click arrives.
    #[default]
    Park,
    /// It is answered 404.
    Reject,
}

impl FromStr for LookupFailure {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "park" => Ok(Self::Park),
            "reject" => Ok(Self::Reject),
            _ => Err(()),
        }
    }
}

/// postback-service.
#[derive(Debug, Clone)]
pub struct PostbackSettings {
    /// `CLICK_LOOKUP_TIMEOUT_MS`.
    pub lookup_timeout: Duration,
    /// `CLICK_LOOKUP_FAILURE_POLICY`.
    pub lookup_failure: LookupFailure,
    /// `POSTBACK_PARK_MAX_AGE_S`.
    pub park_max_age: Duration,
    /// `POSTBACK_PARK_RETRY_MS`.
    pub park_retry: Duration,
}

impl PostbackSettings {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        Self {
            lookup_timeout: r.millis(&vars::CLICK_LOOKUP_TIMEOUT_MS, 1, 60_000),
            lookup_failure: r.parse(&vars::CLICK_LOOKUP_FAILURE_POLICY),
            park_max_age: Duration::from_secs(r.number(&vars::POSTBACK_PARK_MAX_AGE_S, 1, 31_536_000)),
            park_retry: r.millis(&vars::POSTBACK_PARK_RETRY_MS, 10, 3_600_000),
        }
    }
}

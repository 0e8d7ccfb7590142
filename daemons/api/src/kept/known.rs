//! What is known of everything that grows, whatever there is of it: when it goes, by which setting, and what makes an end of it.

use crate::{
    alerts::look::{DEAD, LOG_DAYS},
    app::App,
};
use std::time::Duration;
use tfx_api::retention::GrowingKind;
use tfx_domain::Timestamp;
use tfx_ports::histories::Grows;

/// A day.
pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// How long dead jobs of postbacks are kept; postback-service does it by itself.
pub(super) const DEAD_POSTBACKS: Duration = Duration::from_secs(30 * 86_400);
pub(super) const AUDIT: &str = "AUDIT_TTL_DAYS";
pub(super) const HEALTH: &str = "HEALTH_HISTORY_TTL_DAYS";
pub(super) const EVENTS: &str = "ANALYTICS_TTL_DAYS";
pub(super) const API: &str = "api-service";
const POSTBACK: &str = "postback-service";
pub(super) const NEVER: &str = "never";

/// What is known of something that grows, however much there is.
pub(super) struct Known {
    what: &'static str,
    ends: String,
    days: Option<u32>,
    setting: &'static str,
    command: &'static str,
    deletes: &'static str,
}

impl Known {
    /// Kept for so many days, as a setting says; none: for ever.
    pub(super) fn by_setting(what: &'static str, days: Option<u32>, setting: &'static str) -> Self {
        let ends = days.map_or_else(|| NEVER.to_owned(), after);
        Self { what, ends, days, setting, command: "", deletes: API }
    }

    /// Kept for so many days, whatever settings say.
    fn by_itself(what: &'static str, days: u32) -> Self {
        let ends = format!("{}, by itself", after(days));
        Self { what, ends, days: Some(days), setting: "", command: "", deletes: API }
    }

    /// Kept until something happens.
    pub(super) fn until(what: &'static str, ends: &str, setting: &'static str) -> Self {
        Self { what, ends: ends.to_owned(), days: None, setting, command: "", deletes: API }
    }

    /// The command that makes an end of it, and what deletes it.
    pub(super) fn ended_by(self, command: &'static str, deletes: &'static str) -> Self {
        Self { command, deletes, ..self }
    }

    /// With how much there is.
    pub(super) fn kind(self, store: &str, rows: Option<u64>, oldest: Option<Timestamp>) -> GrowingKind {
        let Self { what, ends, days, setting, command, deletes } = self;
        GrowingKind {
            what: what.to_owned(),
            store: store.to_owned(),
            ends,
            days,
            setting: setting.to_owned(),
            command: command.to_owned(),
            deletes: deletes.to_owned(),
            rows,
            bytes: None,
            oldest,
        }
    }
}

fn after(days: u32) -> String {
    format!("after {}", for_people(DAY * days))
}

/// In the largest unit of which there are whole ones.
pub(super) fn for_people(time: Duration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s >= 60 && s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// What is known of it here.
pub(super) fn of(app: &App, grows: Grows) -> Known {
    let settings = &app.settings;
    let days = |time: Duration| u32::try_from(time.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX);
    let dead = days(DEAD_POSTBACKS);
    match grows {
        Grows::Conversions => {
            Known::until("conversions", "never: they are money", "").ended_by("", "nothing")
        }
        Grows::Audit => Known::by_setting("audit log", settings.audit_ttl_days, AUDIT),
        Grows::Versions => Known::until("versions of entities", "never: each revision can be put back", "")
            .ended_by("", "nothing"),
        Grows::HealthHistory => {
            Known::by_setting("health of destinations", settings.health_history_ttl_days, HEALTH)
        }
        Grows::AlertLog => {
            let days = u32::try_from(LOG_DAYS).unwrap_or(u32::MAX);
            Known::by_itself("log of alerts", days)
        }
        Grows::Parked => {
            let most = for_people(settings.postback.park_max_age);
            let ends = format!("when their click comes, after {most} at most");
            Known::until("parked postbacks", &ends, "POSTBACK_PARK_MAX_AGE_S").ended_by("", POSTBACK)
        }
        Grows::Unmatched => Known::by_itself("unmatched postbacks", dead)
            .ended_by("tfx postback retry --result unmatched", POSTBACK),
        Grows::SourcePostbacks => Known::until("postbacks to sources", "when told, or given up", "")
            .ended_by("tfx postback retry ID", POSTBACK),
        Grows::SourcePostbacksDead => Known::by_itself("dead postbacks to sources", dead)
            .ended_by("tfx postback retry --dead", POSTBACK),
        Grows::AlertsDead => {
            Known::by_itself("dead notices of alerts", days(DEAD)).ended_by("tfx alert retry --dead", API)
        }
        Grows::Expiring => {
            let settings = "AUTH_SESSION_TTL_HOURS, AUTH_OTP_TTL_SECONDS";
            Known::until("logins, idempotency keys", "when their time is over", settings)
        }
        Grows::Told => {
            Known::until("what sources were told", "never: each is told once", "").ended_by("", "nothing")
        }
        Grows::Erased => {
            let ends = "when topics hold it no more, after 30 days at the earliest";
            Known::until("who was erased, as hashes", ends, "")
                .ended_by("tfx retention apply", "tfx erase --again, tfx retention apply")
        }
    }
}

//! The one source of time. The domain takes time as an argument; whoever calls it asks here.

use std::time::SystemTime;
use tfx_domain::Timestamp;

/// Now, to the millisecond: what is stored is what was decided with.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system clock")]
pub fn now() -> Timestamp {
    let ms = Timestamp::now().as_millisecond();
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Now, as exactly as the system tells it: for traces, where steps of microseconds are told apart. Nothing is decided with it.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system clock")]
pub fn precise() -> SystemTime {
    SystemTime::now()
}

//! The one source of time. The domain takes time as an argument; whoever calls it asks here.

use tfx_domain::Timestamp;

/// Now, to the millisecond: what is stored is what was decided with.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system clock")]
pub fn now() -> Timestamp {
    let ms = Timestamp::now().as_millisecond();
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

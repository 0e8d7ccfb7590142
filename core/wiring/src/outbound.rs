//! The client for requests to servers of others.

use tfx_outbound::{Outbound, OutboundConfig};
use tfx_settings::Settings;

/// The client, as the settings allow it; `per_host` is the most requests to one host and port at the same time.
pub fn outbound(settings: &Settings, per_host: usize) -> Outbound {
    Outbound::new(&OutboundConfig {
        allow_private: settings.outbound_allow_private,
        per_host,
        name_servers: Vec::new(),
        user_agent: concat!("TraffoFlex/", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

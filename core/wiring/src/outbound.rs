//! The client for requests to servers of others.

use tfx_outbound::{Outbound, OutboundConfig};
use tfx_settings::Settings;

/// Most requests to one host and port at the same time: many destinations may share a host.
const PER_HOST: usize = 8;

/// The client, as the settings allow it.
pub fn outbound(settings: &Settings) -> Outbound {
    Outbound::new(&OutboundConfig {
        allow_private: settings.outbound_allow_private,
        per_host: PER_HOST,
        name_servers: Vec::new(),
        user_agent: concat!("TraffoFlex/", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

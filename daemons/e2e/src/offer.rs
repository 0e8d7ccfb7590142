//! What most flows begin with: services that are ready, a network whose sales they report, and a destination of it.

use crate::{Service, Services};
use serde_json::json;
use tfx_domain::entity::Kind;

impl Services {
    /// Starts all of them, and waits until they are ready.
    ///
    /// # Panics
    /// One does not become ready.
    pub async fn start_all(&mut self) {
        for service in Service::ALL {
            self.start(service);
            self.until_ready(service, |status, _| status == 200).await;
        }
    }

    /// The network `adnet`, and its destination `offer`, which is told the click and whose clicks may have several sales: the secret
    /// of the network.
    ///
    /// # Panics
    /// The API refuses.
    pub async fn offer(&self) -> String {
        let api = self.api();
        let network =
            api.create(Kind::Network, &json!({ "slug": "adnet", "name": "N" })).await.expect("a network");
        let url = "https://offer.example/?click_id={click_id}";
        let offer =
            json!({ "slug": "offer", "name": "O", "url": url, "network": "adnet", "allow_upsell": true });
        api.create(Kind::Destination, &offer).await.expect("a destination");
        network["postback_secret"].as_str().expect("a secret").to_owned()
    }
}

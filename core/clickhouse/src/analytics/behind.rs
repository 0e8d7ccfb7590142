//! Whether the server has read from the log what is in it.

use crate::{client::Client, sql::Sql};
use std::{collections::HashMap, time::Duration};
use tfx_domain::event::Topic;
use tfx_ports::{StoreError, event_log::EventLog, ingestion::Lag};
use tokio::time::sleep;

/// Pause between looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until the server has taken every click that is in the log now. True if it has every conversion too.
pub(super) async fn caught_up(client: &Client, log: &dyn EventLog, groups: &str) -> Result<bool, StoreError> {
    let mut ends: Option<HashMap<i32, i64>> = None;
    loop {
        let lag = log.lag(groups, &[Topic::ClickEvents]).await?;
        let ends = ends.get_or_insert_with(|| lag.iter().map(|l| (l.partition, l.end)).collect());
        let behind = |l: &Lag| ends.get(&l.partition).is_some_and(|end| l.taken.unwrap_or(0) < *end);
        if !lag.iter().any(behind) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    handed_on(client).await?;
    // Where nothing was read yet, none of them is there either.
    let conversions = log.lag(groups, &[Topic::ConversionEvents]).await;
    Ok(conversions.is_ok_and(|lag| lag.iter().all(|l| l.messages() == 0)))
}

/// Waits until servers of a cluster have handed what they read to those that keep it.
async fn handed_on(client: &Client) -> Result<(), StoreError> {
    if client.cluster.is_none() {
        return Ok(());
    }
    let under_way = format!(
        "SELECT sum(data_files) FROM {} WHERE database = {}",
        client.system("distribution_queue", true),
        client.own()
    );
    loop {
        let files: Vec<u64> = client.all("look for rows under way", Sql::verbatim(&under_way)).await?;
        if files.iter().all(|files| *files == 0) {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

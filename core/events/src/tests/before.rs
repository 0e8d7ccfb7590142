//! A journal that a program of before left is delivered, and goes on.

use super::{TestSink, click, config, folder, until};
use crate::{FailurePolicy, Producer};
use std::{fs, sync::Arc, time::Duration};
use tfx_domain::event::{ClickEvent, ConversionEvent, PostbackLogEvent, Topic};

/// A segment of before: ten events of four topics, as they stood on disk.
const SEGMENT: &[u8] = include_bytes!("samples/00000000000000000001.seg");

#[tokio::test]
async fn a_journal_of_before_is_delivered_from_where_it_was_and_goes_on() {
    let (dir, sink) = (folder(), Arc::<TestSink>::default());
    fs::write(dir.path().join("00000000000000000001.seg"), SEGMENT).expect("a segment");
    let next = 3_u64.to_le_bytes();
    let cursor = [&next[..], &crc32fast::hash(&next).to_le_bytes()].concat();
    fs::write(dir.path().join("cursor"), cursor).expect("a cursor: two events were delivered");
    let producer = Producer::open(config(dir.path(), FailurePolicy::FailOpen), sink.clone()).expect("opens");
    producer.publish_durable(&[click(7)]).await.expect("room");
    until("all are delivered", || sink.ids().len() == 9).await;
    let taken = sink.taken.lock().expect("lock").clone();
    let known: Vec<_> = taken
        .iter()
        .map(|e| {
            let json = &e.payload[..];
            let read = match e.topic {
                Topic::ClickEvents | Topic::TrafficbackEvents => {
                    serde_json::from_slice::<ClickEvent>(json).map(|c| c.click_id.to_string())
                }
                Topic::ConversionEvents => {
                    serde_json::from_slice::<ConversionEvent>(json).map(|c| c.click_id.to_string())
                }
                _ => serde_json::from_slice::<PostbackLogEvent>(json)
                    .map(|p| p.click_id.map_or_else(|| p.id.to_string(), |c| c.to_string())),
            };
            assert_eq!(read.expect("an event that is still read"), e.key, "{}", e.id);
            e.id.as_str()
        })
        .collect();
    assert_eq!(
        known[..8],
        [
            "01KGCAA780HVX59GYE4G0YC7J8",
            "01KGCAWH60RJD8X1BBTJZ8TDR1",
            "01KGCBEV40641M28NT722HSVN4",
            "cnv_1kgcgc59rty6mdf0tc5.1",
            "01KGCCKF000000000000000004",
            "01KGCDR2W06QRMTXB56Z9QT64M",
            "cnv_1kgcg53q095s7cp7eky.1",
            "01KGCEWPR00000000000000008",
        ]
    );
    producer.close(Duration::from_secs(5)).await;
}

//! What is left of a person in the folder of a journal.

use super::*;
use std::fs;

/// Files in which a text stands.
fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let all = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    let holds = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).expect("a file");
        bytes.windows(text.len()).any(|w| w == text.as_bytes())
    };
    all.filter(|p| p.is_file() && holds(p))
        .map(|p| p.file_name().expect("a name").to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn what_is_delivered_of_a_person_leaves_the_disk_and_the_others_go_on() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    let (his, mut events) = (format!("{:032x}", 3), clicks(4));
    b.sink.mood().refused = [events[2].id().to_string(), events[3].id().to_string()].into();
    for event in &events {
        b.producer.publish(event).await.expect("room");
    }
    until("delivered", || b.producer.stats().outbox_depth_events == 0).await;
    until("refused", || b.producer.stats().refused_waiting == 2).await;
    fs::write(b.dir.path().join("1-16.damaged"), format!("xx {his} xx")).expect("write");
    let mut found = files_with(b.dir.path(), &his);
    found.sort();
    assert_eq!(found.len(), 3, "a segment, refused.jsonl, what is damaged: {found:?}");

    let counted = b.producer.erase(vec![his.clone()], true).await.expect("counted");
    assert_eq!((counted.refused, files_with(b.dir.path(), &his).len()), (1, 3), "counting removes nothing");
    let erased = b.producer.erase(vec![his.clone()], false).await.expect("erased");
    assert_eq!(erased, counted);
    assert_eq!(erased.left, ["1-16.damaged"]);
    assert_eq!(files_with(b.dir.path(), &his), ["1-16.damaged"]);
    assert_eq!(b.producer.stats().refused_waiting, 1, "the other one stays");
    assert_eq!(b.producer.erase(vec![his], false).await.expect("again").refused, 0);

    // What comes after goes the same way, in its order, also over a new start.
    b.sink.mood().refused.clear();
    b.sink.mood().down = true;
    let later: Vec<Event> = (5..10).map(click).collect();
    for event in &later {
        b.producer.publish(event).await.expect("room");
    }
    let Bench { dir, disk: _, sink, producer } = b;
    producer.erase(Vec::new(), false).await.expect("what waits stays");
    producer.close(Duration::from_millis(50)).await;
    sink.mood().down = false;
    let producer = Producer::open(config(dir.path(), FailurePolicy::FailOpen), sink.clone()).expect("opens");
    until("all delivered", || producer.stats().outbox_depth_events == 0).await;
    events.truncate(2);
    assert_eq!(sink.ids(), [ids(&events), ids(&later)].concat());
}

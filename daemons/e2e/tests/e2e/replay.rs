//! `tfx bench --replay` with the services killed in the middle: what was answered is in the report, once.

use serde_json::Value;
use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tfx_api::Client;
use tfx_e2e::{Up, every_click, free_addresses, program, totals};

const LINES: u64 = 1500;
const RATE: u64 = 500;

/// Requests of many people and machines, some of them bots, each with a number of its own.
fn write_log(path: &Path) {
    let agents = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "curl \\\"quoted\\\" \u{fc}",
        "-",
    ];
    let referrers = ["-", "https://news.example/?q=1", "http://\u{fc}ber.example/"];
    let line = |n: u64| {
        let i = usize::try_from(n).expect("small");
        let (agent, referrer) = (agents[i % agents.len()], referrers[i % referrers.len()]);
        let (a, b, method) = (n % 250, n / 250 + 1, if n.is_multiple_of(9) { "HEAD" } else { "GET" });
        let query = format!("n={n}&sub1=%C3%A4%ff&keyword=red+shoes");
        format!(
            "203.0.{b}.{a} - - [17/May/2026:10:05:03 +0000] \"{method} /page?{query} HTTP/1.1\" 200 20 \"{referrer}\" \"{agent}\"\n"
        )
    };
    fs::write(path, (0..LINES).map(line).collect::<String>()).expect("write the log");
}

/// The services stay at their addresses when they are started again.
fn settings([api, traffic, postback]: &[String; 3]) -> [(&str, &str); 4] {
    [
        ("API_SERVICE_ADDR", api),
        ("TRAFFIC_SERVICE_ADDR", traffic),
        ("POSTBACK_SERVICE_ADDR", postback),
        ("TRUSTED_PROXY_CIDRS", "127.0.0.1/32"),
    ]
}

/// Waits until a third of the log is in the report, on top of what was there.
async fn a_third(client: &Client, before: usize) {
    let limit = Instant::now() + Duration::from_secs(60);
    while totals(client).await.0 < before + usize::try_from(LINES / 3).expect("small") {
        assert!(Instant::now() < limit, "the replay does not get anywhere");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_was_answered_is_in_the_report_once_though_all_was_killed_in_the_middle() {
    let dir = tempfile::tempdir().expect("dir");
    let (data, log) = (dir.path().join("data"), dir.path().join("access.log"));
    write_log(&log);
    let addresses = free_addresses();
    let settings = settings(&addresses);
    let up = Up::start(&data, &settings);
    let mut bench = program("tfx")
        .args(["bench", "--output", "json", "--concurrency", "16", "--rate", &RATE.to_string()])
        .args(["--to", up.get("demo_link"), "--replay"])
        .arg(&log)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("run tfx bench");
    // A third of it; then everything is killed and started again.
    a_third(&up.api(), 0).await;
    up.kill();
    let up = Up::start(&data, &settings);
    let out = BufReader::new(bench.stdout.take().expect("piped"));
    let lines = thread::spawn(move || out.lines().collect::<Result<Vec<_>, _>>().expect("text"));
    let status = tokio::task::spawn_blocking(move || bench.wait().expect("wait")).await.expect("ended");
    let text = lines.join().expect("read").concat();
    let summary: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert!(status.success(), "{status}: {summary}");
    let count = |name: &str| summary[name].as_u64().expect("a count");
    let (sent, answered) = (count("sent"), count("answered"));
    assert_eq!((sent, count("skipped_lines")), (LINES, 0), "{summary}");
    assert!(answered > LINES / 2 && answered < sent, "not killed in the middle: {summary}");
    assert_eq!(
        summary["by_status"].as_object().expect("map").keys().collect::<Vec<_>>(),
        ["302"],
        "{summary}"
    );

    let client = up.api();
    let settled = async || totals(&client).await.0 as u64;
    let limit = Instant::now() + Duration::from_secs(60);
    while settled().await < answered {
        assert!(Instant::now() < limit, "{answered} were answered, {} are reported", settled().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut stored: HashMap<String, u32> = HashMap::new();
    every_click(&client, |click| {
        let (_, n) = click.params.iter().find(|(name, _)| name == "n").expect("its number");
        *stored.entry(n.clone()).or_default() += 1;
        assert!(click.ip.starts_with("203.0."), "{click:?}");
    })
    .await;
    assert!(stored.values().all(|n| *n == 1), "something is stored twice: {stored:?}");
    let stored = stored.len() as u64;
    assert!((answered..=sent).contains(&stored), "answered {answered}, stored {stored}, sent {sent}");
    assert_eq!(settled().await, stored, "the report counts what is stored");
    println!("{sent} sent, {answered} answered with 302, {stored} stored, each once");
}

/// A replay at the campaign `demo` of services that are killed in the middle of it, once it asks for the report in vain.
async fn left_alone(data: &Path, log: &Path, up: Up) -> Child {
    let mut bench = program("tfx")
        .args(["bench", "--output", "json", "--rate", &RATE.to_string(), "--to", "demo", "--replay"])
        .arg(log)
        .env("TFX_DATA_DIR", data)
        .env("API_SERVICE_URL", up.get("api").trim_end_matches("/api/v1"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run tfx bench");
    let client = up.api();
    let before = totals(&client).await.0;
    a_third(&client, before).await;
    up.kill();
    let mut said = BufReader::new(bench.stderr.take().expect("piped"));
    let waits = tokio::task::spawn_blocking(move || {
        let mut lines = said.by_ref().lines().map_while(Result::ok);
        let waits = lines.any(|line| line.starts_with("no report yet"));
        // What it says later must not fill the pipe and stop it.
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        waits
    });
    assert!(waits.await.expect("read"), "it does not wait for the report");
    bench
}

/// Its exit code, and what it measured.
async fn ended(bench: Child) -> (Option<i32>, Value) {
    let wait = tokio::task::spawn_blocking(move || bench.wait_with_output().expect("wait"));
    let out = wait.await.expect("ended");
    let summary: Value = serde_json::from_slice(&out.stdout).expect("a summary");
    assert_eq!(summary["sent"], LINES, "{summary}");
    assert!(summary["latency_ms"]["p50"].is_f64(), "{summary}");
    (out.status.code(), summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_waits_for_the_report_of_services_that_died_and_tells_what_it_measured_anyhow() {
    let dir = tempfile::tempdir().expect("dir");
    let (data, log) = (dir.path().join("data"), dir.path().join("access.log"));
    write_log(&log);
    let addresses = free_addresses();
    let settings = settings(&addresses);
    // They come back: the report is asked again, and adds up.
    let bench = left_alone(&data, &log, Up::start(&data, &settings)).await;
    let up = Up::start(&data, &settings);
    let (code, summary) = ended(bench).await;
    let count = |name: &str| summary[name].as_u64().expect("a count");
    assert_eq!(code, Some(0), "{summary}");
    assert!((count("answered")..LINES).contains(&count("recorded")), "{summary}");

    // They do not, and whoever waits gives up.
    let bench = left_alone(&data, &log, up).await;
    let sent = Command::new("kill").args(["-INT", &bench.id().to_string()]).status().expect("kill");
    assert!(sent.success(), "it does not run");
    let (code, summary) = ended(bench).await;
    assert_eq!(code, Some(130), "{summary}");
    assert!(summary["answered"].as_u64() > Some(0) && summary["recorded"].is_null(), "{summary}");
}

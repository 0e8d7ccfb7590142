//! Starts that cannot be: each says what is wrong and what to do, with an exit code, and leaves what is there as it is.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};
use tfx_e2e::{Browser, Up, program};

fn refused(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("run it");
    let said = String::from_utf8(stderr).expect("text");
    assert!(!status.success() && stdout.is_empty(), "{status}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    (status.code(), said)
}

fn names(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

#[tokio::test]
async fn a_second_one_on_the_same_folder_leaves_the_first_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let folder = dir.path().to_str().expect("path");
    let up = Up::start(dir.path(), &[]);
    let (code, said) = refused(Up::command(dir.path(), &[]));
    assert_eq!(code, Some(1), "{said}");
    names(&said, &[folder, "in use by another tfx up", "TFX_DATA_DIR"]);
    for name in ["traffic-service", "postback-service", "api-service"] {
        let mut command = program(name);
        command.env("TFX_DATA_DIR", dir.path());
        let (code, said) = refused(command);
        assert_eq!(code, Some(1), "{said}");
        names(&said, &[name, folder, "in use by another tfx up", "TFX_DATA_DIR"]);
    }
    let browser = Browser::default();
    let mut people = browser.go(&up, 2);
    while browser.sales().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    browser.stop();
    while let Some(person) = people.join_next().await {
        person.expect("every answer was as it should be");
    }
    browser.reconcile(&up.api()).await;
    assert_eq!(up.terminate().0, Some(0));
}

/// A bare Debian has none; only what is behind https:// needs them.
#[tokio::test]
async fn it_works_where_the_system_knows_no_authorities() {
    let dir = tempfile::tempdir().expect("dir");
    let nowhere = dir.path().join("nowhere");
    let nowhere = nowhere.to_str().expect("path");
    let none = [("SSL_CERT_FILE", nowhere), ("SSL_CERT_DIR", nowhere)];
    let up = Up::start(&dir.path().join("data"), &none);
    let mut smoke = program("tfx");
    smoke.args(["smoke", "--stack", "embedded"]).envs(none).env("HOME", dir.path());
    let done = smoke.stdin(Stdio::null()).output().expect("run it");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stdout));
    assert_eq!(up.terminate().0, Some(0));
}

#[test]
fn a_busy_port_is_named_with_its_setting() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    for setting in ["API_SERVICE_ADDR", "TRAFFIC_SERVICE_ADDR", "POSTBACK_SERVICE_ADDR"] {
        let dir = tempfile::tempdir().expect("dir");
        let (code, said) = refused(Up::command(dir.path(), &[(setting, &address)]));
        assert_eq!(code, Some(1), "{said}");
        names(&said, &[&address, setting, "another program uses it"]);
    }
    for (name, setting) in [
        ("traffic-service", "TRAFFIC_SERVICE_ADDR"),
        ("postback-service", "POSTBACK_SERVICE_ADDR"),
        ("api-service", "API_SERVICE_ADDR"),
    ] {
        let dir = tempfile::tempdir().expect("dir");
        let mut command = program(name);
        command.env("TFX_DATA_DIR", dir.path()).env(setting, &address);
        let (code, said) = refused(command);
        assert_eq!(code, Some(1), "{said}");
        names(&said, &[&address, setting, "another program uses it"]);
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_named_with_its_setting() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("write");
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).expect("create");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).expect("chmod");
    // Nobody may write below these: a file, /proc, and, for who is not root, a folder of mode 0500.
    let mut folders = vec![file.join("below"), file, "/proc/nowhere".into()];
    if fs::write(locked.join("probe"), "").is_err() {
        folders.push(locked.clone());
    }
    for folder in &folders {
        cannot_be_used(folder);
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).expect("chmod");
}

fn cannot_be_used(folder: &Path) {
    let (code, said) = refused(Up::command(folder, &[]));
    assert_eq!(code, Some(1), "{said}");
    names(&said, &[folder.to_str().expect("path"), "cannot be used", "TFX_DATA_DIR"]);
}

#[test]
fn a_setting_that_cannot_be_used_is_a_usage_error_that_names_them_all() {
    let dir = tempfile::tempdir().expect("dir");
    let wrong = [
        ("EVENT_BATCH_SIZE", "many"),
        ("IP_STORAGE", "some"),
        ("TRAFFICBACK_URL", "https://{keyword}.example/"),
        // No value is wrong, and it does nothing: told at once too.
        ("EVENT_BATCH_TIMEOUT", "5"),
    ];
    let mut commands = vec![Up::command(dir.path(), &wrong)];
    for service in ["api-service", "traffic-service", "postback-service"] {
        let mut command = program(service);
        command.env("TFX_DATA_DIR", dir.path()).envs(wrong);
        commands.push(command);
    }
    for command in commands {
        let (code, said) = refused(command);
        assert_eq!(code, Some(2), "{said}");
        names(
            &said,
            &["EVENT_BATCH_SIZE", "'many'", "IP_STORAGE", "full, truncated or hashed", "TRAFFICBACK_URL"],
        );
        names(&said, &["EVENT_BATCH_TIMEOUT is no setting; did you mean EVENT_BATCH_TIMEOUT_MS?"]);
    }
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0, "nothing was made");
}

#[test]
fn brokers_without_clickhouse_and_the_reverse_are_a_usage_error() {
    for (set, value, unset) in [
        ("EVENT_BROKERS", "127.0.0.1:9092", "CLICKHOUSE_HTTP_URL"),
        ("CLICKHOUSE_HTTP_URL", "http://127.0.0.1:8123/", "EVENT_BROKERS"),
    ] {
        let dir = tempfile::tempdir().expect("dir");
        let wrong = format!("must be set when {set} is");
        let services = ["api-service", "traffic-service", "postback-service"].map(|name| (name, &[][..]));
        let commands = [&["up"][..], &["config", "check"], &["migrate", "status"], &["migrate", "up"]];
        for (name, args) in services.into_iter().chain(commands.map(|args| ("tfx", args))) {
            let mut command = program(name);
            command.args(args).env(set, value).env("TFX_DATA_DIR", dir.path());
            let (code, said) = refused(command);
            assert_eq!(code, Some(2), "{name} {args:?}: {said}");
            names(&said, &[unset, &wrong]);
        }
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0, "nothing was made");
    }
}

//! Where lines come from: files, standard input, the journal of systemd, Docker Compose. Each is read by a task of its own,
//! line by line, and no line is longer than [`LONGEST`].

use super::line::{Line, Origin};
use crate::{commands::stack, exit::Failure};
use serde_json::Value;
use std::{
    env, io,
    io::SeekFrom,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tfx_domain::Timestamp;
use tfx_ops::stack::{Engine, Stack};
use tokio::{
    fs::{self, File},
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncSeekExt as _, BufReader},
    process::Command,
    sync::mpsc::Sender,
    time::sleep,
};

/// More of a line is left out.
const LONGEST: usize = 1 << 20;
/// How often a file that is followed is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// The services, as they are called in compose and in units.
pub(crate) const SERVICES: [&str; 3] = ["traffic-service", "postback-service", "api-service"];

/// Where lines come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
    Journald,
    Compose,
}

/// What is wanted of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Only of this service, where the source knows.
    pub(super) service: Option<String>,
    pub(super) since: Option<Timestamp>,
    /// Go on with what is to come; without `since` only that.
    pub(super) follow: bool,
}

impl Source {
    /// The place where services of this machine log, if it is not said.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn here() -> Result<Self, Failure> {
        if Path::new("/run/systemd/system").exists() && on_path("journalctl") {
            return Ok(Self::Journald);
        }
        let folder = env::current_dir().map_err(Failure::failed)?;
        if Stack::find(Engine::Compose, &folder).is_ok() && (on_path("docker") || on_path("docker-compose")) {
            return Ok(Self::Compose);
        }
        Err(Failure::usage("neither systemd nor Docker Compose is here to tell what the services logged")
            .hint("--file PATH reads files, --file - standard input: tfx up 2>&1 | tfx logs --file -"))
    }

    /// Sends each line, until there are no more or nobody takes them.
    pub(super) async fn read(self, wanted: Wanted, lines: Sender<Line>) -> Result<(), Failure> {
        match self {
            Self::Stdin => {
                let failed = |e: io::Error| unread("standard input", &e);
                let input = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
                all(BufReader::new(File::from_std(input.into())), Line::of, &lines).await.map_err(failed)
            }
            Self::File(path) => {
                let name = path.display().to_string();
                file(&path, &wanted, &lines).await.map_err(|e| unread(&name, &e))
            }
            Self::Journald => {
                let mut command = Command::new("journalctl");
                command.args(["--output", "json", "--no-pager", "--quiet"]);
                let services = wanted.service.as_deref().map_or_else(|| SERVICES.to_vec(), |one| vec![one]);
                for service in services {
                    command.arg("--unit").arg(format!("traffoflex@{service}.service"));
                }
                if let Some(since) = wanted.since {
                    command.arg(format!("--since=@{}", since.as_second()));
                }
                if wanted.follow {
                    command.arg("--follow");
                    command.args(wanted.since.is_none().then_some("--lines=0"));
                }
                child(command, "journalctl", journal_line, &lines).await
            }
            Self::Compose => {
                let folder = env::current_dir().map_err(Failure::failed)?;
                let compose = Stack::find(Engine::Compose, &folder).map_err(stack::failed)?;
                let mut arguments = vec!["logs".to_owned(), "--no-color".to_owned()];
                if let Some(since) = wanted.since {
                    arguments.extend(["--since".to_owned(), since.to_string()]);
                }
                if wanted.follow {
                    arguments.push("--follow".to_owned());
                    if wanted.since.is_none() {
                        arguments.extend(["--tail".to_owned(), "0".to_owned()]);
                    }
                }
                match wanted.service {
                    Some(one) => arguments.push(one),
                    None => arguments.extend(SERVICES.map(str::to_owned)),
                }
                let command = compose.spoken(&arguments).await.map_err(stack::failed)?;
                child(command, "docker compose", compose_line, &lines).await
            }
        }
    }
}

fn on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn unread(what: &str, error: &io::Error) -> Failure {
    Failure::failed(format!("{what} cannot be read: {error}"))
}

/// A line of `journalctl --output json`: ours is its message.
fn journal_line(bytes: &[u8], known: Origin) -> Line {
    let Ok(entry) = serde_json::from_slice::<Value>(bytes) else { return Line::of(bytes, known) };
    let micros = entry["__REALTIME_TIMESTAMP"].as_str().and_then(|at| at.parse().ok());
    let unit = entry["_SYSTEMD_UNIT"].as_str().or_else(|| entry["UNIT"].as_str());
    let service =
        unit.map(|unit| unit.trim_start_matches("traffoflex@").trim_end_matches(".service").to_owned());
    let known = Origin { at: micros.and_then(|at| Timestamp::from_microsecond(at).ok()), service };
    match &entry["MESSAGE"] {
        Value::String(text) => Line::of(text.as_bytes(), known),
        // What is no UTF-8 stands there as numbers.
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|b| u8::try_from(b.as_u64()?).ok()).collect();
            Line::of(&bytes, known)
        }
        _ => Line::of(b"", known),
    }
}

/// A line of `docker compose logs`: `traffic-service-1  | …`.
fn compose_line(bytes: &[u8], known: Origin) -> Line {
    let bar = bytes.windows(2).position(|pair| pair == b"| ");
    let Some(bar) = bar.filter(|at| *at < 80) else { return Line::of(bytes, known) };
    let container = String::from_utf8_lossy(&bytes[..bar]).trim().to_owned();
    let service =
        SERVICES.iter().find(|s| container.contains(**s)).map_or(container.clone(), |s| (*s).to_owned());
    Line::of(&bytes[bar + 2..], Origin { service: Some(service), ..known })
}

async fn child(
    mut command: Command,
    name: &str,
    read: fn(&[u8], Origin) -> Line,
    lines: &Sender<Line>,
) -> Result<(), Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|e| Failure::failed(format!("{name} cannot be run: {e}")))?;
    if let Some(said) = child.stdout.take() {
        all(BufReader::new(said), read, lines).await.map_err(|e| unread(name, &e))?;
    }
    if lines.is_closed() {
        return Ok(());
    }
    let status = child.wait().await.map_err(Failure::failed)?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::failed(format!("{name} failed ({status})")).hint("what it said stands above")),
    }
}

/// Every line to the end.
async fn all(
    mut from: impl AsyncBufRead + Unpin,
    read: fn(&[u8], Origin) -> Line,
    lines: &Sender<Line>,
) -> io::Result<()> {
    let (mut line, mut last) = (Vec::new(), Origin::default());
    while next(&mut from, &mut line).await? != Ended::Nothing {
        if !send(read, &mut line, &mut last, lines).await {
            break;
        }
    }
    Ok(())
}

/// Sends a line; one that says no time has that of the one before. False: nobody takes it.
async fn send(
    read: fn(&[u8], Origin) -> Line,
    bytes: &mut Vec<u8>,
    last: &mut Origin,
    lines: &Sender<Line>,
) -> bool {
    let line = read(bytes, last.clone());
    bytes.clear();
    last.at = line.at;
    lines.send(line).await.is_ok()
}

/// A file from its begin, or what is to come of it: also when it is cut off, or another is put into its place.
async fn file(path: &Path, wanted: &Wanted, lines: &Sender<Line>) -> io::Result<()> {
    let mut open = File::open(path).await?;
    if !wanted.follow {
        return all(BufReader::new(open), Line::of, lines).await;
    }
    if wanted.since.is_none() {
        open.seek(SeekFrom::End(0)).await?;
    }
    let mut inode = open.metadata().await?.ino();
    let mut from = BufReader::new(open);
    let (mut line, mut last) = (Vec::new(), Origin::default());
    loop {
        match next(&mut from, &mut line).await? {
            Ended::Line => {
                if !send(Line::of, &mut line, &mut last, lines).await {
                    return Ok(());
                }
                continue;
            }
            // The rest of the line is still to come.
            Ended::Part | Ended::Nothing => {}
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = lines.closed() => return Ok(()),
        }
        // For a moment there may be none.
        let Ok(there) = fs::metadata(path).await else { continue };
        let place = from.stream_position().await?;
        if there.ino() != inode {
            // What the old one got last.
            while next(&mut from, &mut line).await? == Ended::Line {
                if !send(Line::of, &mut line, &mut last, lines).await {
                    return Ok(());
                }
            }
            let Ok(open) = File::open(path).await else { continue };
            inode = open.metadata().await?.ino();
            from = BufReader::new(open);
            line.clear();
        } else if there.len() < place {
            from.seek(SeekFrom::Start(0)).await?;
            line.clear();
        }
    }
}

/// How a read of a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// With its end.
    Line,
    /// With the end of all, within the line.
    Part,
    /// There was nothing more.
    Nothing,
}

/// Reads on to the end of the line.
async fn next(from: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<Ended> {
    let mut any = false;
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(if any { Ended::Part } else { Ended::Nothing });
        }
        any = true;
        let end = bytes.iter().position(|b| *b == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        line.extend_from_slice(&part[..part.len().min(LONGEST - line.len().min(LONGEST))]);
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(Ended::Line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wraps_a_line_tells_whose_it_is() {
        let ours =
            r#"{"timestamp":"2026-11-25T02:30:19Z","level":"INFO","service":"api-service","message":"m"}"#;
        let entry = serde_json::json!({
            "__REALTIME_TIMESTAMP": "1764037819000000", "_SYSTEMD_UNIT": "traffoflex@api-service.service", "MESSAGE": ours,
        });
        let line = journal_line(entry.to_string().as_bytes(), Origin::default());
        assert_eq!(line, Line::of(ours.as_bytes(), Origin::default()));
        let bytes = serde_json::json!({ "_SYSTEMD_UNIT": "traffoflex@api-service.service", "MESSAGE": [255, 104, 105] });
        let line = journal_line(bytes.to_string().as_bytes(), Origin::default());
        assert_eq!(line.shown(false), "api-service  \u{fffd}hi");
        for odd in ["not json", "{}", r#"{"MESSAGE":null}"#] {
            journal_line(odd.as_bytes(), Origin::default());
        }
        let line = compose_line(b"traffoflex-traffic-service-1  | panicked | here", Origin::default());
        assert_eq!(line.shown(false), "traffic-service  panicked | here");
        assert_eq!(compose_line(b"mongo-1  | x", Origin::default()).shown(false), "mongo-1  x");
    }

    #[tokio::test]
    async fn a_line_without_end_takes_no_memory_without_end() {
        let long = vec![b'x'; 3 * LONGEST];
        let mut from = BufReader::new(std::io::Cursor::new([&long[..], b"\nnext\npart"].concat()));
        let mut line = Vec::new();
        assert_eq!(next(&mut from, &mut line).await.expect("read"), Ended::Line);
        assert_eq!(line.len(), LONGEST);
        let mut rest = Vec::new();
        for (want, text) in [(Ended::Line, "next"), (Ended::Part, "part"), (Ended::Nothing, "")] {
            rest.clear();
            assert_eq!((next(&mut from, &mut rest).await.expect("read"), &rest[..]), (want, text.as_bytes()));
        }
    }
}

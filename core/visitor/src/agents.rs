//! User agents: parsed once each, on one thread of their own, and remembered. `docs/decisions/0002-user-agents.md`
//! tells why one thread: every thread that runs the expressions keeps megabytes of caches for them.

use super::{
    bots::{self, Bots, BotsError},
    device::{self, Kinds},
    hints::{Hinted, Hints},
};
use quick_cache::sync::Cache;
use serde::Deserialize;
use siphasher::sip128::{Hasher128, SipHasher13};
use smol_str::SmolStr;
use std::{
    hash::Hasher,
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};
use tfx_domain::routing::Device;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use ua_parser::{os, user_agent};

/// Distinct user agents remembered.
const REMEMBERED: usize = 10_000;
/// Longest part of a user agent that is parsed, bytes.
const PARSED: usize = 1024;
/// User agents that wait for the thread.
const WAITING: usize = 1024;
/// How long a click waits for its user agent before it goes on with what is not known.
const PATIENCE: Duration = Duration::from_secs(5);

/// The list of browsers and systems that is compiled in.
const EXPRESSIONS: &str = "uap-core 0.18.0";

/// What is known of a user agent.
#[derive(Debug, Default)]
pub struct Agent {
    /// The machine.
    pub device: Arc<Device>,
    /// Why it is a bot.
    pub bot: Option<SmolStr>,
}

/// A user agent as it was sent, with the hints beside it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SentAgent<'h> {
    /// The user agent, whatever bytes.
    pub user_agent: &'h [u8],
    /// Its hints.
    pub hints: Hints<'h>,
}

struct Job {
    user_agent: String,
    hinted: Hinted,
    answer: oneshot::Sender<Agent>,
}

/// Parses and remembers.
pub struct UserAgents {
    known: Cache<u128, Arc<Agent>>,
    key: SipHasher13,
    queue: mpsc::Sender<Job>,
    none: Arc<Agent>,
}

impl UserAgents {
    /// Starts the thread, which gets ready in the background. It ends when this is dropped.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(WAITING);
        thread::Builder::new().name("user-agents".into()).spawn({
            let span = tracing::Span::current();
            move || span.in_scope(|| work(jobs))
        })?;
        let bot = Some(SmolStr::new_static("no user agent"));
        Ok(Self {
            known: Cache::new(REMEMBERED),
            key: SipHasher13::new_with_key(&tfx_ports::entropy::random_u128().to_le_bytes()),
            queue,
            none: Arc::new(Agent { device: Arc::default(), bot }),
        })
    }

    /// What is known of a user agent; waits for the thread if it is new.
    pub async fn of(&self, said: SentAgent<'_>) -> Arc<Agent> {
        let text = said.user_agent.trim_ascii();
        if text.is_empty() || text == b"-" {
            return Arc::clone(&self.none);
        }
        let key = self.key_of(&said);
        if let Some(agent) = self.known.get(&key) {
            return agent;
        }
        let Some(agent) = self.ask(text, said.hints.read()).await else { return Arc::default() };
        let agent = Arc::new(agent);
        self.known.insert(key, Arc::clone(&agent));
        agent
    }

    fn key_of(&self, said: &SentAgent<'_>) -> u128 {
        let mut hasher = self.key;
        for part in [said.user_agent].into_iter().chain(said.hints.all()) {
            hasher.write(part);
            hasher.write(&[0xff]); // stands in no header, so no two lists of parts run into one
        }
        let hash = hasher.finish128();
        u128::from(hash.h1) << 64 | u128::from(hash.h2)
    }

    async fn ask(&self, user_agent: &[u8], hinted: Hinted) -> Option<Agent> {
        let (answer, parsed) = oneshot::channel();
        let part = &user_agent[..user_agent.len().min(PARSED)];
        let job = Job { user_agent: String::from_utf8_lossy(part).into_owned(), hinted, answer };
        let ask = async {
            self.queue.send(job).await.ok()?;
            parsed.await.ok()
        };
        timeout(PATIENCE, ask).await.ok()?
    }
}

fn work(mut jobs: mpsc::Receiver<Job>) {
    // Compiled once for the process, however often a service is started in it.
    static PARSER: LazyLock<Result<Parser, ParserError>> = LazyLock::new(Parser::new);
    if let Err(error) = &*PARSER {
        tracing::error!(%error, "user agents cannot be parsed; devices stay unknown");
    }
    while let Some(job) = jobs.blocking_recv() {
        let agent = PARSER.as_ref().map(|p| p.parse(&job.user_agent, job.hinted)).unwrap_or_default();
        let _ = job.answer.send(agent); // whoever asked may be gone
    }
}

/// The expressions, ready to run.
struct Parser {
    browsers: user_agent::Extractor<'static>,
    systems: os::Extractor<'static>,
    kinds: Kinds,
    bots: Bots,
}

#[derive(Deserialize)]
struct Expressions {
    user_agent_parsers: Vec<user_agent::Parser<'static>>,
    os_parsers: Vec<os::Parser<'static>>,
}

#[derive(Debug, thiserror::Error)]
enum ParserError {
    #[error("regexes.json: {0}")]
    Json(#[from] serde_json::Error),
    #[error("regexes.json: {0}")]
    Expression(#[from] ua_parser::Error),
    #[error("expressions of machines: {0}")]
    Kinds(#[from] regex::Error),
    #[error(transparent)]
    Bots(#[from] BotsError),
}

impl Parser {
    fn new() -> Result<Self, ParserError> {
        let given: Expressions = serde_json::from_str(include_str!("../data/uap-core/regexes.json"))?;
        let Expressions { user_agent_parsers, os_parsers } = given;
        let compiled = || -> Result<_, ua_parser::Error> {
            let browsers = user_agent::Builder::new().push_all(user_agent_parsers)?.build()?;
            Ok((browsers, os::Builder::new().push_all(os_parsers)?.build()?))
        };
        let (browsers, systems) = compiled()?;
        Ok(Self { browsers, systems, kinds: Kinds::new()?, bots: Bots::new()? })
    }

    fn parse(&self, user_agent: &str, hinted: Hinted) -> Agent {
        let mut device = Device::default();
        if let Some(b) = self.browsers.extract(user_agent) {
            device.browser = b.family.as_ref().into();
            device.browser_version = version([b.major, b.minor, b.patch]);
        }
        if let Some(o) = self.systems.extract(user_agent) {
            device.os_version = version([&o.major, &o.minor, &o.patch].map(|p| p.as_deref()));
            device.os = o.os.as_ref().into();
        }
        device::thaw(user_agent, &mut device);
        device.device_type = self.kinds.of(user_agent, &device.os);
        device.model = device::model(user_agent);
        hinted.apply(&mut device, |model| self.kinds.of_model(model));
        let bot = self.bots.reason(user_agent);
        Agent { device: Arc::new(device), bot }
    }
}

/// Names and versions of the lists by which user agents are read, for people.
pub fn lists() -> String {
    format!("{EXPRESSIONS}, {}", bots::version())
}

fn version(parts: [Option<&str>; 3]) -> SmolStr {
    let mut out = String::new();
    for part in parts.into_iter().map_while(|p| p.filter(|p| !p.is_empty())) {
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(part);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_user_agents_say_what_they_are() {
        let parser = Parser::new().expect("expressions");
        let table = [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "mobile iPhone | iOS 17.5.1 | Mobile Safari 17.5",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
                "tablet iPad | iOS 16.6 | Mobile Safari 16.6",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.6422.113 Mobile Safari/537.36",
                "mobile SM-S918B | Android 14 | Chrome Mobile 125.0.6422",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X700 Build/TP1A.220624.014) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
                "tablet SM-X700 | Android 13 | Chrome 124.0.0",
            ),
            (
                "Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 21) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
                "mobile CUBOT NOTE 21 | Android 12 | Chrome Mobile 120.0.0",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "desktop  | Windows 10 | Chrome 126.0.0",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                "desktop  | Windows 10 | Edge 126.0.0",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15",
                "desktop  | Mac OS X 10.15.7 | Safari 17.4.1",
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
                "desktop  | Ubuntu  | Firefox 127.0",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "desktop  | Chrome OS 14541.0.0 | Chrome 126.0.0",
            ),
            (
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
                "tv  | Tizen 6.0 | Safari ",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0",
                "console  | Windows 10 | Edge 120.0.0",
            ),
        ];
        for (user_agent, want) in table {
            let Agent { device: d, bot } = parser.parse(user_agent, Hinted::default());
            let got = format!(
                "{} {} | {} {} | {} {}",
                d.device_type.as_str(),
                d.model,
                d.os,
                d.os_version,
                d.browser,
                d.browser_version
            );
            assert_eq!(got, want, "{user_agent}");
            assert_eq!(bot, None, "{user_agent}");
        }
    }

    #[test]
    fn lists_of_machines_are_read_as_they_say() {
        /// The parts of each kind that must be right.
        const FLOORS: [(&str, f64); 9] = [
            ("matomo mobile", 0.97),
            ("matomo tablet", 0.86),
            ("matomo desktop", 0.96),
            ("matomo tv", 0.88),
            ("matomo console", 0.90),
            ("matomo other", 0.82),
            ("top desktop", 1.0),
            ("top mobile", 1.0),
            ("uap-core system", 0.97),
        ];
        let parser = Parser::new().expect("expressions");
        let mut counted: std::collections::BTreeMap<String, (u32, u32)> = std::collections::BTreeMap::new();
        let fixture = include_str!("../tests/fixtures/machines.tsv");
        for line in fixture.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [source, kind, system, version, user_agent] = columns[..] else { panic!("{line}") };
            let device = parser.parse(user_agent, Hinted::default()).device;
            let (group, right) = match source {
                // Versions that Apple froze are read from elsewhere here.
                "uap-core" => {
                    let right = device.os == *system && (device.os == "iOS" || device.os_version == *version);
                    ("uap-core system".to_owned(), right || (device.os.is_empty() && system == "Other"))
                }
                // Its phones are phones and tablets.
                _ => {
                    let said = device.device_type.as_str();
                    (
                        format!("{source} {kind}"),
                        said == kind || (source == "top" && kind == "mobile" && said == "tablet"),
                    )
                }
            };
            let (all, hit) = counted.entry(group.clone()).or_default();
            *all += 1;
            *hit += u32::from(right);
            if !right {
                println!(
                    "{group}: {} | {} {} | {user_agent}",
                    device.device_type.as_str(),
                    device.os,
                    device.os_version
                );
            }
        }
        for (group, (all, hit)) in &counted {
            println!("{group:16} {hit:5} of {all:5} {:6.1} %", 100.0 * f64::from(*hit) / f64::from(*all));
        }
        for (group, floor) in FLOORS {
            let (all, hit) = counted[group];
            assert!(f64::from(hit) >= floor * f64::from(all), "{group}: {hit} of {all}");
        }
    }

    #[test]
    fn the_lists_are_of_the_versions_that_are_told() {
        assert!(include_str!("../data/uap-core/README.md").contains(EXPRESSIONS));
        assert!(lists().contains("crawler-user-agents 1."), "{}", lists());
    }

    #[test]
    fn bots_and_tools_are_told_with_their_name() {
        let parser = Parser::new().expect("expressions");
        let table = [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
            (
                "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Googlebot",
            ),
            ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "Facebook"),
            ("TelegramBot (like TwitterBot)", "Telegram"),
            ("curl/8.5.0", "curl"),
            ("python-requests/2.31.0", "Python"),
            ("Go-http-client/1.1", ""),
            ("WhatsApp/2.23.20.0", ""),
            ("masscan/1.3", ""),
        ];
        for (user_agent, name) in table {
            let bot = parser
                .parse(user_agent, Hinted::default())
                .bot
                .unwrap_or_else(|| panic!("no bot: {user_agent}"));
            assert!(bot.to_lowercase().contains(&name.to_lowercase()), "{user_agent}: {bot}");
        }
    }

    #[tokio::test]
    async fn each_user_agent_is_parsed_once_and_none_at_all_is_a_bot() {
        let agents = UserAgents::start().expect("thread");
        for none in [b"".as_slice(), b"-", b"  "] {
            let said = SentAgent { user_agent: none, ..SentAgent::default() };
            assert_eq!(agents.of(said).await.bot.as_deref(), Some("no user agent"));
        }
        let user_agent =
            b"Mozilla/5.0 (Linux; Android 10; K) Chrome/126.0.0.0 Mobile Safari/537.36".as_slice();
        let said = SentAgent { user_agent, ..SentAgent::default() };
        let first = agents.of(said).await;
        assert!(Arc::ptr_eq(&first, &agents.of(said).await));
        let hints = Hints { model: b"\"Pixel 8\"", ..Hints::default() };
        let hinted = agents.of(SentAgent { user_agent, hints }).await;
        assert_eq!((hinted.device.model.as_str(), first.device.model.as_str()), ("Pixel 8", ""));
        let garbage: Vec<u8> = (0..=255).cycle().take(60_000).collect();
        let said = SentAgent { user_agent: &garbage, ..SentAgent::default() };
        agents.of(said).await;
    }
}

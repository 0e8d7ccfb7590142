//! All connections of a service: how many there may be, whose, and which are cut.
//!
//! When there is no room, the one that has been idle for the longest makes place, then the one whose head has been
//! coming for the longest; a request that is being answered never does.

use crate::{
    LogThrottle,
    budget::Budget,
    files,
    line::{Clock, Line, Phase},
    metrics::{Cut, Registry},
};
use ipnet::IpNet;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tfx_settings::HttpSettings;
use tokio::task::AbortHandle;

/// How long a client that sends no more may wait for its answer; it may be gone.
const HALF_CLOSED: Duration = Duration::from_secs(5);
/// How long the end of what a client sends is kept from whoever reads its body: all of it may be here, and be read late.
const BODY_ENDED: Duration = Duration::from_secs(1);
/// Whose answer may still be on its way to the system, is not cut, milliseconds.
const JUST_ANSWERED_MS: u64 = 1;
/// A head that has been coming for this long may be cut when there is no room, milliseconds.
const SLOW_HEAD_MS: u64 = 5;
/// After a look for room that found none, the next is not before this, milliseconds.
const NO_ROOM_MS: u64 = 5;

/// All connections of a service.
pub(crate) struct Lines {
    clock: Clock,
    most: usize,
    most_of_one: usize,
    trusted: Vec<IpNet>,
    header_ms: u64,
    keep_alive_ms: u64,
    write_ms: u64,
    budget: Arc<Budget>,
    metrics: Arc<Registry>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    lines: HashMap<u64, Entry>,
    of: HashMap<IpAddr, usize>,
    next: u64,
    no_room_at: u64,
    full: LogThrottle,
    /// Off the list, to be aborted without the lock: a task that ends asks for it.
    cut: Vec<AbortHandle>,
}

struct Entry {
    line: Arc<Line>,
    task: Option<AbortHandle>,
    /// Whose it is; none: of somebody who may have as many as there are.
    of: Option<IpAddr>,
}

impl Open {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.lines.remove(&id)?;
        if let Some(of) = entry.of
            && let Some(count) = self.of.get_mut(&of)
        {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&of);
            }
        }
        Some(entry)
    }
}

impl Lines {
    pub(crate) fn new(http: &HttpSettings, budget: Arc<Budget>, metrics: Arc<Registry>) -> Self {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            clock: Clock::start(),
            most: http.max_connections.min(files::for_connections()),
            most_of_one: http.max_connections_per_address,
            trusted: http.trusted_proxies.clone(),
            header_ms: ms(http.header_timeout),
            keep_alive_ms: ms(http.keep_alive),
            write_ms: ms(http.write_timeout),
            budget,
            metrics,
            open: Mutex::default(),
        }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How often [`Self::sweep`] is to be called, so that no limit is missed by much.
    pub(crate) fn sweep_every(&self) -> Duration {
        let shortest = self.header_ms.min(self.keep_alive_ms).min(self.write_ms);
        Duration::from_millis((shortest / 8).clamp(10, 500))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, as `start` runs it; false if there is no room.
    pub(crate) fn admit(
        self: &Arc<Self>,
        peer: IpAddr,
        start: impl FnOnce(Arc<Line>, Leave) -> AbortHandle,
    ) -> bool {
        let of = self.whose(peer);
        let mut open = self.open();
        let its_own = of.and_then(|of| open.of.get(&of).copied()).unwrap_or(0);
        let room = if its_own >= self.most_of_one {
            self.make_room(&mut open, 1, of)
        } else {
            open.lines.len() < self.most || self.make_room(&mut open, (self.most / 64).max(1), None)
        };
        if !room {
            self.metrics.cut(Cut::Refused);
            if open.full.due() {
                let now_open = open.lines.len();
                tracing::warn!(%peer, of_this_address = its_own, open = now_open, most = self.most, "no room for more connections; see HTTP_MAX_CONNECTIONS, HTTP_MAX_CONNECTIONS_PER_ADDRESS and the limit of open files");
            }
            return false;
        }
        open.next += 1;
        let id = open.next;
        let line = Arc::new(Line::new(self.clock, &self.budget));
        open.lines.insert(id, Entry { line: Arc::clone(&line), task: None, of });
        if let Some(of) = of {
            *open.of.entry(of).or_default() += 1;
        }
        release(open);
        let task = start(line, Leave { lines: Arc::clone(self), id });
        if let Some(entry) = self.open().lines.get_mut(&id) {
            entry.task = Some(task);
        }
        true
    }

    /// Cuts what has been in its state for too long.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        let over = |since: u64, limit: u64| now.saturating_sub(since) > limit;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (half_closed_ms, body_ended_ms) = (ms(HALF_CLOSED), ms(BODY_ENDED));
        let mut open = self.open();
        let mut late = Vec::new();
        for (id, entry) in &open.lines {
            let line = &entry.line;
            let (phase, since) = line.phase();
            let cut = match phase {
                _ if line.blocked().is_some_and(|since| over(since, self.write_ms)) => Cut::Unread,
                Phase::Working if line.half_closed().is_some_and(|since| over(since, half_closed_ms)) => {
                    Cut::Gone
                }
                Phase::Body if line.half_closed().is_some_and(|since| over(since, body_ended_ms)) => {
                    line.tell_end();
                    continue;
                }
                Phase::Head if over(since, self.header_ms) => Cut::Head,
                Phase::Idle if over(since, self.keep_alive_ms) => Cut::Idle,
                _ => continue,
            };
            if line.claim(phase, since) {
                late.push((*id, cut));
            }
        }
        for (id, cut) in late {
            self.end(&mut open, id, cut);
        }
        release(open);
    }

    /// Cuts some that can be spared.
    pub(crate) fn spare(&self) {
        let mut open = self.open();
        self.make_room(&mut open, (self.most / 64).max(8), None);
        release(open);
    }

    /// As many as are open.
    pub(crate) fn count(&self) -> usize {
        self.open().lines.len()
    }

    /// Cuts up to `wanted` of those that can be spared, of one address or of all; false if there are none.
    fn make_room(&self, open: &mut Open, wanted: usize, of: Option<IpAddr>) -> bool {
        let now = self.clock.now();
        if of.is_none() && now.saturating_sub(open.no_room_at) < NO_ROOM_MS {
            return false;
        }
        let over = |since: u64, limit: u64| now.saturating_sub(since) > limit;
        let mut spare: Vec<(bool, u64, u64)> = Vec::new();
        for (id, entry) in open.lines.iter().filter(|(_, e)| of.is_none() || e.of == of) {
            match entry.line.phase() {
                (Phase::Idle, since) if over(since, JUST_ANSWERED_MS) && entry.line.blocked().is_none() => {
                    spare.push((false, since, *id));
                }
                (Phase::Head, since) if over(since, SLOW_HEAD_MS) => spare.push((true, since, *id)),
                _ => {}
            }
        }
        let wanted = wanted.min(spare.len());
        if wanted > 0 && wanted < spare.len() {
            spare.select_nth_unstable(wanted - 1);
        }
        let mut made = false;
        for (is_head, since, id) in spare.into_iter().take(wanted) {
            let phase = if is_head { Phase::Head } else { Phase::Idle };
            if open.lines.get(&id).is_some_and(|e| e.line.claim(phase, since)) {
                self.end(open, id, Cut::NoRoom);
                made = true;
            }
        }
        if !made && of.is_none() {
            open.no_room_at = now;
        }
        made
    }

    fn end(&self, open: &mut Open, id: u64, cut: Cut) {
        if let Some(entry) = open.remove(id) {
            open.cut.extend(entry.task);
            self.metrics.cut(cut);
        }
    }

    /// Whose share a connection counts against. Many clients come from one proxy; a customer of IPv6 has a network.
    fn whose(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if peer.is_loopback() || self.trusted.iter().any(|net| net.contains(&peer)) {
            return None;
        }
        Some(match peer {
            IpAddr::V4(_) => peer,
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        })
    }
}

fn release(mut open: MutexGuard<'_, Open>) {
    let cut = std::mem::take(&mut open.cut);
    drop(open);
    cut.iter().for_each(AbortHandle::abort);
}

/// Takes a connection off the list when its task ends, however it does.
pub(crate) struct Leave {
    lines: Arc<Lines>,
    id: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.lines.open().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_settings::{Settings, SettingsSource};

    fn lines(settings: &[(&str, &str)]) -> Arc<Lines> {
        let all = settings.iter().copied().chain([("TFX_DATA_DIR", "/nowhere")]);
        let http = Settings::read(&SettingsSource::of(all)).expect("settings").http;
        Arc::new(Lines::new(&http, Budget::new(0), Registry::of("lines")))
    }

    /// A connection from there, if it is let in.
    fn from(lines: &Arc<Lines>, peer: &str) -> Option<Arc<Line>> {
        let mut admitted = None;
        let held = |line: Arc<Line>, leave| {
            admitted = Some(line);
            let task = async move {
                let _leave = leave;
                std::future::pending::<()>().await;
            };
            tokio::spawn(task).abort_handle()
        };
        lines.admit(peer.parse().expect("an address"), held);
        admitted
    }

    #[tokio::test]
    async fn one_address_has_its_share_and_makes_place_for_itself() {
        let lines =
            lines(&[("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "2"), ("TRUSTED_PROXY_CIDRS", "10.0.0.0/8")]);
        let busy = |peer: &str| {
            let line = from(&lines, peer).expect("room");
            line.begin(false);
            line
        };
        let (first, second) = (busy("8.8.8.8"), busy("::ffff:8.8.8.8"));
        assert!(from(&lines, "8.8.8.8").is_none(), "its share is used up");
        assert!(from(&lines, "8.8.4.4").is_some(), "others have their own");
        for trusted in ["127.0.0.1", "::1", "10.1.2.3"] {
            for _ in 0..5 {
                assert!(from(&lines, trusted).is_some(), "{trusted} speaks for many");
            }
        }
        busy("2a00::1");
        busy("2a00::ffff:1");
        assert!(from(&lines, "2a00:0:0:0:1::").is_none(), "a network of IPv6 is one customer");
        assert!(from(&lines, "2a00:0:0:1::1").is_some());

        first.answered();
        tokio::time::sleep(Duration::from_millis(5)).await;
        busy("8.8.8.8"); // the idle one goes
        assert_eq!((first.phase().0, second.phase().0), (Phase::Cut, Phase::Working));
        assert!(from(&lines, "8.8.8.8").is_none(), "who waits for an answer does not");
    }

    #[tokio::test]
    async fn who_leaves_is_forgotten() {
        let lines = lines(&[("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "1"), ("HTTP_HEADER_TIMEOUT_MS", "100")]);
        let _late = from(&lines, "8.8.8.8").expect("room");
        tokio::time::sleep(Duration::from_millis(150)).await;
        lines.sweep();
        assert_eq!(lines.count(), 0, "its head did not come");
        assert!(lines.open().of.is_empty());
        assert!(from(&lines, "8.8.8.8").is_some());
    }
}

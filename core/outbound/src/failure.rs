//! Why there is no answer.

use crate::NotPublic;
use hyper_util::client::legacy;
use rustls::CertificateError;
use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    time::Duration,
};

/// `ENFILE` and `EMFILE`, the same on every Unix: no files left, of the system or of this process.
const FILES_EXHAUSTED: [i32; 2] = [23, 24];

/// A request that had no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct Unanswered {
    /// Why.
    pub failure: Failure,
    /// From when the request had its turn to when it was given up, as [`Answer::latency`](crate::Answer::latency); zero: it
    /// had none.
    pub latency: Duration,
}

/// Why there is no answer. The text is for people, [`Self::name`] for logs, metrics and histories.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What was given is no URL that can be asked.
    #[error("it is not a URL that can be asked: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The address is not one of everybody's network; nothing was sent.
    #[error(
        "{host} is {address}, {why}; requests to networks of one's own are sent with OUTBOUND_ALLOW_PRIVATE=true only"
    )]
    Refused {
        /// The host of the URL.
        host: String,
        /// What it stands for.
        address: IpAddr,
        /// Which network that is.
        why: NotPublic,
    },
    /// Nobody has this name.
    #[error("there is no host named {host}")]
    NoName {
        /// The host of the URL.
        host: String,
    },
    /// Our name servers do not answer, or there are none.
    #[error("{host} cannot be looked up: {reason}; see /etc/resolv.conf")]
    NameServers {
        /// The host of the URL.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The name servers answer, but do not say what the name stands for.
    #[error("{host} cannot be looked up: {reason}")]
    Lookup {
        /// The host of the URL.
        host: String,
        /// What they said.
        reason: String,
    },
    /// Nobody takes connections there.
    #[error("no connection: {reason}")]
    Connect {
        /// What the system said.
        reason: String,
    },
    /// There is no TLS that can be trusted.
    #[error("no TLS: {reason}")]
    Tls {
        /// Which kind of fault it is.
        fault: TlsFault,
        /// What the library said.
        reason: String,
    },
    /// It takes longer than it may.
    #[error("no answer in time")]
    TimedOut,
    /// As many requests to this host are under way as may be, for as long as this one could wait.
    #[error("too many requests to {host} are under way")]
    Busy {
        /// Host and port.
        host: String,
    },
    /// The connection ended before the head of the answer.
    #[error("the connection was closed before an answer: {reason}")]
    Closed {
        /// What the system said.
        reason: String,
    },
    /// What came is not HTTP, or its head is too large.
    #[error("the answer is not HTTP that can be read: {reason}")]
    Answer {
        /// What the library said.
        reason: String,
    },
    /// It says that the answer will come, again and again.
    #[error("over {most} interim answers (1xx) came, and no answer")]
    Interim {
        /// How many may come.
        most: usize,
    },
    /// This machine cannot send: it has no certificates to trust, no network, no files or ports left.
    #[error("requests cannot be sent: {reason}")]
    Setup {
        /// What the library said.
        reason: String,
    },
}

/// What is wrong with the TLS of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is over, or not valid yet.
    Expired,
    /// Nobody that this system trusts has signed the certificate.
    Untrusted,
    /// The certificate is for other names.
    WrongName,
    /// All else: no TLS at all, no common version, a broken handshake.
    Handshake,
}

impl Failure {
    /// One word for each kind, snake case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Refused { .. } => "refused_address",
            Self::NoName { .. } => "no_such_name",
            Self::NameServers { .. } => "name_servers",
            Self::Lookup { .. } => "lookup",
            Self::Connect { .. } => "connect",
            Self::Tls { fault: TlsFault::Expired, .. } => "tls_expired",
            Self::Tls { fault: TlsFault::Untrusted, .. } => "tls_untrusted",
            Self::Tls { fault: TlsFault::WrongName, .. } => "tls_wrong_name",
            Self::Tls { fault: TlsFault::Handshake, .. } => "tls",
            Self::TimedOut => "timed_out",
            Self::Busy { .. } => "busy",
            Self::Closed { .. } => "closed",
            Self::Answer { .. } => "bad_answer",
            Self::Interim { .. } => "interim_answers",
            Self::Setup { .. } => "setup",
        }
    }

    /// Whether it is this machine that fails: nothing was sent, and it says nothing of who was to be asked. Such a request
    /// is put off; it counts neither as a try nor as an answer.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::NameServers { .. } | Self::Setup { .. })
    }

    /// What the layers of the client say, in order from the outermost.
    pub(crate) fn of(error: &legacy::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut last = error.to_string();
        let (mut connection, mut timed_out) = (None, false);
        while let Some(e) = cause {
            last = e.to_string();
            if let Some(own) = e.downcast_ref::<Self>() {
                return own.clone();
            }
            if let Some(tls) = e.downcast_ref::<rustls::Error>() {
                return Self::Tls { fault: TlsFault::of(tls), reason: tls.to_string() };
            }
            if let Some(http) = e.downcast_ref::<hyper::Error>() {
                if http.is_parse() || http.is_parse_too_large() {
                    return Self::Answer { reason: http.to_string() };
                }
                if http.is_incomplete_message() {
                    connection = Some(http.to_string());
                }
            }
            // An `io::Error` hands out what it wraps by another door.
            let io = e.downcast_ref::<io::Error>();
            if let Some(io) = io.filter(|io| is_of_this_machine(io)) {
                return Self::Setup { reason: io.to_string() };
            }
            timed_out |= io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut);
            cause = io
                .and_then(io::Error::get_ref)
                .map(|inner| inner as &(dyn Error + 'static))
                .or_else(|| e.source());
        }
        let reason = connection.unwrap_or(last);
        if timed_out {
            Self::TimedOut
        } else if error.is_connect() {
            Self::Connect { reason }
        } else {
            Self::Closed { reason }
        }
    }
}

/// Whether the system has nothing left to connect with. Where some of the network can be reached, what cannot is the fault of
/// what was asked: an address of IPv6 alone, a network that nobody leads to.
fn is_of_this_machine(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkDown, NetworkUnreachable};
    match error.kind() {
        NetworkDown | NetworkUnreachable => !has_routes(),
        AddrNotAvailable => true,
        _ => error.raw_os_error().is_some_and(|code| FILES_EXHAUSTED.contains(&code)),
    }
}

/// Whether this machine knows a way to addresses of the world: those of documentation, of which nobody is. To connect a
/// datagram socket asks for the way and sends nothing.
fn has_routes() -> bool {
    let leads_to = |own: IpAddr, other: IpAddr| {
        UdpSocket::bind((own, 0)).and_then(|socket| socket.connect((other, 9))).is_ok()
    };
    leads_to(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
        || leads_to(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
}

/// What the innermost layer says.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl TlsFault {
    fn of(error: &rustls::Error) -> Self {
        use CertificateError as Bad;
        match error {
            rustls::Error::InvalidCertificate(bad) => match bad {
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. } => Self::Expired,
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::WrongName,
                _ => Self::Untrusted,
            },
            _ => Self::Handshake,
        }
    }
}

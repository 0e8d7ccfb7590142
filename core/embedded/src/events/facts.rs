//! The small facts of a click in one number:
//!
//! ```text
//! bits 0-1  outcome: 0 routed, 1 trafficback, 2 not found, 3 loop
//! bits 2-3  request: 0 visit, 1 prefetch, 2 HEAD
//! bit  4    bot
//! bits 5-7  new to the campaign, the stream, the destination
//! bits 8-10 device type, in the order of `DeviceType::ALL`
//! bit  11   test
//! bit  12   its link says a cost that is none
//! ```
//!
//! A visit of a person that a stream took has 0 in bits 0-4.

use tfx_domain::{
    event::Outcome,
    routing::{DeviceType, RequestKind},
};

/// The bits that are 0 for what counts as a click.
pub(crate) const NOT_A_CLICK: i64 = 0b1_1111;
/// The bits that are 0 for what a stream took.
pub(crate) const NOT_ROUTED: i64 = 0b11;

/// The bit that is 1 for tests. `schema/events/0002.sql` and the statements that ask for tests have it as a number.
pub(crate) const TEST: i64 = 1 << 11;

/// The bit that is 1 where a cost was refused; rows of before there was one have 0.
const COST_REFUSED: i64 = 1 << 12;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts(pub(crate) i64);

/// What a hit counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A visit of a person that a stream took.
    Click,
    /// A bot, whatever became of it.
    Bot,
    /// A prefetch or HEAD, whoever it was and whatever became of it.
    Prefetch,
    /// A visit of a person that no stream took.
    Trafficback,
}

impl Facts {
    pub(crate) fn of_click(outcome: Outcome, request: RequestKind, unique: [bool; 3], visitor: Self) -> Self {
        let outcome = match outcome {
            Outcome::Routed => 0,
            Outcome::Trafficback => 1,
            Outcome::NotFound => 2,
            Outcome::Loop => 3,
        };
        let request = match request {
            RequestKind::Visit => 0,
            RequestKind::Prefetch => 1,
            RequestKind::Head => 2,
        };
        let [campaign, stream, destination] = unique.map(i64::from);
        let unique = campaign << 5 | stream << 6 | destination << 7;
        Self(outcome | request << 2 | unique | visitor.0)
    }

    /// Those that a conversion takes over from its click.
    pub(crate) fn of_visitor(is_bot: bool, device: DeviceType, test: bool) -> Self {
        let device = DeviceType::ALL.iter().position(|d| *d == device).unwrap_or(0);
        let test = if test { TEST } else { 0 };
        Self(i64::from(is_bot) << 4 | i64::try_from(device).unwrap_or(0) << 8 | test)
    }

    pub(crate) const fn class(self) -> Class {
        if self.0 & NOT_A_CLICK == 0 {
            Class::Click
        } else if self.0 & 0b1100 != 0 {
            Class::Prefetch
        } else if self.is_bot() {
            Class::Bot
        } else {
            Class::Trafficback
        }
    }

    pub(crate) const fn is_bot(self) -> bool {
        self.0 & 0b1_0000 != 0
    }

    /// With what its link says of its cost.
    pub(crate) const fn with_cost_refused(self, refused: bool) -> Self {
        if refused { Self(self.0 | COST_REFUSED) } else { self }
    }

    pub(crate) const fn cost_refused(self) -> bool {
        self.0 & COST_REFUSED != 0
    }

    pub(crate) const fn new_to_campaign(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    pub(crate) const fn new_to_stream(self) -> bool {
        self.0 & 1 << 6 != 0
    }

    pub(crate) const fn new_to_destination(self) -> bool {
        self.0 & 1 << 7 != 0
    }

    /// Index into `DeviceType::ALL`.
    pub(crate) const fn device(self) -> i64 {
        self.0 >> 8 & 0b111
    }
}

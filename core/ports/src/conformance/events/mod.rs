//! What every pair of [`EventSink`] and [`Analytics`] must do: what goes into the one is found in the other.
//!
//! Most of it is held against a few thousand generated events (`generator`) and what plain lists of them say (`plain`,
//! `plain_report`), which is written from the documentation of the reports alone.

mod apart;
mod clicks;
mod delivery;
pub mod erasure;
mod generator;
mod kit;
mod left_out;
mod lists;
mod periods;
mod plain;
mod plain_report;
mod reports;
pub mod retention;
mod stored;
mod usage;

pub use apart::{amounts_are_converted_to_the_cent, amounts_are_summed_apart_by_their_days};
pub use clicks::{clicks_are_found_field_by_field, events_are_read_however_they_are_written};
pub use delivery::{
    an_empty_store_answers, the_highest_version_of_a_conversion_counts, what_is_delivered_twice_counts_once,
    what_is_no_event_blocks_nothing, what_was_delivered_is_seen_by_who_has_waited,
};
pub use left_out::events_that_cannot_be_read_are_left_out;
pub use lists::{
    a_cursor_of_another_list_is_refused, lists_are_complete_while_they_grow,
    lists_of_clicks_are_what_was_delivered, lists_of_postbacks_are_what_was_delivered, lists_take_conditions,
};
pub use reports::{
    reports_are_filtered, reports_by_each_dimension, reports_by_several_dimensions, reports_of_any_time,
    reports_of_too_many_groups_are_refused, what_no_report_can_answer_is_refused,
};
pub use stored::{conversions_are_told_in_their_latest_state, what_is_stored_is_told_by_hour_and_id};
pub use usage::the_past_that_routing_needs;

use crate::{analytics::Analytics, sink::EventSink};
use std::{any::Any, sync::Arc};

/// A new, empty store of events. It keeps everything whatever its age, and may see events some time after they are
/// delivered.
pub struct EventStore {
    /// What takes events.
    pub sink: Arc<dyn EventSink>,
    /// What reads them.
    pub analytics: Arc<dyn Analytics>,
    /// What has to live as long as the two: a folder, a server.
    pub keep: Box<dyn Any + Send>,
}

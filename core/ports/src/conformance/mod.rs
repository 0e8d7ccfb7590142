//! The suite every adapter must pass, stamped onto it by its tests:
//!
//! ```ignore
//! tfx_ports::conformance!(config_store: fresh_config);
//! tfx_ports::conformance!(revisions: fresh_config);
//! tfx_ports::conformance!(conversion_store: fresh_conversions);
//! tfx_ports::conformance!(health_store: fresh_health);
//! tfx_ports::conformance!(event_store: fresh_events);
//! tfx_ports::conformance!(retention: fresh_retained);
//! tfx_ports::conformance!(erasure: fresh_erasing);
//! tfx_ports::conformance!(erased: fresh_erased);
//! tfx_ports::conformance!(histories: fresh_histories);
//! tfx_ports::conformance!(queue: fresh_queue);
//! tfx_ports::conformance!(tells: fresh_tells);
//! tfx_ports::conformance!(leases: fresh_leases);
//! tfx_ports::conformance!(ledgers: fresh_ledgers);
//! tfx_ports::conformance!(keys: fresh_keys);
//! tfx_ports::conformance!(rates: fresh_rates);
//! tfx_ports::conformance!(accounts: fresh_accounts);
//! tfx_ports::conformance!(alerts: fresh_alerts);
//! ```
//!
//! Each `fresh_…` is an async function that makes a new, empty store. The macro makes a module with one test per
//! case. A case changes only what it made itself, compares revisions with the one it found, and waits for
//! conditions, never for time.

pub mod accounts;
pub mod alerts;
mod changes;
pub mod config;
pub mod conversions;
pub mod erased;
pub mod events;
pub mod health;
pub mod histories;
pub mod keys;
pub mod leases;
pub mod ledgers;
pub mod queue;
mod random;
pub mod rates;
pub mod revisions;
mod rules;
pub mod sample;

pub use events::{erasure, retention};

use std::{any::Any, sync::Arc};

/// Two handles on one new, empty store, as two processes would have them.
pub struct Pair<T: ?Sized> {
    /// One handle.
    pub one: Arc<T>,
    /// Another, opened by itself.
    pub two: Arc<T>,
    /// What has to live as long as the handles: a folder, a server.
    pub keep: Box<dyn Any + Send>,
}

/// Makes a module of tests that hold an adapter to the suite.
#[macro_export]
macro_rules! conformance {
    (config_store: $fresh:path) => {
        $crate::conformance!(@ config_store, config, $fresh:
            creates_are_found_again, an_unknown_entity_is_not_there, a_slug_is_taken_once_in_its_parent,
            an_update_needs_the_version_before_it, what_is_refused_leaves_no_trace,
            every_change_is_in_the_audit_log, what_is_no_entity_is_in_the_audit_log_too, lists_are_complete_while_they_grow, lists_are_filtered,
            a_cursor_of_another_list_is_refused, what_is_loaded_is_one_revision, a_waiter_wakes_on_a_change,
            a_waiter_gives_up_in_time, of_simultaneous_writers_one_wins, changes_are_made_together_or_not_at_all,
            many_changes_are_made_in_one, names_may_be_swapped_in_one, one_may_be_changed_again_in_the_same,
            what_was_checked_holds_when_it_is_saved, former_slugs_are_taken_and_found,
            what_changed_is_told_since_any_revision, no_race_saves_a_circle, no_race_saves_a_split_without_weight);
    };
    (revisions: $fresh:path) => {
        $crate::conformance!(@ kept_revisions, revisions, $fresh:
            each_revision_is_what_was_loaded_then, of_two_writers_each_revision_is_kept_whole,
            a_revision_tells_what_changed_with_it, what_is_not_kept_is_told, what_is_kept_is_sealed_anew);
    };
    (conversion_store: $fresh:path) => {
        $crate::conformance!(@ conversion_store, conversions, $fresh:
            reports_follow_the_status_machine, what_is_not_new_changes_nothing, a_signature_that_was_taken_changes_nothing_again,
            a_signature_that_changed_nothing_is_remembered, a_signature_counts_once_for_a_click,
            no_simultaneous_signature_is_lost, what_was_read_otherwise_gives_way, keys_are_the_networks_own,
            a_report_never_changes_the_conversion_of_another_click,
            a_word_that_nobody_knows_brings_no_second_revenue, a_sale_goes_before_a_word_that_nobody_knows, an_older_report_does_not_take_the_place_of_a_newer_one, a_claimed_click_takes_no_second_sale,
            a_lead_does_not_become_a_second_sale, an_upsell_is_a_sale_of_its_own,
            a_rejected_sale_lets_go_of_its_click, a_batch_is_applied_in_order, an_error_records_none_of_the_batch,
            a_long_history_is_what_the_status_machine_says, conversions_are_found_as_they_were_recorded,
            the_newest_come_first, lists_are_filtered, lists_are_complete_while_they_grow,
            a_cursor_of_another_list_is_refused, new_states_wait_to_be_published,
            a_state_that_moved_on_stays_unpublished, only_changes_are_published, what_waits_to_be_published_is_read_in_pages,
            what_was_published_is_published_again,
            of_many_identical_reports_one_is_new, of_many_who_take_a_line_again_one_does, of_simultaneous_sales_one_has_the_click,
            of_simultaneous_leads_one_becomes_the_sale, of_simultaneous_scopes_each_click_has_its_own, of_simultaneous_sales_and_words_one_sale_stands, no_simultaneous_update_is_lost,
            the_facts_of_a_click_go_and_the_money_stays,
            a_race_of_an_update_with_duplicates, batches_in_opposite_orders_all_get_in);
    };
    (queue: $fresh:path) => {
        $crate::conformance!(@ queue, queue, $fresh:
            a_job_is_kept_until_it_is_done, what_is_of_others_is_claimed_meanwhile, a_job_is_put_in_once, a_job_is_due_in_its_time,
            jobs_of_a_group_come_one_after_the_other, a_new_job_brings_its_group_forward,
            what_is_put_aside_holds_up_nobody, a_lost_claim_can_end_nothing, a_renewed_claim_stays,
            what_is_postponed_has_no_try_more, what_waits_is_told, what_waits_can_be_hurried, what_waits_is_brought_forward,
            where_keys_say_the_order_clocks_do_not, what_is_revived_is_spread,
            dead_jobs_are_kept, what_is_removed_was_never_there, a_group_is_told_whole, of_many_holders_one_has_a_job, texts_of_strangers_are_only_texts);
    };
    (tells: $fresh:path) => {
        $crate::conformance!(@ tells, conversions, $fresh:
            a_state_is_written_with_its_job, a_state_is_told_once_for_good, only_the_first_of_a_click_is_told,
            a_batch_tells_of_all_or_of_nothing, what_is_told_later_waits,
            what_gives_way_is_told_only_after_what_it_was, who_is_first_is_known_also_of_a_source_that_cannot_be_read,
            what_is_given_up_gives_back_its_place, what_went_ahead_of_what_was_given_up_is_known);
    };
    (erasure: $fresh:path) => {
        $crate::conformance!(@ erasure, erasure, $fresh:
            who_left_what_is_found, a_person_goes_and_the_money_stays, who_comes_back_goes_again);
    };
    (erased: $fresh:path) => {
        $crate::conformance!(@ erased, erased, $fresh: what_was_erased_is_kept_as_long_as_it_may_come_back);
    };
    (histories: $fresh:path) => {
        $crate::conformance!(@ histories, histories, $fresh:
            old_lines_of_the_audit_log_are_forgotten,
            old_changes_of_health_are_forgotten_when_they_are_published, jobs_are_counted_as_what_they_are);
    };
    (ledgers: $fresh:path) => {
        $crate::conformance!(@ ledgers, ledgers, $fresh:
            a_page_takes_the_place_of_the_one_before, old_hours_are_forgotten);
    };
    (keys: $fresh:path) => {
        $crate::conformance!(@ keys, keys, $fresh: the_first_key_stands, of_many_proposals_one_stands);
    };
    (rates: $fresh:path) => {
        $crate::conformance!(@ rate_store, rates, $fresh:
            rates_are_set_changed_and_removed_with_their_lines, what_holds_is_found_by_either_currency,
            lists_of_rates_are_complete_and_in_order, of_simultaneous_changes_each_stands_whole);
    };
    (accounts: $fresh:path) => {
        $crate::conformance!(@ account_store, accounts, $fresh:
            accounts_are_found_again, a_name_is_taken_once, a_change_needs_the_version_before_it,
            accounts_and_their_line_are_saved_together_or_not_at_all,
            of_simultaneous_changes_each_is_made_of_what_it_saw, what_is_over_is_forgotten,
            an_answer_is_saved_with_what_was_done_or_not_at_all);
    };
    (alerts: $fresh:path) => {
        $crate::conformance!(@ alert_store, alerts, $fresh:
            how_alerts_stand_is_kept, a_look_at_what_is_over_is_passed_over, of_simultaneous_looks_one_counts,
            the_log_of_alerts_comes_in_pages);
    };
    (leases: $fresh:path) => {
        $crate::conformance!(@ leases, leases, $fresh:
            one_holds_a_lease, a_lease_is_lost_by_expiry, of_many_one_gets_the_lease);
    };
    (health_store: $fresh:path) => {
        $crate::conformance!(@ health_store, health, $fresh:
            what_probes_find_out_is_kept, a_probe_of_what_is_over_is_passed_over, of_simultaneous_probes_one_counts,
            changes_wait_to_be_published, history_comes_in_pages, what_is_forgotten_can_be_probed_anew);
    };
    (event_store: $fresh:path) => {
        $crate::conformance!(@ event_store, events, $fresh:
            clicks_are_found_field_by_field, events_are_read_however_they_are_written,
            what_is_delivered_twice_counts_once, what_was_delivered_is_seen_by_who_has_waited, the_highest_version_of_a_conversion_counts,
            what_is_no_event_blocks_nothing, an_empty_store_answers, lists_of_clicks_are_what_was_delivered,
            lists_of_postbacks_are_what_was_delivered, lists_take_conditions, lists_are_complete_while_they_grow,
            a_cursor_of_another_list_is_refused, what_is_stored_is_told_by_hour_and_id, conversions_are_told_in_their_latest_state, the_past_that_routing_needs, reports_by_each_dimension,
            reports_by_several_dimensions, reports_are_filtered, reports_of_any_time,
            reports_of_too_many_groups_are_refused, amounts_are_summed_apart_by_their_days,
            amounts_are_converted_to_the_cent,
            what_no_report_can_answer_is_refused);
    };
    (retention: $fresh:path) => {
        $crate::conformance!(@ retention, retention, $fresh:
            what_is_older_leaves_and_the_rest_stays, what_leaves_opens_no_cap,
            a_conversion_that_left_counts_once_when_it_is_reported_again);
    };
    (@ $name:ident, $module:ident, $fresh:path: $($case:ident),+) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::$module::$case($fresh().await).await;
                }
            )+
        }
    };
}

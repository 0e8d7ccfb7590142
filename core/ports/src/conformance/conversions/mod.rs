//! What every [`ConversionStore`] must do.

mod erased;
mod kit;
mod left_out;
mod lists;
mod model;
mod published;
mod races;
mod record;
mod signatures;
mod source_postbacks;

pub use erased::the_facts_of_a_click_go_and_the_money_stays;
pub use left_out::rows_that_cannot_be_read_are_left_out;
pub use lists::{
    a_cursor_of_another_list_is_refused, conversions_are_found_as_they_were_recorded,
    lists_are_complete_while_they_grow, lists_are_filtered, the_newest_come_first,
};
pub use model::a_long_history_is_what_the_status_machine_says;
pub use published::{
    a_state_that_moved_on_stays_unpublished, new_states_wait_to_be_published, only_changes_are_published,
    what_waits_to_be_published_is_read_in_pages, what_was_published_is_published_again,
};
pub use races::{
    a_race_of_an_update_with_duplicates, batches_in_opposite_orders_all_get_in,
    no_simultaneous_signature_is_lost, no_simultaneous_update_is_lost, of_many_identical_reports_one_is_new,
    of_many_who_take_a_line_again_one_does, of_simultaneous_leads_one_becomes_the_sale,
    of_simultaneous_sales_and_words_one_sale_stands, of_simultaneous_sales_one_has_the_click,
    of_simultaneous_scopes_each_click_has_its_own,
};
pub use record::{
    a_batch_is_applied_in_order, a_claimed_click_takes_no_second_sale, a_lead_does_not_become_a_second_sale,
    a_rejected_sale_lets_go_of_its_click, a_report_never_changes_the_conversion_of_another_click,
    a_sale_goes_before_a_word_that_nobody_knows, a_signature_that_was_taken_changes_nothing_again,
    a_word_that_nobody_knows_brings_no_second_revenue, an_error_records_none_of_the_batch,
    an_older_report_does_not_take_the_place_of_a_newer_one, an_upsell_is_a_sale_of_its_own,
    keys_are_the_networks_own, reports_follow_the_status_machine, what_is_not_new_changes_nothing,
    what_was_read_otherwise_gives_way,
};
pub use signatures::{a_signature_counts_once_for_a_click, a_signature_that_changed_nothing_is_remembered};
pub use source_postbacks::{
    SourcePostbackStores, a_batch_tells_of_all_or_of_nothing, a_state_is_told_once_for_good,
    a_state_is_written_with_its_job, only_the_first_of_a_click_is_told,
    what_gives_way_is_told_only_after_what_it_was, what_is_given_up_gives_back_its_place,
    what_is_told_later_waits, what_went_ahead_of_what_was_given_up_is_known,
    who_is_first_is_known_also_of_a_source_that_cannot_be_read,
};

use super::Pair;
use crate::conversions::ConversionStore;

type Stores = Pair<dyn ConversionStore>;

//! What changed since a set was last applied, and by whom: from the audit log.

use super::CONFIG;
use std::collections::{HashMap, HashSet};
use tfx_api::sets::{SetAnswer, SetDrift};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, AuditLog},
    page::PageRequest,
};

/// Lines that are read at once, and how often: who changed what before is not told.
const LINES: usize = 1_000;
const PAGES: usize = 20;

/// Notes with each change who else changed the entity since a set was last applied.
///
/// # Errors
/// The store's.
pub(super) async fn note(log: &dyn AuditLog, answer: &mut SetAnswer) -> Result<(), StoreError> {
    let known: HashSet<String> = answer.changes.iter().filter_map(|change| change.id.clone()).collect();
    if known.is_empty() {
        return Ok(());
    }
    let is_apply = |line: &AuditEntry| line.kind == CONFIG && line.action == "apply";
    if !log.audit(Some(CONFIG), &PageRequest::first(LINES)).await?.items.iter().any(is_apply) {
        return Ok(());
    }
    let mut drifted: HashMap<String, Vec<SetDrift>> = HashMap::new();
    let mut page = PageRequest::first(LINES);
    for _ in 0..PAGES {
        let found = log.audit(None, &page).await?;
        for line in found.items {
            if is_apply(&line) {
                add(answer, &mut drifted);
                return Ok(());
            }
            if known.contains(&line.id) {
                let AuditEntry { at, caller, action, id, .. } = line;
                drifted.entry(id).or_default().push(SetDrift { at, by: caller.name, action });
            }
        }
        let Some(next) = found.next else { break };
        page.cursor = Some(next);
    }
    add(answer, &mut drifted);
    answer.warnings.push(format!(
        "who changed what before the last {} lines of the audit log is not told here: tfx audit",
        LINES * PAGES
    ));
    Ok(())
}

fn add(answer: &mut SetAnswer, drifted: &mut HashMap<String, Vec<SetDrift>>) {
    for change in &mut answer.changes {
        change.drifted = change.id.as_ref().and_then(|id| drifted.remove(id)).unwrap_or_default();
    }
}

//! What would be kept of a postback beside its line of the log, for everybody who sees conversions: a secret that a network's mistake
//! put there is not taken.

use crate::{
    log::{Origin, SECRET},
    masks::Masks,
};
use tfx_domain::{
    entity::NetworkSpec,
    postback::{Interpreted, Refusal, advice},
};

/// What a postback says, unless its network's secret stands in its transaction id or status.
///
/// # Errors
/// It does.
pub(crate) fn without_secret(
    masks: &Masks,
    network: &NetworkSpec,
    origin: &Origin,
    read: Interpreted,
) -> Result<Interpreted, Refusal> {
    let Interpreted::Report(postback) = &read else { return Ok(read) };
    let kept = [&postback.transaction_id, &postback.raw_status].into_iter().flatten();
    let Some(holds) = kept.into_iter().find(|text| masks.hides(text)) else { return Ok(read) };
    // Secrets of others may be words that this network uses.
    if !Masks::of(network.secrets()).hides(holds) {
        return Ok(read);
    }
    // Where it belongs it stands as well.
    let mut others = origin.params.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(SECRET));
    let said = others.find(|(_, value)| value.trim() == holds);
    let parameter = said.map_or_else(|| SECRET.to_owned(), |(name, _)| name.clone());
    Err(Refusal { parameter, message: advice::HOLDS_SECRET.to_owned() })
}

//! `tfx NOUN show`.

use super::{failed, view};
use crate::{context::Context, exit::Failure};
use tfx_domain::entity::Kind;

pub(super) async fn run(context: &Context, kind: Kind, reference: &str) -> Result<(), Failure> {
    let entity = context.client()?.get(kind, reference).await.map_err(|e| failed(kind, reference, e))?;
    view::show(context, kind, &entity)
}

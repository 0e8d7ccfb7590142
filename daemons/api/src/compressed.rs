//! Answers in gzip, for who takes it. Not those with a secret: what is packed together with text of strangers tells by its
//! length how alike the two are (BREACH). Not small ones either, which would save nothing.

use axum::{body::HttpBody, response::Response};
use tower_http::compression::{
    CompressionLayer, Predicate,
    predicate::{And, SizeAbove},
};

/// Shorter answers are sent as they are: they fit into one packet.
const WORTH_IT_BYTES: u64 = 1024;

/// Marks an answer in which a secret stands.
#[derive(Debug, Clone, Copy)]
struct HoldsSecret;

/// The same answer, never to be compressed.
pub(crate) fn with_secret(mut response: Response) -> Response {
    response.extensions_mut().insert(HoldsSecret);
    response
}

/// Lets through answers without a secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoSecret;

impl Predicate for NoSecret {
    fn should_compress<B: HttpBody>(&self, response: &http::Response<B>) -> bool {
        response.extensions().get::<HoldsSecret>().is_none()
    }
}

/// Compresses what is worth it. It has to stand outside of whatever reads answers.
pub(crate) fn layer() -> CompressionLayer<And<SizeAbove, NoSecret>> {
    CompressionLayer::new().compress_when(SizeAbove::new(WORTH_IT_BYTES).and(NoSecret))
}

//! Tokens.

use crate::{Secret, source::Reader, vars};
use std::path::PathBuf;

/// Who may call api-service and the internal endpoints.
#[derive(Debug, Clone)]
pub struct Access {
    /// `INTERNAL_TOKEN`.
    pub internal_token: Option<Secret>,
    /// `TFX_TOKEN`.
    pub token: Option<Secret>,
    /// `TFX_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
}

impl Access {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        let internal_token = r.secret(&vars::INTERNAL_TOKEN);
        if let Some(token) = &internal_token {
            let text = token.expose();
            if text.len() < 16 || !text.bytes().all(|b| b.is_ascii_graphic()) {
                r.problem(&vars::INTERNAL_TOKEN, "is '***'; allowed is 16 or more visible characters");
            }
        }
        Self {
            internal_token,
            token: r.secret(&vars::TFX_TOKEN),
            token_file: r.text(&vars::TFX_TOKEN_FILE).map(PathBuf::from),
        }
    }
}

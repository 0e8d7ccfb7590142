//! `tfx token`: a program's key from its making to its end.

use crate::{place::Place, transcript::Transcript};

#[test]
fn a_token_is_made_used_listed_and_ended() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx token create ci --scope read,write:sources --expires 90d
        tfx token create bi --scope read,read:money --expires never --output name > bi.token
        tfx token create ci --scope read
        tfx token create other --scope raed
        tfx token list --output csv",
    );
    t.sh("TFX_TOKEN_FILE=bi.token tfx source create --name Push");
    t.sh("TFX_TOKEN_FILE=bi.token tfx source list");
    t.all(
        "tfx token revoke ci
        tfx token revoke nobody
        tfx token revoke bi --output name",
    );
    t.sh("TFX_TOKEN_FILE=bi.token tfx source list");
    t.sh("tfx audit --output csv | cut -d, -f2-4,6");
    t.is("token");
}

//! Each exit code, with what failed, why and what to do next: for people and, with `--output json`, for programs.

use crate::{place::Place, transcript::Transcript};

#[test]
fn usage() {
    let place = Place::running();
    place.ok("tfx campaign create --name Summer");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign create
        tfx stream create --name Main --output json
        tfx campaign list --nope
        tfx campaign list --nope --output json
        tfx campaign lst --output=jsonl
        tfx campaign create --name ÄÖÜ
        tfx campaign create --slug 'Not A Slug'
        tfx campaign create --slug api
        tfx campaign create --name T --cost abc
        tfx campaign create --name T --cost -5
        tfx campaign create --name T --cost abc --rotation round --nope
        tfx campaign create --cost abc --unique-window never -o json
        tfx campaign create --name T --trafficback 'javascript:alert(1)'
        tfx campaign create --name T --source nowhere
        tfx campaign create --name T --set a.b=1
        tfx stream create --campaign nowhere --name X --action status:404
        tfx stream create --campaign summer --name X --destination offer=much
        tfx stream create --campaign summer --name X --filter county=US --action js
        tfx stream create --campaign summer --name X --filter country=Germany --action js
        tfx stream create --campaign summer --name X --action jump
        tfx stream create --campaign summer --name X --action campaign:summer
        tfx destination create --name D --url 'https://{click_id}.example/'
        tfx destination create --name D --url 'https://d.example/?{nope}'
        tfx destination create --name D --url https://d.example/ --timezone Europe/Berlin
        tfx destination create --name D --url https://d.example/ --schedule someday
        tfx destination create --cap foo=3 --payout abc
        tfx destination update offer --cap foo=3 --payout abc --url nowhere --network adnet
        tfx stream create --campaign summer --weight many --slug 'A B' --filter country=Germany --destination offer
        tfx network create --name N --allow-ip 999.1.1.1
        tfx report --tz Mars/Olympus --by campaing --where county=US
        tfx report --where country=ZZ --where region=US-CA --where device_type=phone --where bot=yes
        tfx click list --where country=ZZ --where stream=summer/x --where campaign=sumer
        tfx conversion list --where country=ZZ
        tfx postback log --where result=recieved --where status=many
        tfx click list --since tomorrow
        tfx click list --since 99999999d
        tfx click list --limit many --columns contry
        tfx report --limit many --columns nope,clicks --sort -nope
        tfx click list --since today --until yesterday
        tfx click show junk
        tfx audit summer
        tfx audit horse/summer",
    );
    t.is("usage");
}

#[test]
fn not_found() {
    let place = Place::running();
    place.ok("tfx campaign create --name Summer");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign show nowhere
        tfx campaign show nowhere --output json
        tfx campaign show sumer
        tfx stream create --campaign sumer --name X --action js
        tfx campaign link nowhere
        tfx campaign clone nowhere
        tfx campaign archive nowhere --yes
        tfx stream show nowhere
        tfx stream create --campaign summer --slug everyone --action status:404 --output name
        tfx stream show evryone
        tfx stream show summer/evry
        tfx stream show sumer/everyone
        tfx explain sumer
        tfx stream show summer/nowhere
        tfx stream list --campaign nowhere
        tfx click list --campaign nowhere
        tfx click show 01KYKZ6QK0ABCDEFGHJKMNPQRS
        tfx explain --click 01KYKZ6QK0ABCDEFGHJKMNPQRS
        tfx conversion show cnv_1m88868b590h8a2631a
        tfx network postback-url nowhere",
    );
    t.is("not_found");
}

#[test]
fn not_allowed() {
    let mut place = Place::running();
    place.file("wrong", "not-the-token\n");
    place.file("empty", "");
    let right = place.dir().join("data/admin.token").display().to_string();
    place.set("RIGHT", &right);
    let mut t = Transcript::new(&place);
    t.all(
        "TFX_TOKEN=wrong tfx campaign list
        TFX_TOKEN=wrong tfx campaign list --output json
        TFX_TOKEN='two words' tfx campaign list
        TFX_TOKEN_FILE=wrong tfx campaign list
        TFX_TOKEN_FILE=empty tfx campaign list
        TFX_TOKEN_FILE=nowhere tfx campaign list
        tfx campaign list --data-dir elsewhere
        TFX_TOKEN_FILE=$RIGHT tfx campaign list --data-dir elsewhere --output name
        TFX_TOKEN=$(cat $RIGHT) tfx campaign list --data-dir elsewhere --output name",
    );
    t.is("not_allowed");
}

#[test]
fn unreachable() {
    let place = Place::empty();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign list
        tfx campaign list --output json
        tfx explain summer
        tfx report
        tfx events stats
        tfx campaign create --name Summer
        tfx campaign list --api-url http://nowhere.invalid >nowhere 2>&1 || echo exit $?
        tfx campaign list --api-url ftp://nowhere",
    );
    t.is("unreachable");
}

#[test]
fn somebody_else_answers() {
    let place = Place::running();
    let traffic = place.traffic();
    let mut t = Transcript::new(&place);
    t.sh(&format!("tfx campaign list --api-url http://{traffic}"));
    t.is("somebody_else");
}

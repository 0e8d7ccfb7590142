//! Configuration as files: exported, looked at, applied, and what is wrong with them.

use crate::{
    place::{Place, TFX},
    transcript::Transcript,
    web,
};
use rexpect::session::{PtySession, spawn_command};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

/// A small configuration with something of everything.
fn summer(place: &Place) {
    for line in [
        "tfx source create --name Push --cost-param c --postback-url 'https://push.example/pb?id={external_id}&token=canary1234'",
        "tfx network create --name AdNet --currency EUR",
        "tfx template create --network adnet --slug main --name Main --click-id-param clickid --status-param st --map sale=approved",
        "tfx destination create --slug offer-a --name 'Offer A' --url 'https://a.example/?s={click_id}' --network adnet --payout 12.5",
        "tfx destination create --slug offer-b --name 'Offer B' --url 'https://b.example/?s={click_id}' --cap clicks_daily=100",
        "tfx campaign create --name Summer --source push --cost 0.02",
        "tfx stream create --campaign summer --slug de --name Germany --filter country=DE,AT,NO --destination offer-a=70 --destination offer-b=30",
        "tfx stream create --campaign summer --slug rest --name Rest --kind default --action status:404",
        "tfx alert create --slug spent --name Spent --when 'spend_today > 200' --to mail:anna@example.com",
    ] {
        place.ok(&format!("{line} --quiet --output name"));
    }
}

#[test]
fn files_are_written_looked_at_and_applied() {
    let place = Place::running();
    summer(&place);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx export -f config
        find config -type f | sort
        cat config/campaigns/summer.yaml config/destinations/offer-a.yaml config/networks/adnet.yaml
        tfx export -f config
        tfx plan -f config
        sed -i 's/weight: 70/weight: 50/; s/name: Germany/name: German speakers/' config/campaigns/summer.yaml
        printf 'slug: winter\\nname: Winter\\nstreams:\\n  - slug: all\\n    name: All\\n    destinations: [{ destination: offer-a }]\\n' > config/campaigns/winter.yaml
        rm config/alerts/spent.yaml
        tfx plan -f config
        tfx plan -f config --output name
        tfx plan -f config --target campaign/winter
        tfx apply -f config
        tfx apply -f config --yes
        tfx plan -f config
        tfx plan -f config --prune
        tfx apply -f config --prune --yes --quiet
        tfx export -f config
        sed -i 's/slug: winter/slug: cold\\nrenamed_from: winter/' config/campaigns/winter.yaml
        tfx apply -f config --yes
        tfx plan -f config
        tfx export -f config
        tfx destination update offer-b --cap clicks_daily=200 --quiet --output name
        tfx plan -f config",
    );
    t.is("sets");
}

#[test]
fn a_plan_is_applied_as_it_was_looked_at_or_not_at_all() {
    let place = Place::running();
    summer(&place);
    place.ok("tfx export -f config");
    let mut t = Transcript::new(&place);
    t.all(
        "sed -i 's/weight: 70/weight: 50/' config/campaigns/summer.yaml
        tfx plan -f config --out change.plan --quiet
        stat -c %a change.plan
        tfx campaign update summer --name Moved --quiet --output name
        tfx apply change.plan
        tfx plan -f config --target campaign/summer --out change.plan --output name
        sed -i 's/weight: 50/weight: 40/' config/campaigns/summer.yaml
        tfx apply change.plan
        tfx plan -f config --target campaign/summer --out change.plan --output name
        tfx apply change.plan
        tfx apply change.plan
        tfx apply config
        tfx apply nowhere.plan
        tfx apply config/campaigns/summer.yaml
        tfx apply
        tfx apply change.plan --prune
        tfx plan -f config --out nowhere/change.plan
        tfx stream show summer/de --output json | grep -A1 'weight\": 40'",
    );
    t.is("set_plans");
}

#[test]
fn what_is_wrong_in_files_is_told_with_its_place() {
    let place = Place::empty();
    let bomb: String = (1..9).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1)).collect();
    let files: [(&str, &str); 18] = [
        ("bad/campaigns/alias.yaml", "slug: alias\ncost: &c { per_click: 1 }\nmore: *c\n"),
        ("bad/campaigns/bomb.yaml", &format!("slug: bomb\na0: &a0 [x, x, x]\n{bomb}")),
        ("bad/campaigns/cycle.yaml", "slug: cycle\nstreams: &s [*s]\n"),
        ("bad/campaigns/tabs.yaml", "slug: tabs\ncost:\n\tper_click: 1\n"),
        ("bad/campaigns/twice.yaml", "slug: twice\nname: A\nname: B\n"),
        ("bad/campaigns/half.yaml", "slug: half\nstreams:\n  - slug: \"de\n"),
        ("bad/campaigns/flow.yaml", "slug: flow\nfilters: [{ field: country, is: [DE\n"),
        ("bad/campaigns/empty.yaml", "# nothing\n"),
        ("bad/campaigns/list.yaml", "- slug: a\n- slug: b\n"),
        ("bad/campaigns/tag.yaml", "slug: !!python/object x\n"),
        ("bad/campaigns/same.yaml", "slug: other\n---\nslug: other\n"),
        ("bad/campaigns/var.yaml", "slug: var\nname: ${NOBODY} ${PATH} ${\n"),
        (
            "bad/networks/secret.yaml",
            "slug: secret\npostback_secret: canary-in-a-file\nsigning_key_from: env:NOT_THERE\n",
        ),
        (
            "bad/networks/from.yaml",
            "slug: from\npostback_secret_from: canary\nsigning_key_from: file:nowhere\n",
        ),
        ("bad/traffoflex.yaml", "variables: [NOBODY, 'a b']\nother: 1\n"),
        ("bad/README.md", "# ours\n"),
        ("bad/campaigns/notes.txt", "x\n"),
        ("bad/import.yaml", "x: 1\n"),
    ];
    for (name, text) in files {
        place.file(name, text);
    }
    fs::write(place.dir().join("bad/campaigns/bytes.yaml"), b"slug: bytes\nname: caf\xe9\n").expect("a file");
    fs::write(place.dir().join("bad/campaigns/large.yaml"), vec![b'#'; 5 << 20]).expect("a file");
    let deep = format!("slug: deep\nx: {}{}\n", "[".repeat(70), "]".repeat(70));
    place.file("bad/campaigns/deep.yaml", &deep);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx plan -f bad
        tfx plan -f bad --output json 2>&1 >/dev/null | grep -c canary
        tfx plan -f nowhere
        tfx plan -f bad/README.md
        tfx plan
        tfx plan -f bad --target summer
        tfx plan -f bad --target stream/summer/de --target offer/x --prune
        mkdir void && tfx plan -f void --prune
        tfx schema nothing",
    );
    t.is("bad_sets");
}

#[test]
fn what_the_service_refuses_is_told_with_its_line() {
    let place = Place::running();
    place.file(
        "config/campaigns/summer.yaml",
        "slug: summer\nname: Summer\nsource: nowhere\nstreams:\n  - slug: de\n    name: Germany\n    weight: many\n    \
         filters:\n      - { field: country, is: [DE] }\n      - { field: planet, is: [Mars] }\n    destinations:\n      - { destination: gone }\n",
    );
    place.file("config/destinations/offer.yaml", "name: Offer\nurl: ftp://a.example/\ncolour: red\n");
    place.file("config/networks/adnet.yaml", "slug: adnet\nname: AdNet\npostback_secret: short\n");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx plan -f config
        tfx apply -f config --yes --output json
        tfx campaign list --output name",
    );
    t.is("refused_sets");
}

/// Every file of a folder.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let text = fs::read_to_string(&path).expect("text");
                found.insert(path.strip_prefix(dir).expect("below").to_owned(), text);
            }
        }
    }
    found
}

#[test]
fn a_configuration_comes_back_byte_for_byte() {
    let place = Place::running();
    summer(&place);
    for kind in ["network", "source"] {
        let line = format!(
            "for p in $(tfx preset list --kind {kind} -o name); do echo tfx {kind} create --preset $p --quiet -o name; done"
        );
        for line in place.ok(&line).lines() {
            place.ok(line);
        }
    }
    for i in 0..150 {
        let code = ["DE", "NO", "US"][i % 3];
        place.file(
            &format!("more/campaigns/c{i}.yaml"),
            &format!(
                "slug: c{i}\nname: \"{}\"\ntrafficback_url: \"https://t.example/{i}?p=$${{click_id}}\"\nrotation: weight\nstreams:\n  - slug: a\n    \
                 name: \"yes\"\n    weight: 7\n    filters: [{{ field: country, is: [{code}, AT] }}, {{ field: sub1, is_not: [\"glob:a*, b\"] }}]\n    \
                 destinations: [{{ destination: d{i}, weight: 5 }}]\n  - slug: b\n    name: B\n    kind: default\n    action: {{ type: html, body: \"<p>\\n x: {i}\\n</p>\\n\" }}\n",
                ["2024", "日本", "a: b #c $${x}", "~", "Ein Name"][i % 5]
            ),
        );
        place.file(
            &format!("more/destinations/d{i}.yaml"),
            &format!("slug: d{i}\nname: D{i}\nurl: https://d.example/{i}?s={{click_id}}\npayout: {{ amount: {i}.50, currency: EUR }}\nschedule: {{ windows: [mon-fri 09:00-18:00, \"22:00-08:00\"] }}\n"),
        );
    }
    place.ok("tfx apply -f more --yes --quiet");
    place.ok("tfx export -f first --quiet");
    let first = files(&place.dir().join("first"));
    assert!(first.len() > 370, "{}", first.len());
    place.ok("tfx plan -f first");

    let other = Place::running();
    for (path, text) in &first {
        other.file(&format!("first/{}", path.display()), text);
    }
    // What is shown in part cannot come along; the push source has a token in its URL.
    let masked: Vec<String> = first
        .iter()
        .filter(|(_, text)| text.contains("***"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    let line = format!("cd first && sed -i -E 's/\\*{{3}}/canary1234/' {}", masked.join(" "));
    other.ok(&line);
    other.ok("tfx apply -f first --yes --quiet 2>/dev/null");
    other.ok("tfx export -f second --quiet");
    let second = files(&other.dir().join("second"));
    let differ: Vec<_> = first.iter().filter(|(path, text)| second.get(*path) != Some(text)).collect();
    assert!(differ.is_empty() && first.len() == second.len(), "{differ:#?}");
    other.ok("tfx plan -f second");
}

#[test]
fn secrets_come_from_elsewhere_and_are_shown_nowhere() {
    let mut place = Place::running();
    let (secret, key) = ("canary-secret-1", "canary-key-file");
    place.set("NET_SECRET", secret);
    place.set("HOOK", "webhook:https://hooks.example/canary-hook/x");
    place.set("TRACKER", "https://t.example");
    place.file("config/key", &format!("{key}\n"));
    place.file("config/traffoflex.yaml", "variables: [TRACKER]\n");
    place.file(
        "config/networks/adnet.yaml",
        "slug: adnet\nname: AdNet\npostback_secret_from: env:NET_SECRET\nsigning_key_from: file:../key\n",
    );
    place.file(
        "config/campaigns/summer.yaml",
        "slug: summer\nname: Summer\ntrafficback_url: \"${TRACKER}/?c={click_id}\"\n",
    );
    place.file(
        "config/alerts/spent.yaml",
        "slug: spent\nname: Spent\nwhen: spend_today > 200\nchannels:\n  - from: env:HOOK\n",
    );
    for line in [
        "tfx plan -f config; true",
        "tfx plan -f config -o json; true",
        "tfx plan -f config --out a.plan; cat a.plan",
        "tfx apply a.plan",
        "tfx apply -f config --yes",
        "tfx plan -f config",
        "tfx export -f out && cat out/*/*.yaml",
        "tfx audit -o json",
    ] {
        let done = place.sh(line);
        assert_eq!(done.code, Some(0), "{line}: {}{}", done.stdout, done.stderr);
        let said = format!("{}{}", done.stdout, done.stderr);
        for canary in [secret, key, "canary-hook"] {
            assert!(!said.contains(canary), "{line}: {said}");
        }
    }
    assert!(place.ok("tfx network postback-url adnet").contains(secret));
    assert!(place.ok("tfx campaign show summer -o json").contains("https://t.example/?c={click_id}"));
    // Applied without them, they stay as they are.
    place.file("config/networks/adnet.yaml", "slug: adnet\nname: AdNet 2\n");
    place.ok("tfx apply -f config --yes");
    assert!(place.ok("tfx network postback-url adnet").contains(secret));
}

#[test]
fn a_folder_of_others_is_left_alone() {
    let place = Place::running();
    summer(&place);
    place.file("mine/README.md", "ours\n");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx export -f mine
        tfx export -f mine --force --output json | head -4
        printf '# our own words\\nslug: push\\nname: Other\\n' > mine/sources/push.yaml
        tfx export -f mine
        tfx export -f mine --force --quiet
        printf 'slug: own\\nname: Own\\nurl: https://own.example/\\n' > mine/destinations/own.yaml
        sed -i '2i # a remark' mine/campaigns/summer.yaml
        tfx alert archive spent --yes --quiet --output name
        tfx export -f mine
        head -3 mine/campaigns/summer.yaml
        tfx export -f mine/README.md",
    );
    t.is("export_folders");
}

#[test]
fn of_two_applies_at_once_one_wins_and_the_other_says_so() {
    let place = Place::running();
    summer(&place);
    place.ok("tfx export -f a && cp -r a b");
    place.ok("sed -i 's/weight: 70/weight: 1/' a/campaigns/summer.yaml && sed -i 's/weight: 70/weight: 2/' b/campaigns/summer.yaml");
    place.ok("tfx plan -f a --out a.plan -o name; tfx plan -f b --out b.plan -o name; true");
    let both = "tfx apply a.plan >a.out 2>&1 & p=$!; tfx apply b.plan >b.out 2>&1; second=$?; wait $p; echo $? $second | tr ' ' '\\n' | sort | tr '\\n' ' '";
    assert_eq!(place.ok(both), "0 5", "{}", place.ok("cat a.out b.out"));
}

/// A line on a terminal, as in `terminal.rs`.
fn terminal(place: &Place, columns: u16, line: &str) -> PtySession {
    let mut sh = place.command("sh");
    let line = format!("trap : INT; stty cols {columns} rows 40; {line}; echo exit $?");
    sh.args(["-c", &line]).env("TERM", "xterm-256color");
    sh.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    spawn_command(sh, Some(30_000)).expect("a terminal")
}

#[test]
fn a_terminal_is_asked_and_shown_colours() {
    let place = Place::running();
    summer(&place);
    place.ok("tfx export -f config && sed -i 's/weight: 70/weight: 50/' config/campaigns/summer.yaml");
    let mut t = terminal(&place, 80, &format!("{TFX} apply -f config"));
    let shown = t.exp_string("Apply 1 to change?").expect("a question");
    assert!(shown.contains("\u{1b}[33m~ summer/de\u{1b}[0m") && shown.contains("\u{1b}[31m- "), "{shown}");
    t.send_control('c').expect("typed");
    let (_, code) = t.exp_regex("exit [0-9]+\r\n").expect("an end");
    assert_eq!(code.trim(), "exit 130");
    let mut t = terminal(&place, 80, &format!("{TFX} apply -f config"));
    t.exp_string("Apply 1 to change?").expect("a question");
    t.send("n\r").expect("typed");
    t.flush().expect("typed");
    t.exp_string("nothing was changed").expect("an answer");
    let mut t = terminal(&place, 80, &format!("NO_COLOR=1 {TFX} apply -f config"));
    let shown = t.exp_string("Apply 1 to change?").expect("a question");
    assert!(!shown.contains("\u{1b}[33m"), "{shown}");
    t.send("y\r").expect("typed");
    t.flush().expect("typed");
    t.exp_string("applied: 1 changed").expect("an answer");
    place.ok("tfx plan -f config");
    assert_eq!(place.sh("tfx plan -f config | head -1").code, Some(0));
    web::get(&place, "/c/summer", web::PHONE);
}

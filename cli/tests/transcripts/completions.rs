//! Completion scripts: the files in `completions/` are what tfx prints, and bash completes with them for real.

use crate::{place::Place, transcript::same};
use rexpect::session::spawn_command;
use std::{fs, path::PathBuf, process::Stdio};

#[test]
fn the_files_are_what_tfx_prints() {
    let place = Place::empty();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../completions");
    let renew = std::env::var_os("UPDATE").is_some();
    let files = [
        ("bash", "tfx.bash"),
        ("zsh", "_tfx"),
        ("fish", "tfx.fish"),
        ("powershell", "_tfx.ps1"),
        ("elvish", "tfx.elv"),
    ];
    let mut stale = Vec::new();
    for (shell, name) in files {
        let script = place.sh(&format!("tfx completions {shell}")).stdout;
        let path = folder.join(name);
        if renew {
            fs::create_dir_all(&folder).expect("the folder");
            fs::write(&path, &script).expect("the file");
        } else if fs::read_to_string(&path).unwrap_or_default() != script {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "completions/{} differs from what tfx prints; renew with: UPDATE=1 cargo test -p tfx --test transcripts completions",
        stale.join(", completions/")
    );
    let mut there: Vec<String> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    let mut want: Vec<&str> = files.map(|(_, name)| name).into();
    want.sort_unstable();
    assert_eq!(there, want, "completions/ holds one file for each shell");
}

/// What bash offers for a line whose last word is being typed.
fn bash(place: &Place, words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
    let [.., before, last] = quoted.as_slice() else { panic!("a command and a word") };
    let line = format!(
        "bash --norc -c 'source <(tfx completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9; \
         _clap_complete_tfx tfx {last} {before}; printf \"%s\\n\" \"${{COMPREPLY[@]}}\"'",
        quoted.join(" "),
        words.len() - 1
    );
    format!("{}<tab>\n{}\n\n", words.join(" "), place.ok(&line))
}

#[test]
fn bash_completes_commands_flags_values_and_slugs() {
    let place = Place::running();
    place.ok("tfx campaign create --name Summer && tfx campaign create --name Sunday && tfx campaign create --name Winter");
    place.ok("tfx stream create --campaign summer --name US --action status:404");
    place.ok("tfx destination create --name Offer --url 'https://offer.example/?s={click_id}'");
    let mut text = String::new();
    for words in [
        &["tfx", "ca"][..],
        &["tfx", "campaign", ""],
        &["tfx", "campaign", "show", ""],
        &["tfx", "campaign", "show", "su"],
        &["tfx", "stream", "show", ""],
        &["tfx", "stream", "create", "--campaign", "w"],
        &["tfx", "stream", "create", "--destination", ""],
        &["tfx", "stream", "create", "--sel"],
        &["tfx", "stream", "create", "--select", ""],
        &["tfx", "campaign", "list", "--output", "js"],
        &["tfx", "explain", "wi"],
        &["tfx", "report", "--by", "campaign,co"],
        &["tfx", "report", "--metrics", "rev"],
        &["tfx", "stream", "create", "--filter", "os"],
        &["tfx", "token", "create", "ci", "--scope", "read,wr"],
    ] {
        text.push_str(&bash(&place, words));
    }
    same("bash", &text);
}

#[test]
fn without_the_services_completion_offers_no_slugs_and_says_nothing() {
    let place = Place::empty();
    let text = bash(&place, &["tfx", "campaign", "show", ""]);
    assert!(!text.contains("error"), "{text}");
}

#[test]
fn the_tab_key_completes_a_slug_in_a_real_bash() {
    let place = Place::running();
    place.ok("tfx campaign create --name Summer && tfx campaign create --name Winter");
    let mut bash = place.command("bash");
    bash.args(["--norc", "--noprofile", "-i"]).env("TERM", "dumb").env("PS1", "ready> ");
    bash.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let mut t = spawn_command(bash, Some(30_000)).expect("bash");
    t.exp_string("ready> ").expect("a prompt");
    t.send_line("source <(tfx completions bash)").expect("typed");
    t.exp_string("ready> ").expect("a prompt");
    // A terminal without echo shows nothing of it; what is run tells.
    t.send_line("tfx campaign sh\twin\t --output name").expect("typed");
    t.exp_string("winter\r").expect("the completed line is run");
    t.send_line("exit").expect("typed");
    t.exp_eof().expect("an end");
}

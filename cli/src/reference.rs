//! What is written about the commands is held to the commands: the table of `docs/cli.md`, and the width of examples.

use crate::help;
use clap::Command;

/// Every command that does something, by its words, with the first line of its help.
fn commands() -> Vec<(String, String)> {
    fn walk(command: &Command, words: &str, out: &mut Vec<(String, String)>) {
        for inner in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let words = format!("{words} {}", inner.get_name());
            if inner.has_subcommands() {
                walk(inner, &words, out);
            } else {
                let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
                out.push((words, about));
            }
        }
    }
    let mut out = Vec::new();
    walk(&help::command(), "tfx", &mut out);
    out
}

#[test]
fn the_table_of_docs_cli_md_has_every_command() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let page = std::fs::read_to_string(path).expect("docs/cli.md");
    let (before, rest) = page.split_once("<!-- commands -->\n").expect("where the table begins");
    let (table, after) = rest.split_once("<!-- end of commands -->").expect("where it ends");
    let mut want = "| command | what it does |\n|---|---|\n".to_owned();
    for (words, about) in commands() {
        want.push_str(&format!("| `{words}` | {} |\n", about.replace('|', "\\|")));
    }
    if std::env::var_os("UPDATE").is_some() {
        let page = format!("{before}<!-- commands -->\n{want}<!-- end of commands -->{after}");
        std::fs::write(path, page).expect("docs/cli.md");
        return;
    }
    let lacking = |there: &str, of: &str| -> Vec<String> {
        of.lines().filter(|line| !there.lines().any(|l| l == *line)).map(str::to_owned).collect()
    };
    let (missing, stale) = (lacking(table, &want), lacking(&want, table));
    assert!(
        table == want,
        "the table of docs/cli.md is not clap's; missing: {missing:#?}; stale: {stale:#?}; \
         renew it with: UPDATE=1 cargo test -p tfx reference"
    );
}

#[test]
fn examples_fit_a_terminal_of_eighty_columns() {
    fn walk(command: &Command) {
        for line in command.get_after_help().map(ToString::to_string).unwrap_or_default().lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
        }
        command.get_subcommands().for_each(walk);
    }
    walk(&help::command());
}

#[test]
fn every_flag_and_argument_says_what_it_is() {
    fn walk(command: &Command) {
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{}: {}", command.get_name(), arg.get_id());
        }
        command.get_subcommands().for_each(walk);
    }
    walk(&help::command());
}

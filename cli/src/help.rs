//! What the derived command line does not say by itself: commands in groups, the noun in the help of its verbs, and no
//! defaults where nothing is created.

use crate::app::Cli;
use clap::{Arg, Command, CommandFactory};
use tfx_domain::entity::Kind;

/// The commands by what they are for; a test holds that each stands in one group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Set up", &["campaign", "stream", "destination", "source", "network", "template", "preset", "rate"]),
    ("As files", &["export", "plan", "apply", "schema"]),
    ("Take back", &["revision", "rollback"]),
    ("Look", &["report", "click", "conversion", "postback", "explain", "health", "audit"]),
    ("Who may in", &["login", "logout", "whoami", "profile", "token", "user", "session"]),
    (
        "Run",
        &[
            "up",
            "config",
            "events",
            "ingest",
            "migrate",
            "retention",
            "prune",
            "erase",
            "secrets",
            "backup",
            "restore",
            "stack",
        ],
    ),
    ("Watch", &["alert", "status", "top", "logs", "check", "doctor", "reconcile"]),
    ("Try", &["smoke", "bench"]),
    ("Shell", &["completions", "man", "help"]),
];

/// The whole command line.
pub(crate) fn command() -> Command {
    let mut command = Cli::command();
    for kind in Kind::ALL {
        command = command.mut_subcommand(kind.noun(), |noun| verbs(kind, noun));
    }
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n{}\nOptions:\n{{options}}{{after-help}}",
        groups(&command)
    );
    command.help_template(template)
}

/// The commands with what they do, under the headings of their groups.
fn groups(command: &Command) -> String {
    let styles = command.get_styles();
    let (heading, literal) = (styles.get_header(), styles.get_literal());
    let width = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or(0);
    let about = |name: &str| match command.find_subcommand(name) {
        Some(found) => found.get_about().map(ToString::to_string).unwrap_or_default(),
        None => "Print this, or the help of a command".to_owned(),
    };
    let mut out = String::new();
    for (title, names) in GROUPS {
        out.push_str(&format!("\n{heading}{title}:{heading:#}\n"));
        for name in *names {
            out.push_str(&format!("  {literal}{name:width$}{literal:#}  {}\n", about(name)));
        }
    }
    out
}

/// A noun's shared verbs, each with the noun in its help.
fn verbs(kind: Kind, mut noun: Command) -> Command {
    let (one, many) = (kind.noun(), kind.plural());
    let along = match kind {
        Kind::Campaign => "; its streams come along",
        Kind::Network => "; its templates come along",
        _ => "",
    };
    let a = if one.starts_with('a') { "an" } else { "a" };
    let abouts = [
        ("create", format!("Create {a} {one}")),
        ("list", format!("List {many}, oldest first")),
        ("show", format!("Show {a} {one}")),
        ("update", format!("Change {a} {one}; what is not said stays as it is")),
        ("pause", format!("Let {a} {one} take no part until resumed")),
        ("resume", format!("Let {a} {one} take part again; also brings back what was archived")),
        ("archive", format!("Put {a} {one} away: it takes no part and is left out of lists")),
        ("clone", format!("Make another {one} like one{along}")),
    ];
    for (verb, about) in abouts {
        noun = noun.mut_subcommand(verb, |c| {
            let c = c.about(about);
            if matches!(verb, "update" | "clone") { c.mut_args(without_default) } else { c }
        });
    }
    noun
}

/// What is not said stays as it is there: a default of `create` would mislead.
fn without_default(arg: Arg) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    match help.split_once(" [default: ") {
        Some((help, _)) => arg.help(help.to_owned()),
        None => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_one_group_of_the_help() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let command = Cli::command();
        let mut all: Vec<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
        let long = groups(&command)
            .lines()
            .filter(|line| console_width(line) > 80)
            .map(str::to_owned)
            .collect::<Vec<_>>();
        assert!(long.is_empty(), "wider than a terminal: {long:#?}");
    }

    /// Characters that are shown.
    fn console_width(line: &str) -> usize {
        let mut escape = false;
        line.chars()
            .filter(|c| {
                let hidden = escape || *c == '\u{1b}';
                escape = hidden && *c != 'm';
                !hidden
            })
            .count()
    }

    #[test]
    fn verbs_name_their_noun_and_what_creates_nothing_shows_no_defaults_of_it() {
        for kind in Kind::ALL {
            let command = command();
            let noun = command.find_subcommand(kind.noun()).expect("the noun");
            for verb in ["create", "list", "show", "update", "pause", "resume", "archive", "clone"] {
                let verb = noun.find_subcommand(verb).expect("the verb");
                let about = verb.get_about().expect("help").to_string();
                assert!(about.contains(kind.noun()), "{about}");
                let defaults = verb
                    .get_arguments()
                    .filter_map(Arg::get_help)
                    .any(|h| h.to_string().contains("[default: "));
                assert!(
                    !defaults || !matches!(verb.get_name(), "update" | "clone"),
                    "{kind} {}",
                    verb.get_name()
                );
            }
        }
    }
}

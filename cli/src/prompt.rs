//! Questions on a terminal. They are asked on stderr; elsewhere nothing is ever asked.

use crate::exit::Failure;
use dialoguer::{Confirm, Input, Select, console::Term};
use std::io::{self, IsTerminal};

/// Whether somebody is there to answer.
pub(crate) fn possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Ctrl-C while a question stands ends the command in order, with exit code 130. (The terminal turns the key into a
/// signal, which would end the process before the terminal is put right.)
fn asking<T>(ask: impl FnOnce(&Term) -> dialoguer::Result<T>) -> Result<T, Failure> {
    let _listening = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    let term = Term::stderr();
    let answer = ask(&term);
    if answer.is_err() {
        let _ = term.show_cursor();
        let _ = term.write_line("");
    }
    answer.map_err(|e| match io::Error::from(e) {
        e if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof) => {
            Failure::interrupted()
        }
        e => Failure::failed(format!("the terminal does not work: {e}")),
    })
}

/// A text that passes `check`; asked again, with the reason, until it does. Enter takes the default.
///
/// # Errors
/// Interrupted.
pub(crate) fn text(
    question: &str,
    default: Option<String>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, Failure> {
    asking(|term| {
        let mut input =
            Input::<String>::new().with_prompt(question).validate_with(|text: &String| check(text.trim()));
        if let Some(default) = default {
            input = input.default(default);
        }
        input.interact_text_on(term)
    })
    .map(|text| text.trim().to_owned())
}

/// A text that may be left empty.
///
/// # Errors
/// Interrupted.
pub(crate) fn optional(
    question: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<Option<String>, Failure> {
    let text = asking(|term| {
        Input::<String>::new()
            .with_prompt(question)
            .allow_empty(true)
            .validate_with(|text: &String| match text.trim() {
                "" => Ok(()),
                text => check(text),
            })
            .interact_text_on(term)
    })?;
    Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty()))
}

/// Yes or no.
///
/// # Errors
/// Interrupted.
pub(crate) fn confirm(question: &str, default: bool) -> Result<bool, Failure> {
    asking(|term| {
        Confirm::new().with_prompt(crate::output::printable(question)).default(default).interact_on(term)
    })
}

/// One of several, by its place.
///
/// # Errors
/// Interrupted.
pub(crate) fn choose(question: &str, items: &[String]) -> Result<usize, Failure> {
    asking(|term| Select::new().with_prompt(question).items(items).default(0).interact_on(term))
}

/// A check that anything but nothing passes.
///
/// # Errors
/// Nothing was said.
pub(crate) fn anything(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(()) }
}

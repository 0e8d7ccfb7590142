//! Everything wrong with a command line. clap ends at the first thing; it is asked again without each that it found.

use clap::{
    ArgMatches, Command,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};
use std::ffi::OsString;

/// More are not listed.
const MOST: usize = 20;

/// What is wrong beside `first`: bad values and flags that there are not; and what the command line says without them,
/// if it says something.
pub(crate) fn others(
    command: &Command,
    mut args: Vec<OsString>,
    first: &Error,
) -> (Vec<Error>, Option<ArgMatches>) {
    let mut all = Vec::new();
    while all.len() < MOST {
        let Some(left) = without(&args, all.last().unwrap_or(first)) else { break };
        args = left;
        match command.clone().try_get_matches_from(&args) {
            Err(e) if is_about_a_flag(&e) => all.push(e),
            rest => return (all, rest.ok()),
        }
    }
    (all, None)
}

fn is_about_a_flag(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::UnknownArgument)
}

/// The command line without the flag that an error is about; none if it is not found in it.
fn without(args: &[OsString], error: &Error) -> Option<Vec<OsString>> {
    if !is_about_a_flag(error) {
        return None;
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    // As clap names it: `--cost <AMOUNT>`.
    let flag = text(ContextKind::InvalidArg)?.split([' ', '=']).next()?;
    let value = text(ContextKind::InvalidValue);
    let is = |at: usize, what: &str| args.get(at).is_some_and(|a| a == what);
    let joined = |at: usize, value: &str| {
        args.get(at).is_some_and(|a| *a == *format!("{flag}={value}") || short(a, value))
    };
    let drop = (1..args.len()).find_map(|at| match value {
        Some(value) if joined(at, value) => Some(at..at + 1),
        Some(value) if is(at + 1, value) && args[at].to_string_lossy().starts_with('-') => Some(at..at + 2),
        None if is(at, flag) => {
            // Whether it takes a value nobody knows; what follows and is no flag is taken for one.
            let has_value = args.get(at + 1).is_some_and(|a| !a.to_string_lossy().starts_with('-'));
            Some(at..at + 1 + usize::from(has_value))
        }
        None if args[at].to_string_lossy().starts_with(&format!("{flag}=")) => Some(at..at + 1),
        _ => None,
    })?;
    Some([&args[..drop.start], &args[drop.end..]].concat())
}

/// `-ojson`.
fn short(arg: &OsString, value: &str) -> bool {
    let arg = arg.to_string_lossy();
    arg.strip_prefix('-').and_then(|a| a.strip_suffix(value)).is_some_and(|flag| flag.chars().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::help;

    fn count(line: &str) -> usize {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match help::command().try_get_matches_from(&args) {
            Ok(_) => 0,
            Err(e) => 1 + others(&help::command(), args, &e).0.len(),
        }
    }

    #[test]
    fn every_bad_flag_is_found() {
        for (line, wrong) in [
            ("tfx campaign create --name T --cost 5", 0),
            ("tfx campaign create --name T --cost abc", 1),
            ("tfx campaign create --name T --cost abc --rotation round --unique-window never", 3),
            ("tfx campaign create --name T --cost=abc --rotation=round", 2),
            ("tfx campaign create --nope 5 --nor=x --cost abc --rotation weight", 3),
            ("tfx campaign list -o horse --limit many", 2),
            ("tfx campaign list -ohorse --limit many", 2),
            ("tfx campaign lst --nope", 1),
            ("tfx nope", 1),
        ] {
            assert_eq!(count(line), wrong, "{line}");
        }
    }
}

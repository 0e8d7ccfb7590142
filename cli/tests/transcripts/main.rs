//! What a person and a script see of tfx: the real binary in a real shell, line by line.
//!
//! A test makes a [`place::Place`] (a home and a data folder of its own), perhaps with the services running in it,
//! types lines into `sh` and compares what came back with a file under `snapshots/`: the line, what it printed, what it
//! said on stderr (behind `2| `) and its exit code unless it is 0. What differs from run to run has a placeholder of the
//! same width; see [`placeholders`].
//!
//! After a wanted change, `INSTA_UPDATE=always cargo test -p tfx --test transcripts` renews the files; read the
//! difference before you commit it.

mod clickhouse;
mod mongo;
mod place;
mod placeholders;
mod receiver;
mod transcript;
mod web;

mod backup_sets;
mod backups;
mod backups_clickhouse;
mod backups_embedded;
mod bearing;
mod bucket;
mod bundle;
mod campaigns;
mod clicks;
mod completions;
mod configuration;
mod costs;
mod doctor;
mod entities;
mod erase;
mod errors;
mod eyes;
mod formats;
mod health;
mod help;
mod imports;
mod logins;
mod pipes;
mod postbacks;
mod presets;
mod prune;
mod rates;
mod replay;
mod report;
mod retention;
mod revisions;
mod scripts;
mod sets;
mod shapes;
mod sources;
mod stack;
mod terminal;
mod tokens;
mod top;
mod up;
mod watching;

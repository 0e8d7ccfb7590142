//! What is the same for every kind of entity: create, list, show, update, pause, resume, archive, clone.
//!
//! A noun says which kind it is, which flags its fields have and what a person must say at least; see [`Noun`].

mod archive;
mod clone;
mod cost;
mod create;
mod lifecycle;
mod list;
mod said;
mod show;
mod update;
pub(crate) mod view;

pub(crate) use cost::CostArgs;
pub(crate) use create::create;

use crate::{
    complete,
    context::Context,
    exit::{Failure, Kind as FailureKind},
    prompt,
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use std::fmt::Debug;
use tfx_api::{ApiError, Client};
use tfx_domain::{entity::Kind, problem::Problems};

/// The fields of a spec.
pub(crate) type Spec = Map<String, Value>;

/// A kind of entity on the command line.
pub(crate) trait Noun: Debug + Send + Sync + 'static {
    /// The kind of entity it stands for.
    const KIND: Kind;
    /// The flags that stand for fields of its spec.
    type Fields: Fields;
    /// The flags that narrow a list to one parent.
    type Parent: Parent;
    /// The flags that begin a new one with what is known already.
    type Ready: Ready;
    /// What must be said when it is created.
    const NEEDS: &'static [Need];
    /// How people create one, for the help.
    const EXAMPLES: &'static str;

    /// What to do after creating one, for the notes.
    fn next(_created: &Value) -> Vec<String> {
        Vec::new()
    }
}

/// Flags that stand for fields.
pub(crate) trait Fields: Args + Debug {
    /// Puts what was said into a spec.
    ///
    /// # Errors
    /// A value that is not of its form, a file that cannot be read.
    fn put(&self, spec: &mut Spec) -> Result<(), Failure>;

    /// What is said twice, and not alike.
    fn repeated(&self) -> Problems {
        Problems::default()
    }

    /// Whether some of it adds to what is there.
    fn adds(&self) -> bool {
        false
    }

    /// Puts what adds to what is there.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn add(&self, _patch: &mut Spec, _now: &Value) -> Result<(), Failure> {
        Ok(())
    }
}

/// Flags that begin a new one with what is known already.
pub(crate) trait Ready: Args + Debug {
    /// The fields that it begins with; what is said beside them wins.
    ///
    /// # Errors
    /// Nothing of that name is known, something that is said of it is not of it.
    fn begin(&self) -> Result<Spec, Failure> {
        Ok(Spec::new())
    }

    /// What is made with it, both or none.
    fn along(&self, _spec: &mut Spec) -> Option<(Kind, Spec)> {
        None
    }

    /// What to know of it and to do after it was created.
    async fn after(&self, _client: &Client, _created: &Value) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}

/// For kinds of which nothing is known.
#[derive(Debug, Args)]
pub(crate) struct NothingReady {}

impl Ready for NothingReady {}

/// Flags that narrow a list.
pub(crate) trait Parent: Args + Debug {
    /// The parent asked for.
    fn parent(&self) -> Option<&str>;
}

/// For kinds that stand by themselves.
#[derive(Debug, Args)]
pub(crate) struct NoParent {}

impl Parent for NoParent {
    fn parent(&self) -> Option<&str> {
        None
    }
}

/// A value that must be there: asked for on a terminal, a usage error elsewhere.
#[derive(Debug)]
pub(crate) struct Need {
    /// What it is called when it is asked for.
    pub(crate) question: &'static str,
    /// Which flag gives it.
    pub(crate) flag: &'static str,
    /// Whether it is there.
    pub(crate) met: fn(&Spec) -> bool,
    /// Whether an answer will do.
    pub(crate) check: fn(&str) -> Result<(), String>,
    /// Puts an answer in.
    pub(crate) put: fn(&mut Spec, String),
}

/// A name or a slug: each can be made of the other.
pub(crate) const NAMED: Need = Need {
    question: "Name",
    flag: "--name or --slug",
    met: |spec| spec.contains_key("name") || spec.contains_key("slug"),
    check: name,
    put: |spec, text| {
        spec.insert("name".to_owned(), text.into());
    },
};

/// Whether a name will do, and a slug can be made of it.
pub(crate) fn name(text: &str) -> Result<(), String> {
    match tfx_domain::slug::Slug::suggest(text) {
        Some(_) if text.chars().count() <= 200 => Ok(()),
        Some(_) => Err("must be at most 200 characters".to_owned()),
        None => Err("must have a letter of a-z or a digit, for the slug".to_owned()),
    }
}

/// Asks for what is missing, on a terminal.
///
/// # Errors
/// Elsewhere: everything that is missing, by its flag. Interrupted.
fn ask_for_missing(kind: Kind, needs: &[Need], spec: &mut Spec) -> Result<(), Failure> {
    let missing: Vec<&Need> = needs.iter().filter(|n| !(n.met)(spec)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !prompt::possible() {
        let flags = missing.iter().map(|n| n.flag).collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("a new {kind} needs {flags}"))
            .hint(format!("tfx {kind} create --help lists all flags; -f FILE reads YAML or JSON")));
    }
    for need in missing {
        let answer = prompt::text(need.question, None, need.check)?;
        (need.put)(spec, answer);
    }
    Ok(())
}

/// Puts a value that was given.
pub(crate) fn put<T: serde::Serialize>(
    spec: &mut Spec,
    field: &str,
    value: Option<&T>,
) -> Result<(), Failure> {
    if let Some(value) = value {
        crate::input::put(spec, field, serde_json::to_value(value).map_err(Failure::failed)?);
    }
    Ok(())
}

/// Name and slug.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The name people read.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The short name in links and commands: a-z, 0-9, - and _ [default: made of the name].
    #[arg(long)]
    pub(crate) slug: Option<String>,
}

impl Named {
    pub(crate) fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        put(spec, "name", self.name.as_ref())?;
        put(spec, "slug", self.slug.as_ref())
    }
}

/// One entity.
#[derive(Debug, Args)]
pub(crate) struct Reference<N: Noun> {
    /// Slug or id; streams are named campaign/stream, templates network/template.
    #[arg(value_name = "REF", add = complete::of(N::KIND))]
    pub(crate) reference: String,
    #[arg(skip)]
    noun: std::marker::PhantomData<N>,
}

/// What is done with entities.
#[derive(Debug, Subcommand)]
pub(crate) enum EntityCommand<N: Noun> {
    /// Create one.
    Create(create::Create<N>),
    /// List them, oldest first.
    List(list::List<N>),
    /// Show one.
    Show(Reference<N>),
    /// Change one; what is not said stays as it is.
    Update(update::Update<N>),
    /// Let it take no part until resumed.
    Pause(lifecycle::Change<N>),
    /// Let it take part again; also brings back what was archived.
    Resume(lifecycle::Change<N>),
    /// Put it away: it takes no part and is left out of lists.
    Archive(archive::Archive<N>),
    /// Make another like it; a campaign's streams and a network's templates come along.
    Clone(clone::Clone<N>),
}

impl<N: Noun> EntityCommand<N> {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        use tfx_api::entities::Verb;
        match self {
            Self::Create(c) => c.run(context).await,
            Self::List(c) => c.run(context).await,
            Self::Show(r) => show::run(context, N::KIND, &r.reference).await,
            Self::Update(c) => c.run(context).await,
            Self::Pause(c) => c.run(context, Verb::Pause).await,
            Self::Resume(c) => c.run(context, Verb::Resume).await,
            Self::Archive(c) => c.run(context).await,
            Self::Clone(c) => c.run(context).await,
        }
    }
}

impl<N: Noun> EntityCommand<N> {
    /// What is wrong with what it says, as far as that can be told without asking.
    pub(crate) fn problems(&self) -> Problems {
        match self {
            Self::Create(c) => said::problems(N::KIND, &c.input_spec, &c.fields),
            Self::Update(c) => c.problems(),
            Self::Clone(c) => c.problems(),
            _ => Problems::default(),
        }
    }
}

/// An error of what was to be written, with what to do next.
pub(crate) fn not_saved(kind: Kind, reference: &str, error: ApiError) -> Failure {
    if error.code() != Some("invalid") {
        return failed(kind, reference, error);
    }
    let failure = Failure::from(error);
    let hint = match failure.problems.0.iter().find_map(|p| refers_to(&p.path)) {
        Some(other) => format!("tfx {other} list tells what there is"),
        None => format!("tfx {kind} create --help tells what each field takes"),
    };
    let message = format!("the {kind} was not saved: {}", failure.message);
    Failure { message, ..failure }.hint(hint)
}

/// The kind that a field names: `destinations[0].destination` names a destination.
fn refers_to(path: &str) -> Option<Kind> {
    let field = path.rsplit('.').next()?;
    Kind::ALL.into_iter().find(|kind| kind.noun() == field)
}

/// An error about an entity, with what to do next.
pub(crate) fn failed(kind: Kind, reference: &str, error: ApiError) -> Failure {
    let hint = match (error.code(), error.problem()) {
        (Some("not_found"), _) => Some(format!("tfx {kind} list --status all")),
        (Some("version_mismatch"), Some(p)) => p
            .current
            .map(|now| format!("tfx {kind} show {reference} tells what it is now; then --if-match {now}")),
        (Some("slug_taken"), Some(p)) => p.existing.as_ref().map(|id| {
            format!("tfx {kind} show {id} shows who has it; --if-not-exists takes that one as it is")
        }),
        (Some("former_secret_works"), _) => Some("the same with --force ends it".to_owned()),
        (Some("in_use"), _) => Some(format!("tfx {kind} archive {reference} --force")),
        _ => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) if failure.kind != FailureKind::Unreachable => failure.hint(hint),
        _ => failure,
    }
}

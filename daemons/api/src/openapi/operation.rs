//! One operation as the table says it.

use super::schemas::Schemas;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde_json::{Value, json};

/// Makes a schema among those of the document, and says where it stands.
type Made = Box<dyn Fn(&mut Schemas) -> Value>;

/// What a route takes and answers.
pub(super) struct Operation {
    pub(super) method: Method,
    /// Below the base.
    pub(super) path: String,
    pub(super) id: String,
    pub(super) tag: &'static str,
    /// One plain sentence.
    pub(super) summary: String,
    /// What there is to know besides.
    pub(super) more: String,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Body>,
    /// The answers if it is done, the usual one first.
    pub(super) answers: Vec<Answer>,
    /// Beside those of all: status, code, when.
    pub(super) problems: Vec<(StatusCode, &'static str, String)>,
    /// Whether it takes `If-Match`.
    pub(super) conditional: bool,
    /// Whether it makes something new.
    pub(super) creates: bool,
}

/// A body in JSON.
pub(super) struct Body {
    pub(super) schema: Made,
    pub(super) example: Value,
    pub(super) media_type: &'static str,
}

/// The answer if it is done.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) about: String,
    pub(super) schema: Made,
    /// Header, what it says, an example.
    pub(super) headers: Vec<(&'static str, &'static str, &'static str)>,
}

/// A GET of a path, its id and what it does.
pub(super) fn get(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
    Operation::new(Method::GET, path.into(), id.into(), summary.into())
}

/// The same of a POST.
pub(super) fn post(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
    Operation::new(Method::POST, path.into(), id.into(), summary.into())
}

/// The same of a PUT.
pub(super) fn put(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
    Operation::new(Method::PUT, path.into(), id.into(), summary.into())
}

/// The same of a PATCH.
pub(super) fn patch(path: impl Into<String>, id: impl Into<String>, summary: impl Into<String>) -> Operation {
    Operation::new(Method::PATCH, path.into(), id.into(), summary.into())
}

impl Operation {
    fn new(method: Method, path: String, id: String, summary: String) -> Self {
        Self {
            method,
            path,
            id,
            tag: "",
            summary,
            more: String::new(),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
            conditional: false,
            creates: false,
        }
    }

    /// With a parameter of the query.
    #[expect(clippy::needless_pass_by_value, reason = "each is made where it is said")]
    pub(super) fn query(mut self, name: &str, about: &str, schema: Value) -> Self {
        let mut parameter = json!({ "name": name, "in": "query", "description": about, "schema": schema });
        // Empty counts as absent; of a condition it is a value.
        if name != "where" {
            parameter["allowEmptyValue"] = true.into();
        }
        self.parameters.push(parameter);
        self
    }

    /// With one whose values are a type's.
    pub(super) fn words<'w>(self, name: &str, about: &str, words: impl IntoIterator<Item = &'w str>) -> Self {
        let words: Vec<&str> = words.into_iter().collect();
        self.query(name, about, json!({ "type": "string", "enum": words }))
    }

    /// With `since` and `until`.
    pub(super) fn window(self) -> Self {
        let moment = || json!({ "$ref": "#/components/schemas/Moment" });
        self.query("since", "From this time on", moment()).query("until", "Before this time", moment())
    }

    /// With what lists take: `limit` and `cursor`.
    pub(super) fn pages(self) -> Self {
        self.pages_of(1_000)
    }

    /// The same, of at most so many.
    pub(super) fn pages_of(self, most: usize) -> Self {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": most, "default": most.min(100) });
        self.query("limit", "The most items of the page", limit)
            .query(
                "cursor",
                "The `next` of the page before; none: the first page",
                json!({ "type": "string" }),
            )
            .refuses(StatusCode::BAD_REQUEST, "bad_cursor", "the cursor is not one of this list")
    }

    /// With a body of a type.
    pub(super) fn takes<T: JsonSchema + 'static>(self, example: Value) -> Self {
        self.takes_one(Schemas::taken::<T>, example)
    }

    /// With another body.
    pub(super) fn takes_one(
        mut self,
        schema: impl Fn(&mut Schemas) -> Value + 'static,
        example: Value,
    ) -> Self {
        let media_type =
            if self.method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        self.body = Some(Body { schema: Box::new(schema), example, media_type });
        self
    }

    /// Answers with a type.
    pub(super) fn answers<T: JsonSchema + 'static>(self, about: &str) -> Self {
        self.answers_one(StatusCode::OK, about, Schemas::shown::<T>)
    }

    /// Answers so.
    pub(super) fn answers_one(
        mut self,
        status: StatusCode,
        about: &str,
        schema: impl Fn(&mut Schemas) -> Value + 'static,
    ) -> Self {
        let about = about.to_owned();
        self.answers.push(Answer { status, about, schema: Box::new(schema), headers: Vec::new() });
        self
    }

    /// Or so.
    pub(super) fn also<T: JsonSchema + 'static>(self, status: StatusCode, about: &str) -> Self {
        self.answers_one(status, about, Schemas::shown::<T>)
    }

    /// With a header of the answer.
    pub(super) fn header(mut self, name: &'static str, about: &'static str, example: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, about, example));
        }
        self
    }

    /// May be refused so.
    pub(super) fn refuses(mut self, status: StatusCode, code: &'static str, when: impl Into<String>) -> Self {
        self.problems.push((status, code, when.into()));
        self
    }

    /// There may be no such thing.
    pub(super) fn finds(self, what: &str) -> Self {
        self.refuses(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// Another service is asked for it.
    pub(super) fn asks(self, service: &str) -> Self {
        self.refuses(
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unreachable",
            format!("{service} does not answer"),
        )
        .refuses(
            StatusCode::BAD_GATEWAY,
            "bad_gateway",
            format!("{service} does not answer as it should"),
        )
    }

    /// Takes `If-Match`.
    pub(super) fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// Makes something new.
    pub(super) fn creates(mut self) -> Self {
        self.creates = true;
        self
    }

    /// What there is to know besides.
    pub(super) fn note(mut self, more: impl Into<String>) -> Self {
        self.more = more.into();
        self
    }
}

/// Gives all of them their tag.
pub(super) fn tagged(tag: &'static str, operations: Vec<Operation>) -> Vec<Operation> {
    operations.into_iter().map(|operation| Operation { tag, ..operation }).collect()
}

//! What a POST to a traffic source carries.

use crate::{
    entity::PostbackMethod,
    macros::{ConversionFacts, Facts, TextTemplate},
    problem::Problems,
};
use rand::Rng;
use rust_decimal::Decimal;
use serde_json::Value;
use url::form_urlencoded;

/// The longest body as it is written, in bytes of JSON.
const LONGEST: usize = 16 << 10;
/// The most macros in one; bounds what is sent.
const MOST_MACROS: usize = 64;
/// How deep objects and lists may stand in each other.
const DEEPEST: usize = 8;
/// The longest name of a member.
const LONGEST_NAME: usize = 128;

/// A parsed body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Fields in order.
    Form(Vec<(String, TextTemplate)>),
    /// Members in order.
    Json(Vec<(String, Node)>),
}

/// A value in a body of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A text with macros, or one macro that stands for a number.
    Text(TextTemplate),
    /// JSON that is sent as it is.
    Plain(String),
    /// A list.
    List(Vec<Node>),
    /// An object.
    Object(Vec<(String, Node)>),
}

impl Body {
    /// Parses and checks what a person wrote: an object.
    ///
    /// # Errors
    /// Everything that is wrong, with its path in the object.
    pub fn parse(body: &Value, method: PostbackMethod) -> Result<Self, Problems> {
        let Value::Object(members) = body else {
            return Err(Problems::one(
                "",
                "must be an object, such as {\"id\": \"{external_id}\", \"value\": \"{payout}\"}",
            ));
        };
        let mut problems = Problems::default();
        problems.require(body.to_string().len() <= LONGEST, "", "must be at most 16384 bytes");
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut parser = Parser { problems, macros: 0 };
        let parsed = match method {
            PostbackMethod::PostJson => Self::Json(parser.members(members, "", 1)),
            PostbackMethod::Get | PostbackMethod::PostForm => Self::Form(
                members
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), parser.field(name, value)?)))
                    .collect(),
            ),
        };
        let many = parser.macros > MOST_MACROS;
        parser.problems.require(!many, "", "must have at most 64 macros");
        parser.problems.into_result(parsed)
    }

    /// Whether something in it is known of a click alone, and not of its conversion.
    pub fn needs_click(&self) -> bool {
        self.texts().into_iter().any(TextTemplate::needs_click)
    }

    /// The names of its macros that nothing stands for.
    pub fn empty(&self, click: &Facts<'_>, told: ConversionFacts<'_>) -> Vec<String> {
        self.texts().into_iter().flat_map(|text| text.empty(click, Some(told))).collect()
    }

    /// What macros stand in.
    fn texts(&self) -> Vec<&TextTemplate> {
        match self {
            Self::Form(fields) => fields.iter().map(|(_, text)| text).collect(),
            Self::Json(members) => members.iter().flat_map(|(_, node)| node.texts()).collect(),
        }
    }

    /// Its type as a header has it.
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Form(_) => "application/x-www-form-urlencoded",
            Self::Json(_) => "application/json",
        }
    }

    /// What is sent for a conversion.
    pub fn render(&self, click: &Facts<'_>, told: ConversionFacts<'_>, rng: &mut impl Rng) -> String {
        match self {
            Self::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    form.append_pair(name, &value.render(click, Some(told), rng));
                }
                form.finish()
            }
            Self::Json(members) => {
                let mut out = String::new();
                write_members(members, click, told, rng, &mut out);
                out
            }
        }
    }
}

impl Node {
    fn texts(&self) -> Vec<&TextTemplate> {
        match self {
            Self::Text(template) => vec![template],
            Self::Plain(_) => Vec::new(),
            Self::List(nodes) => nodes.iter().flat_map(Self::texts).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, node)| node.texts()).collect(),
        }
    }
}

struct Parser {
    problems: Problems,
    macros: usize,
}

impl Parser {
    fn text(&mut self, text: &str, path: &str) -> Option<TextTemplate> {
        match TextTemplate::parse(text) {
            Ok(template) => {
                self.macros += template.macros();
                Some(template)
            }
            Err(problems) => {
                self.problems.nest(path, problems);
                None
            }
        }
    }

    fn name(&mut self, name: &str, path: &str) {
        let ok = (1..=LONGEST_NAME).contains(&name.len());
        self.problems.require(ok, path, "must have a name of 1 to 128 bytes");
    }

    fn field(&mut self, name: &str, value: &Value) -> Option<TextTemplate> {
        self.name(name, name);
        match value {
            Value::String(text) => self.text(text, name),
            Value::Number(_) | Value::Bool(_) => self.text(&value.to_string(), name),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                self.problems.add(name, "must be a text: a form holds no lists and no objects");
                None
            }
        }
    }

    fn members(
        &mut self,
        members: &serde_json::Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Vec<(String, Node)> {
        let mut nodes = Vec::with_capacity(members.len());
        for (name, value) in members {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.name(name, &path);
            if let Some(node) = self.node(value, &path, depth) {
                nodes.push((name.clone(), node));
            }
        }
        nodes
    }

    fn node(&mut self, value: &Value, path: &str, depth: usize) -> Option<Node> {
        if depth > DEEPEST {
            self.problems.add(path, "stands too deep: at most 8 objects and lists may stand in each other");
            return None;
        }
        Some(match value {
            Value::String(text) => Node::Text(self.text(text, path)?),
            Value::Null | Value::Bool(_) | Value::Number(_) => Node::Plain(value.to_string()),
            Value::Array(items) => {
                let mut nodes = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    nodes.extend(self.node(item, &format!("{path}[{i}]"), depth + 1));
                }
                Node::List(nodes)
            }
            Value::Object(members) => Node::Object(self.members(members, path, depth + 1)),
        })
    }
}

fn write_members(
    members: &[(String, Node)],
    click: &Facts<'_>,
    told: ConversionFacts<'_>,
    rng: &mut impl Rng,
    out: &mut String,
) {
    out.push('{');
    for (i, (name, node)) in members.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&quoted(name));
        out.push(':');
        write_node(node, click, told, rng, out);
    }
    out.push('}');
}

fn write_node(
    node: &Node,
    click: &Facts<'_>,
    told: ConversionFacts<'_>,
    rng: &mut impl Rng,
    out: &mut String,
) {
    match node {
        Node::Plain(json) => out.push_str(json),
        Node::Text(template) => {
            let text = template.render(click, Some(told), rng);
            out.push_str(&if template.is_number() { number(&text) } else { quoted(&text) });
        }
        Node::List(nodes) => {
            out.push('[');
            for (i, node) in nodes.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_node(node, click, told, rng, out);
            }
            out.push(']');
        }
        Node::Object(members) => write_members(members, click, told, rng, out),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// As JSON has it, digit for digit; `null` for what is missing.
fn number(text: &str) -> String {
    match text.parse::<Decimal>() {
        Ok(number) => number.to_string(),
        Err(_) if text.is_empty() => "null".to_owned(),
        Err(_) => quoted(text),
    }
}

//! The fields of a JSON object or of a query.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::{Fault, Value};
use crate::budget::{Loc, Problem, Problems};

/// Fields that are taken by name. What is left in the end was not expected.
#[derive(Debug)]
pub(in crate::budget) struct Fields<'a> {
    at: Vec<Loc>,
    given: Vec<(String, Value<'a>)>,
    problems: Problems,
}

impl<'a> Fields<'a> {
    /// Those of a body that is one JSON object.
    pub(in crate::budget) fn of_body(body: &'a [u8]) -> Result<Self, Problems> {
        Self::of_object(body, vec!["body".into()]).map_err(Problems::from)
    }

    fn of_object(json: &'a [u8], at: Vec<Loc>) -> Result<Self, Problem> {
        match serde_json::from_slice(json) {
            Ok(Object(given)) => Ok(Self {
                at,
                given,
                problems: Problems::default(),
            }),
            Err(error) => Err(unreadable(
                json,
                &error,
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
            )
            .at(at)),
        }
    }

    /// The parameters of a query.
    pub(in crate::budget) fn of_query(query: Option<&'a str>) -> Self {
        let given = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .map(|(name, text)| (name.into_owned(), Value::Text(text)))
            .collect();
        Self {
            at: vec!["query".into()],
            given,
            problems: Problems::default(),
        }
    }

    /// `None` also when the field is wrong: then there is a problem.
    pub(in crate::budget) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.take(name);
        if value.is_none() {
            self.refuse(name.into(), Fault::missing());
        }
        self.read(name, &value?, read)
    }

    /// `null` is the same as leaving it out.
    pub(in crate::budget) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.take(name).filter(|value| !value.is_null())?;
        self.read(name, &value, read)
    }

    /// `Some(None)` for `null`, which is something else than leaving it out.
    #[expect(clippy::option_option, reason = "left out, null and a value are three")]
    pub(in crate::budget) fn nullable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value<'a>) -> Result<Option<T>, Fault>,
    ) -> Option<Option<T>> {
        match self.take(name)? {
            value if value.is_null() => Some(None),
            value => self.read(name, &value, read),
        }
    }

    /// The value that was read, if nothing was wrong: fields that nobody asked
    /// for are. `value` gives `None` where a required one is.
    pub(in crate::budget) fn finish<T>(
        mut self,
        value: impl FnOnce() -> Option<T>,
    ) -> Result<T, Problems> {
        for (name, _) in std::mem::take(&mut self.given) {
            self.refuse(Loc::given(&name), Fault::unexpected());
        }
        match value() {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        let is_it = |(given, _): &(String, _)| given == name;
        let at = self.given.iter().position(is_it)?;
        let (_, value) = self.given.remove(at);
        if self.given.iter().any(is_it) {
            self.given.retain(|field| !is_it(field));
            self.refuse(name.into(), Fault::duplicate());
        }
        Some(value)
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        value: &Value<'a>,
        read: impl FnOnce(&Value<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        read(value)
            .map_err(|fault| self.refuse(name.into(), fault))
            .ok()
    }

    fn refuse(&mut self, name: Loc, fault: Fault) {
        let mut loc = self.at.clone();
        loc.push(name);
        self.problems.push(fault.at(loc));
    }
}

/// What is read of each object in a body that is a JSON array.
pub(in crate::budget) fn items<T>(
    body: &[u8],
    maximum: usize,
    read: impl Fn(Fields<'_>) -> Result<T, Problems>,
) -> Result<Vec<T>, Problems> {
    let whole = |fault: Fault| Problems::from(fault.at(vec!["body".into()]));
    let given: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        whole(unreadable(
            body,
            &error,
            "list_type",
            "Input should be a valid list",
        ))
    })?;
    if given.is_empty() {
        let msg = "List should have at least 1 item after validation, not 0";
        return Err(whole(Fault::new("too_short", msg)));
    }
    if given.len() > maximum {
        let count = given.len();
        let msg = format!("List should have at most {maximum} items after validation, not {count}");
        return Err(whole(Fault::new("too_long", msg)));
    }
    let mut items = Vec::with_capacity(given.len());
    let mut problems = Problems::default();
    for (index, json) in given.into_iter().enumerate() {
        let at = vec!["body".into(), index.into()];
        let fields = Fields::of_object(json.get().as_bytes(), at).map_err(Problems::from);
        match fields.and_then(&read) {
            Ok(item) => items.push(item),
            Err(more) => problems.append_row(more),
        }
    }
    if problems.is_empty() {
        Ok(items)
    } else {
        Err(problems)
    }
}

/// Why JSON could not be read: because it is none, or because it is something
/// else than what was expected. The text of the error repeats nothing of it.
fn unreadable(
    json: &[u8],
    error: &serde_json::Error,
    kind: &'static str,
    msg: &'static str,
) -> Fault {
    match error.classify() {
        _ if json.trim_ascii().is_empty() => Fault::missing(),
        Category::Data => Fault::new(kind, msg),
        Category::Io | Category::Syntax | Category::Eof => {
            Fault::new("json_invalid", format!("JSON decode error: {error}"))
        }
    }
}

/// The fields of an object in their order, duplicates included.
struct Object<'a>(Vec<(String, Value<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut given = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            given.push((name, Value::Json(value.get())));
        }
        Ok(Object(given))
    }
}

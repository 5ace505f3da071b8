//! The environment of a chat template: what transformers' templates may call, and nothing of the
//! machine they run on.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Object, ObjectRepr, Value, ValueKind, from_args};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};

use super::date::DateTime;
use super::{filters, methods, python};

/// An environment without a loader: there are no files to include.
pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // Nothing is escaped: this makes the engine print with the formatter below where `~` joins a
    // safe string to another value, which see `source`.
    env.set_auto_escape_callback(|_| AutoEscape::Custom("python".into()));
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    env.set_unknown_method_callback(methods::call);
    env.set_formatter(|out, state, value| {
        let written = match value.as_str() {
            Some(text) => out.write_str(text),
            None => out.write_str(&python::str(state, value)?),
        };
        written.map_err(|_| ErrorKind::WriteFailure.into())
    });
    env.remove_global("debug");
    env.add_function("raise_exception", raise_exception);
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    filters::add(&mut env);
    env.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    env.add_test("sequence", |value: &Value| {
        // What has a length and items by index; a slice of a list is lazy here.
        matches!(value.kind(), ValueKind::Undefined | ValueKind::String | ValueKind::Seq)
            || matches!(value.kind(), ValueKind::Map | ValueKind::Iterable) && value.len().is_some()
    });
    Ok(env)
}

/// What a template said with `raise_exception`.
#[derive(Debug)]
pub(super) struct Raised(pub(super) String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raise_exception(state: &State, message: &Value) -> Result<Value, Error> {
    let message = python::str(state, message)?;
    let error = Error::new(ErrorKind::InvalidOperation, message.clone());
    Err(error.with_source(Raised(message)))
}

/// `strftime_now` of one rendering.
#[derive(Debug)]
pub(super) struct StrftimeNow(pub(super) Option<DateTime>);

impl Object for StrftimeNow {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (format,): (&str,) = from_args(args)?;
        let refused = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
        let now = self.0.ok_or_else(|| {
            refused(
                "asks for the date (`strftime_now`), and none was given to the rendering".into(),
            )
        })?;
        now.format(format).map(Value::from).map_err(|directive| {
            refused(format!("`strftime_now` was given `{directive}`, which is not supported"))
        })
    }
}

/// Where generated text lies in what has been written so far, in bytes.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) written: AtomicUsize,
    /// Where each text began, and the text: what a macro or a set block did with it is not known.
    generated: Mutex<Vec<(usize, String)>>,
}

impl Progress {
    pub(super) fn take_generated(&self) -> Vec<(usize, String)> {
        std::mem::take(&mut self.generated.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What `{% generation %}` calls, in one rendering.
#[derive(Debug)]
pub(super) struct Generated(pub(super) Arc<Progress>);

impl Object for Generated {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (kwargs,): (Kwargs,) = from_args(args)?;
        let body: Value = kwargs.get("caller")?;
        let start = self.0.written.load(Ordering::Relaxed);
        let text = body.call(state, &[])?;
        let mut generated = self.0.generated.lock().unwrap_or_else(PoisonError::into_inner);
        generated.push((start, text.as_str().unwrap_or_default().to_owned()));
        Ok(text)
    }
}

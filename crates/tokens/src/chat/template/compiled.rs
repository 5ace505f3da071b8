//! A template as the engine holds it, and the engine's errors as ours.

use std::error::Error as _;
use std::sync::Arc;

use minijinja::{Environment, ErrorKind};

use super::{RENDER_TIME, RENDER_WORK};
use crate::chat::functions::{Raised, environment};
use crate::chat::guard::{Stopped, guarded};
use crate::chat::source::Source;
use crate::error::Error;

/// A longer template is no template.
const LONGEST_TEMPLATE_BYTES: usize = 256 << 10;

/// A template as the engine holds it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) env: Environment<'static>,
    pub(super) text: String,
    pub(super) marks_generation: bool,
    pub(super) literals: Vec<String>,
}

/// The engine's name for the only template an environment has.
pub(super) const TEMPLATE: &str = "chat_template";

impl Compiled {
    /// Reads and compiles `text`; `name` says in messages where it comes from.
    pub(super) fn new(name: &str, text: &str) -> Result<Arc<Self>, Error> {
        if text.len() > LONGEST_TEMPLATE_BYTES {
            return Err(Error::ChatTemplate {
                template: name.to_owned(),
                line: None,
                problem: format!("{} bytes, expected at most {LONGEST_TEMPLATE_BYTES}", text.len()),
            });
        }
        let Source { jinja, marks_generation, autoescape, literals } = Source::read(text);
        if autoescape.is_some() {
            return Err(Error::ChatTemplate {
                template: name.to_owned(),
                line: autoescape,
                problem: "`autoescape`, expected text that is printed as it is".to_owned(),
            });
        }
        let compiled = guarded(RENDER_TIME, || {
            let mut env = environment()?;
            env.set_fuel(Some(RENDER_WORK));
            // Errors name what is undefined.
            env.set_debug(true);
            env.add_template_owned(TEMPLATE, jinja)?;
            Ok(env)
        });
        let compiled = compiled.map_err(|stopped| stop(name, stopped))?;
        let env = compiled.map_err(|error| failure(name, &error))?;
        Ok(Arc::new(Self { env, text: text.to_owned(), marks_generation, literals }))
    }
}

/// Why there is no result, as an error of ours.
pub(super) fn stop(template: &str, stopped: Stopped) -> Error {
    let template = template.to_owned();
    match stopped {
        Stopped::Late => Error::ChatTemplateTime { template, seconds: RENDER_TIME.as_secs() },
        Stopped::Broken(problem) => Error::ChatTemplate { template, line: None, problem },
    }
}

/// The engine's error as one of ours.
pub(super) fn failure(template: &str, error: &minijinja::Error) -> Error {
    let (template, line) = (template.to_owned(), error.line());
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(Raised(message)) = cause.downcast_ref() {
            return Error::ChatTemplateRaised { template, message: message.clone() };
        }
        source = cause.source();
    }
    if error.kind() == ErrorKind::OutOfFuel {
        return Error::ChatTemplateWork { template, line, limit: RENDER_WORK };
    }
    let problem = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    Error::ChatTemplate { template, line, problem }
}

//! What is this answer worth, asked outside: programs and services. And what follows it: environments.
//!
//! One request for each completion, one reply to each, both an object of JSON on a line of its own:
//!
//! ```text
//! {"id":"12/0/3","source":"tickets","document":7,"messages":[…],"completion":"…","reference":"…"}
//! {"id":"12/0/3","reward":0.5}
//! ```
//!
//! A [`Program`] reads requests from its standard input and writes replies to its standard output; an
//! [`Endpoint`] is sent them by POST. Several are asked at a time, and an answer is known by its number:
//! when it came says nothing. Whoever does not answer is asked again, as often as the recipe says, and then
//! it is an error: nothing is ever scored zero for want of an answer.
//!
//! An [`Environment`] is a program as well, which goes on with a conversation after each answer.

mod asking;
mod case;
mod endpoint;
mod environment;
mod error;
mod judge;
mod processes;
mod program;
mod reply;
mod request;

pub use case::Case;
pub use endpoint::Endpoint;
pub use environment::Environment;
pub use error::{Error, Keys};
pub use judge::Judge;
pub use program::Program;

//! A service that judges: requests by POST, several under way at a time.

use std::env;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};
use temper_ask::{Question, Told, Unanswered};
use temper_recipe::EndpointReward;
use tokio::runtime::{Builder, Runtime};

use crate::asking::ask_all;
use crate::case::Case;
use crate::error::{Error, Keys};
use crate::reply::{NoReply, reward, shown};
use crate::request::request;

/// The wait before a request is made again for the first time; each one after it is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Bytes of a reply, of which a reward takes some dozens.
const MOST_BYTES: usize = 1 << 20;

/// A service, not asked yet.
#[derive(Debug)]
pub struct Endpoint {
    url: Url,
    client: Client,
    runtime: Runtime,
    spec: EndpointReward,
}

/// Why a request brought no reward.
enum Problem {
    /// Another one may.
    Passing(String),
    /// Another one would bring the same.
    Lasting(NoReply),
}

impl Endpoint {
    /// # Errors
    /// [`Error::Url`], [`Error::Client`].
    pub fn new(spec: &EndpointReward) -> Result<Self, Error> {
        let url = Url::parse(&spec.url);
        let url =
            url.map_err(|error| Error::Url { url: spec.url.clone(), problem: error.to_string() })?;
        let failed = |error: &dyn fmt::Display| Error::Client { problem: error.to_string() };
        let is_near = url.host_str().is_some_and(|host| {
            let host = host.trim_matches(['[', ']']);
            host == "localhost"
                || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        });
        let mut client = Client::builder()
            .timeout(Duration::from_secs_f64(spec.timeout_seconds))
            // It would make a GET of the POST, or carry the token elsewhere.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("temper/", env!("CARGO_PKG_VERSION")))
            // Certificates are read for those who need them.
            .tls_built_in_root_certs(url.scheme() == "https");
        if is_near {
            // A proxy would look for it on its own machine.
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| failed(&causes(&error)))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        Ok(Self { url, client, runtime, spec: spec.clone() })
    }

    /// As [`Judge::is_ready`](crate::Judge::is_ready).
    ///
    /// # Errors
    /// [`Error::Token`].
    pub fn is_ready(&self) -> Result<(), Error> {
        self.authorization().map(drop)
    }

    /// As [`Judge::judge`](crate::Judge::judge).
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn judge(
        &self,
        questions: &[(&Question<'_>, Case<'_>)],
        told: &mut Told<'_>,
    ) -> Result<(), Unanswered> {
        let authorization = self.authorization();
        let authorization =
            authorization.map_err(|error| Unanswered { question: 0, cause: Box::new(error) })?;
        let ask = |_, asked: &(&Question<'_>, Case<'_>), is_over: &AtomicBool| {
            let (question, case) = asked;
            self.ask(question, case, authorization.as_ref(), is_over)
        };
        ask_all(0..self.spec.concurrency, questions, ask, told)
    }

    /// Asks until there is an answer or nobody is to be asked again.
    fn ask(
        &self,
        question: &Question<'_>,
        case: &Case<'_>,
        authorization: Option<&HeaderValue>,
        is_over: &AtomicBool,
    ) -> Result<f64, Error> {
        let (judge, id) = (format!("url `{}`", self.url), question.id.clone());
        let (request, mut wait, mut n_tries) = (request(question, case), FIRST_WAIT, 0);
        loop {
            n_tries += 1;
            let answer = self.runtime.block_on(self.post(&request, authorization));
            let answer = answer
                .and_then(|reply| reward(&reply, &id, self.spec.range).map_err(Problem::Lasting));
            let line = || format!("`{{\"id\": \"{id}\", \"reward\": 0.5}}`");
            match answer {
                Ok(reward) => return Ok(reward),
                Err(Problem::Lasting(lasting)) => {
                    let keys = match &lasting {
                        NoReply::Refused { is_outside: true, .. } => Keys::UrlOrRange,
                        NoReply::Refused { .. } | NoReply::Nonsense { .. } => Keys::Url,
                    };
                    let (found, expected) = match lasting {
                        NoReply::Refused { found, expected, .. } => (found, expected),
                        NoReply::Nonsense { found } => (found, line()),
                    };
                    let said = Vec::new();
                    return Err(Error::Refused { judge, id, found, expected, said, keys });
                }
                Err(Problem::Passing(found)) => {
                    if n_tries > self.spec.retries {
                        let (expected, said) = (line(), Vec::new());
                        return Err(Error::NoAnswer { judge, id, n_tries, found, expected, said });
                    }
                    if is_over.load(Ordering::SeqCst) {
                        return Err(Error::GivenUp { judge, id });
                    }
                    thread::sleep(wait);
                    wait = LONGEST_WAIT.min(2 * wait);
                }
            }
        }
    }

    /// One request, and the text that it brings.
    async fn post(
        &self,
        request: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<String, Problem> {
        let failed = |error: reqwest::Error| Problem::Passing(causes(&error));
        let post = self.client.post(self.url.clone());
        let post = post.header(CONTENT_TYPE, "application/json").body(request.to_owned());
        let post = match authorization {
            Some(value) => post.header(AUTHORIZATION, value.clone()),
            None => post,
        };
        let mut response = post.send().await.map_err(failed)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&part);
            if body.len() > MOST_BYTES {
                body.truncate(MOST_BYTES);
                let found = format!("found more than a megabyte, `{}`", shown(&text(&body)));
                return Err(Problem::Lasting(NoReply::Nonsense { found }));
            }
        }
        let body = text(&body);
        if status.is_success() {
            return Ok(body);
        }
        let found = match shown(&body) {
            body if body.is_empty() => format!("found status {status}"),
            body => format!("found status {status}, `{body}`"),
        };
        // Too many requests and a request that took too long are no fault of the request.
        let passes = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
        Err(match status.is_server_error() || passes.contains(&status) {
            true => Problem::Passing(found),
            false => Problem::Lasting(NoReply::Nonsense { found }),
        })
    }

    /// The header with the token, where the recipe asks for one.
    fn authorization(&self) -> Result<Option<HeaderValue>, Error> {
        let Some(variable) = &self.spec.token_env else { return Ok(None) };
        let refuse = |problem| Error::Token { variable: variable.clone(), problem };
        let token = env::var(variable).map_err(|error| match error {
            env::VarError::NotPresent => refuse("found no such variable in the environment"),
            env::VarError::NotUnicode(_) => refuse("found a value that is no text"),
        })?;
        if token.trim().is_empty() {
            return Err(refuse("found nothing in it"));
        }
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| refuse("found a value that no header can carry"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a client says, with what was behind it: the cause is told by the last.
fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "found no reply in time".to_owned();
    }
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said += &format!(": {error}");
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests;

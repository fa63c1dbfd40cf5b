//! Verbatim: the exceptions of chaoslib, of the Python client of Kubernetes, and of urllib3.
//!
//! The journal shows a failed function as the Chaos Toolkit does: `class: message`. Tools search for the classes.

use super::error::{Error, PythonException};
use crate::error_code::{Coded as _, message_chain};
use crate::k8s;
use crate::k8s::ApiError;

/// Returns the text that the journal shows for an error.
pub fn python_exception(error: &Error) -> String {
    match error {
        Error::Cluster(error) => cluster_exception(error),
        Error::Raised { exception, message } => format!("{}: {message}", class(*exception)),
    }
}

fn class(exception: PythonException) -> &'static str {
    match exception {
        PythonException::ActivityFailed => "chaoslib.exceptions.ActivityFailed",
        PythonException::ApiValueError => "kubernetes.client.exceptions.ApiValueError",
        PythonException::AttributeError => "AttributeError",
        PythonException::FileNotFoundError => "FileNotFoundError",
        PythonException::ImportError => "ImportError",
        PythonException::KeyError => "KeyError",
        PythonException::RegexError => "re.error",
        PythonException::TypeError => "TypeError",
        PythonException::ValueError => "ValueError",
    }
}

fn cluster_exception(error: &k8s::Error) -> String {
    use k8s::Error as E;
    let class = match error {
        E::Api(answer) => {
            return format!("kubernetes.client.exceptions.ApiException: {}", api_exception(answer));
        }
        E::Rejected { context, with_body, answer } => {
            let quoted = if *with_body { reason_and_body(answer) } else { api_exception(answer) };
            return format!("{}: {context}{quoted}", class(PythonException::ActivityFailed));
        }
        E::Connect { .. }
        | E::Dns { .. }
        | E::Proxy { .. }
        | E::Tls { .. }
        | E::Login { .. }
        | E::Broken { .. } => "urllib3.exceptions.MaxRetryError",
        E::Timeout { .. } => "urllib3.exceptions.ReadTimeoutError",
        E::InvalidAnswer { .. } | E::InvalidRequest(_) => class(PythonException::ValueError),
        E::Config(_) => "kubernetes.config.config_exception.ConfigException",
        E::InvalidName { .. } | E::UnknownKind { .. } | E::Interrupted | E::Service(_) => {
            class(PythonException::ActivityFailed)
        }
    };
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{class}: {}{hint}", message_chain(error))
}

/// Returns the text of an `ApiException`, and a hint.
fn api_exception(answer: &ApiError) -> String {
    let (code, phrase, body) = (answer.code, answer.phrase(), answer.body.trim_end());
    let hint = answer.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!("({code})\nReason: {phrase}\nHTTP response body: {body}\n{hint}")
}

/// Returns reason and body, as functions for custom objects quote them, and a hint.
fn reason_and_body(answer: &ApiError) -> String {
    let hint = answer.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("'{}' {}{hint}", answer.reason(), answer.body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_formatted_as_in_the_python_client() {
        let answer = |code: u16| {
            let body = "{\"reason\": \"Why\"}\n".to_owned();
            Box::new(ApiError {
                code,
                body,
                verb: "get",
                resource: k8s::PODS,
                namespace: None,
                is_without_credentials: false,
            })
        };
        let check = |error: k8s::Error, expected: &str| {
            assert_eq!(python_exception(&Error::Cluster(error)), expected);
        };
        check(
            k8s::Error::Api(answer(404)),
            "kubernetes.client.exceptions.ApiException: (404)\nReason: Not Found\nHTTP response body: \
             {\"reason\": \"Why\"}\n",
        );
        let rejected = |code: u16, with_body| k8s::Error::Rejected {
            context: "failed to scale: ".to_owned(),
            with_body,
            answer: answer(code),
        };
        check(
            rejected(409, true),
            "chaoslib.exceptions.ActivityFailed: failed to scale: 'Why' {\"reason\": \"Why\"}",
        );
        check(
            rejected(403, false),
            "chaoslib.exceptions.ActivityFailed: failed to scale: (403)\nReason: Forbidden\nHTTP response body: \
             {\"reason\": \"Why\"}\nhint: check the permission with `kubectl auth can-i get pods -A`\n",
        );
    }
}

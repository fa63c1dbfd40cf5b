//! Text of an error of `kube`.

use std::error::Error as StdError;

use kube::Error as E;

use crate::http_client::{BoxError, describe};

/// Describes an error with its causes, as [`describe`] does.
///
/// `Display` of `kube::Error` also describes kubeconfigs, with the code lines of a YAML error. Such errors do not occur
/// here, so the release binary leaves out their renderer.
pub(in crate::k8s) fn describe_client_error(error: &kube::Error) -> String {
    let (name, source): (&str, &(dyn StdError + 'static)) = match error {
        E::Api(status) => return format!("ApiError: {status} ({status:?})"),
        E::HyperError(source) => ("HyperError", source),
        E::Service(source) => ("ServiceError", source.as_ref()),
        E::FromUtf8(source) => ("UTF-8 Error", source),
        E::ReadEvents(source) => ("Error reading events stream", source),
        E::HttpError(source) => ("HttpError", source),
        E::SerdeError(source) => ("Error deserializing response", source),
        E::BuildRequest(source) => ("Failed to build request", source),
        E::UpgradeConnection(source) => ("failed to upgrade to a WebSocket connection", source),
        _ => return "error of the Kubernetes client".to_owned(),
    };
    format!("{name}: {}", describe(source))
}

/// Converts the error of a body.
///
/// A body of `kube` must not reach hyper as it is: hyper boxes its error, and with it the description of kubeconfigs.
pub(in crate::k8s) fn body_error(error: kube::Error) -> BoxError {
    describe_client_error(&error).into()
}

#[cfg(test)]
mod tests {
    use std::io;

    use kube::client::UpgradeConnectionError;

    use super::*;

    #[test]
    fn description_is_that_of_the_error_and_its_causes() {
        let json = serde_json::from_str::<u8>("{").unwrap_err();
        let errors = [
            E::Service(Box::new(io::Error::other("connection reset"))),
            E::ReadEvents(io::Error::other("broken pipe")),
            E::FromUtf8(String::from_utf8(vec![0xff]).unwrap_err()),
            E::HttpError(http::Request::builder().uri("a b").body(()).unwrap_err()),
            E::SerdeError(json),
            E::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(http::StatusCode::FORBIDDEN)),
            E::UpgradeConnection(UpgradeConnectionError::MissingConnectionUpgradeHeader),
        ];
        for error in errors {
            assert_eq!(describe_client_error(&error), describe(&error));
        }
    }
}

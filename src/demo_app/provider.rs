//! The provider: it says hello. Floor 1.

use super::server::{Application, DemoResponse};

/// What it says.
pub const GREETING: &str = "Hello from the provider!";

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct DemoProvider;

impl Application for DemoProvider {
    async fn respond(&self, path: &str) -> Option<DemoResponse> {
        (path == "/").then(|| DemoResponse::text(200, GREETING))
    }
}

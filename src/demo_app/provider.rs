//! The provider: returns a greeting.

use super::server::{Application, DemoResponse};

pub const GREETING: &str = "Hello from the provider!";

/// The provider service.
#[derive(Clone, Copy, Debug, Default)]
pub struct DemoProvider;

impl Application for DemoProvider {
    async fn respond(&self, path: &str) -> Option<DemoResponse> {
        (path == "/").then(|| DemoResponse::text(200, GREETING))
    }
}

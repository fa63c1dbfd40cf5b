//! The provider: it says hello. Floor 1.

use super::server::{Answer, Application};

/// What it says.
pub const HELLO: &str = "Hello from the provider!";

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provider;

impl Application for Provider {
    async fn answer(&self, path: &str) -> Option<Answer> {
        (path == "/").then(|| Answer::text(200, HELLO))
    }
}

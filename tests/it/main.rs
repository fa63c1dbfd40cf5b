//! What can only be seen from outside: the binary, as its users start it. One binary for all of it.
//!
//! Each module is one thing a user relies on. Everything listens on 127.0.0.1 and ends with the test that
//! started it; nothing here needs a network, a cluster, Python, or a fixed port.

// it starts Unix programs, and sends signals
#![cfg(unix)]
#![allow(unreachable_pub, reason = "a test binary is reached by nobody")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::print_stdout, reason = "it is seen where it is asked for")]

mod harness;

mod action;
mod architecture;
mod bad_input;
mod cluster;
mod compare;
mod completion;
mod console;
mod controls;
mod demo;
mod demo_app;
mod docs;
mod doctor;
mod durability;
mod embedded;
mod env_filtering;
mod examples;
mod functions;
mod fuzz;
mod github;
mod golden;
mod http;
mod image;
mod init;
mod kubernetes;
mod notifications;
mod process;
mod readme;
mod reports;
mod run_order;
mod sampling;
mod schemas;
mod secrets;
mod services;
mod signals;
mod snapshots;
mod source;
mod style;
mod trial;
mod vault;
